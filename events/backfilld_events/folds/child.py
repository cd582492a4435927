"""The Tap that we run ourselves: whether it runs, since when, and with which filters."""

from typing import assert_never

from msgspec import Struct

from ..catalog.child import ChildEnded, ChildEvent, ChildStarted
from ..ids import Nsid


class Child(Struct, frozen=True, gc=False):
    """`since` is when it started or ended last (unix seconds); None: we never ran one. `failures`
    counts ends that we did not ask for, in a row; a start does not end the row, a run of
    LASTING_S does. `filters` are those of the run that began last, `filtered` the position from
    which each of them is in force without a break."""

    running: bool = False
    since: float | None = None
    failures: int = 0
    filters: tuple[Nsid, ...] = ()
    filtered: dict[Nsid, int] = {}
    tail: str = ""


LASTING_S = 60.0  # a run of this length was a good one


def evolve(child: Child, event: ChildEvent, position: int, at: float) -> Child:
    """The child after `event`, which the log recorded at `at`, at `position`."""
    match event:
        case ChildStarted():
            filtered = {nsid: child.filtered.get(nsid, position) for nsid in event.filters}
            return Child(
                running=True,
                since=at,
                failures=child.failures,
                filters=tuple(event.filters),
                filtered=filtered,
            )
        case ChildEnded():
            good = event.why or event.ran_s >= LASTING_S
            return Child(
                running=False,
                since=at,
                failures=0 if good else child.failures + 1,
                filters=child.filters,
                filtered=child.filtered,
                tail=event.tail,
            )
        case _:
            assert_never(event)
