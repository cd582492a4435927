"""What tests share: given events, made-up DIDs, a log in a folder."""
