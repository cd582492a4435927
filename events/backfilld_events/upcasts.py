"""Reads old payloads as today's: one function per (type, schema version it lifts from).

An old payload is never rewritten in the log; it is lifted each time it is read. A function takes
the plain mapping of version n and returns that of version n + 1.
"""

from collections.abc import Callable
from typing import Any

Upcast = Callable[[dict[str, Any]], dict[str, Any]]


def _as_it_is(fields: dict[str, Any]) -> dict[str, Any]:
    return fields  # what the next version added has the default that this one had by nature


UPCASTS: dict[tuple[str, int], Upcast] = {
    ("job.started", 1): _as_it_is,
    ("job.started", 2): _as_it_is,
    ("tap.repos-observed", 1): _as_it_is,
}
