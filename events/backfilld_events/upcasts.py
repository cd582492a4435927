"""Reads old payloads as today's: one function per (type, schema version it lifts from).

An old payload is never rewritten in the log; it is lifted each time it is read. A function takes
the plain mapping of version n and returns that of version n + 1.
"""

from collections.abc import Callable
from typing import Any

Upcast = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTS: dict[tuple[str, int], Upcast] = {}
