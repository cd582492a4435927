"""Tap (bluesky-social/indigo, cmd/tap) as a simulation: the core is pure, `life` runs it."""

from .disk import TapDisk
from .life import Tap
from .settings import TapSettings

__all__ = ["Tap", "TapDisk", "TapSettings"]
