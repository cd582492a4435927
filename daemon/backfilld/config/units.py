"""Durations, sizes and secrets, as the file writes them."""

import re
from collections.abc import Mapping

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
UNITS_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Duration(float):
    """Seconds, written as `50ms`, `30s`, `2m`, `1h`, `7d`."""


class Size(int):
    """Bytes, written as `512B`, `64KiB`, `1MiB`, `1GiB`."""


class Secret(str):
    """What must not be shown or logged."""

    def __repr__(self) -> str:
        return "Secret(…)"


def parse(kind: type, value: object) -> object:
    """A value of the file as `kind`. Raises ValueError, which says what was expected."""
    if kind is Duration:
        return Duration(_measure(value, UNITS_S, "a duration such as 50ms, 30s, 2m or 1h"))
    if kind is Size:
        return Size(_measure(value, UNITS_BYTES, "a size such as 64KiB or 1MiB"))
    raise TypeError(f"no way to read a {kind.__name__}")


def _measure(value: object, units: Mapping[str, float], expected: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]+)", str(value))
    if found is None or found[2] not in units:
        raise ValueError(f"Expected {expected}, got {value!r}")
    return float(found[1]) * units[found[2]]
