"""What was found out lately, for a while and not too much of it. Pure: time is an argument."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `most` values, each for `ttl_s` seconds; the oldest goes first."""

    def __init__(self, most: int, ttl_s: float) -> None:
        self._most, self._ttl_s = most, ttl_s
        self._held: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def get(self, key: Key, now: float) -> Value | None:
        """What was put there, if that is no longer ago than it may be."""
        at, value = self._held.get(key, (now, None))
        return value if now - at < self._ttl_s else None

    def put(self, key: Key, value: Value, now: float) -> None:
        """Keeps `value`, in the place of one that was there."""
        self._held.pop(key, None)
        self._held[key] = (now, value)
        while len(self._held) > self._most:
            self._held.popitem(last=False)
