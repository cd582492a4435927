"""What routes and pages say of a job beyond its state: accounts, progress, outlook, forecast."""
