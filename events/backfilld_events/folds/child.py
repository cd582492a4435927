"""The Tap that we run ourselves: whether it runs, since when, and with which filters."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.child import ChildEnded, ChildEvent, ChildNotStarted, ChildStarted
from ..ids import Nsid


class Child(Struct, frozen=True, gc=False):
    """`since` is when it started or ended last (unix seconds); None: we never ran one. `failures`
    counts ends that we did not ask for, in a row; a start does not end the row, a run of
    LASTING_S does. `obstacle` is why it could not be started; empty: it could, or nobody tried.

    `filters` are those of the run that began last, `filtered` the position from which each of them
    is in force without a break: what was handed over after it was fetched with that filter. `code`
    and `tail` are of the run that ended last.
    """

    running: bool = False
    since: float | None = None
    failures: int = 0
    obstacle: str = ""
    filters: tuple[Nsid, ...] = ()
    filtered: dict[Nsid, int] = {}
    code: int | None = None
    tail: str = ""


LASTING_S = 60.0  # a run of this length was a good one


def evolve(child: Child, event: ChildEvent, position: int, at: float) -> Child:
    """The child after `event`, which the log recorded at `at`, at `position`."""
    match event:
        case ChildStarted():
            filtered = {nsid: child.filtered.get(nsid, position) for nsid in event.filters}
            return replace(
                child,
                running=True,
                since=at,
                obstacle="",
                filters=tuple(event.filters),
                filtered=filtered,
            )
        case ChildNotStarted():
            return replace(child, obstacle=event.why)
        case ChildEnded():
            good = event.why or event.ran_s >= LASTING_S
            return replace(
                child,
                running=False,
                since=at,
                failures=0 if good else child.failures + 1,
                code=event.code,
                tail=event.tail,
            )
        case _:
            assert_never(event)
