"""No test depends on how fast the machine is: Hypothesis has no deadline either."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
