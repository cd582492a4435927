"""The filter that Tap should have, beside what comes. Pure.

Tap does not tell its filter (facts of tap, 2 and 7), and what it leaves out never comes here. So of
a Tap that we run we know it, and of any other it is inferred: a collection comes or does not, and
repositories that were found for a collection, are fetched, and brought none of it, speak of a
filter that leaves it out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from backfilld_events.projections.targets import FETCHED_MIN

from .shapes.reads import FilterShape, TapFilters
from .words import counted

UNASKED_MAX = 20  # collections that nobody asked for are shown by name; the rest is counted


class Came(NamedTuple):
    """What has come of a collection: records that were wanted then, and ignored ones. `fetched` is
    how many repositories found for it Tap has fetched, if nothing ever came."""

    records: int = 0
    ignored: int = 0
    fetched: int = 0


class Arrivals(NamedTuple):
    """What has come of the wanted collections; of the others the UNASKED_MAX of which most was
    ignored, how many they are and how many records that was."""

    wanted: Mapping[str, Came] = {}
    unasked: Sequence[tuple[str, int]] = ()
    unasked_collections: int = 0
    unasked_records: int = 0


def tap_filters(
    wanted: Iterable[str], arrivals: Arrivals, ours: Sequence[str] | None
) -> TapFilters:
    """`ours` is the filter of the Tap that we run, empty while it does not run; None: we do not
    run it."""
    names = sorted(wanted)
    shown = [_wanted(name, arrivals.wanted.get(name, Came()), ours) for name in names]
    shown += [FilterShape(name, "unasked", 0, ignored, 0) for name, ignored in arrivals.unasked]
    return TapFilters(
        wanted=names,
        actual=None if ours is None else list(ours),
        sentence=" ".join(_sentences(shown, arrivals, managed=ours is not None)),
        line=f"TAP_COLLECTION_FILTERS={','.join(names)}" if names else "",
        collections=shown,
    )


def _wanted(name: str, came: Came, ours: Sequence[str] | None) -> FilterShape:
    if ours is not None:
        state = "sent" if name in ours else "coming"
    elif came.records:
        state = "sent"
    else:
        state = "dropped" if came.fetched >= FETCHED_MIN else "unseen"
    return FilterShape(name, state, came.records, came.ignored, came.fetched)


def _sentences(shown: list[FilterShape], arrivals: Arrivals, *, managed: bool) -> Iterator[str]:
    of = {state: [one for one in shown if one.state == state] for state in _STATES}
    if len(of["unasked"]) == len(shown):
        yield "There is no record lexicon yet, so nothing is asked of Tap."
    elif managed and of["coming"]:
        yield f"Tap is started by itself with {_named(of['coming'])}, which its filter lacks."
    elif managed:
        yield "We run Tap, and its filter has all that there are lexicons for."
    else:
        yield "Tap does not tell which collections it sends, and what it leaves out never comes."
    if of["dropped"]:
        most = max(one.fetched for one in of["dropped"])
        yield (
            f"It seems to leave out {_named(of['dropped'])}: {most:,} repositories that were "
            "found for it are fetched, and nothing of it ever came."
        )
    if of["unseen"]:
        yield f"Of {_named(of['unseen'])} nothing has come yet."
    if arrivals.unasked_records:
        collections = counted(arrivals.unasked_collections, "collection", "collections")
        yield (
            f"{counted(arrivals.unasked_records, 'record', 'records')} of {collections} came that "
            "nobody asks for now: counted, and dropped."
        )


_STATES = ("sent", "coming", "dropped", "unseen", "unasked")
_NAMED_MAX = 5


def _named(shown: list[FilterShape]) -> str:
    names = ", ".join(one.collection for one in shown[:_NAMED_MAX])
    more = len(shown) - _NAMED_MAX
    return f"{names} and {more:,} more" if more > 0 else names
