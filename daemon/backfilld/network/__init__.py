"""What the network says of names: which account a handle or a lexicon belongs to, and where it
lives.

The one rule: hosts and addresses here are chosen by strangers. Nothing is fetched from them but
through `guard`, nothing is believed but what has been read and checked whole.
"""
