"""A network to try backfilld on: a relay and a Tap that answer as the real ones do.

The one rule: what is expected comes from the world (`world`), never from the servers under test.
Only the sandbox's own command and the tests import this room.
"""
