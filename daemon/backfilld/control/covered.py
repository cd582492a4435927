"""What is known of repositories in words: how each stands, what comes next, and whether all that
there is is here. Pure but for the words' local zone.

The one rule: nothing claims success by silence. What is not explained or not proved is said.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple

from backfilld_events.faults import MEANINGS, Fault
from backfilld_events.ids import NO_HANDLE
from backfilld_events.projections.classes import OPEN, Class, Need, Out
from backfilld_events.projections.judged import tap_waits_s
from backfilld_events.projections.listing import Listed, reason
from backfilld_events.projections.tally import of_fault

from .shapes.errors import KindShape
from .words import counted, moment

Listing = Literal["ended", "under_way", "failed", "none"]

_SETTLED: Final = (Class.SYNCED, Class.EMPTY, Class.FAILED, Class.GONE)
_WAITING: Final = (
    Class.DISCOVERED, Class.HANDED_OFF, Class.ARRIVING, Class.PARKED, Class.HELD
)  # fmt: skip
_ANEW: Final = (Need.LACKS, Need.LOST, Need.REACTIVATED, Need.DIFFERS, Need.RESTLESS)


class Sought(NamedTuple):
    """Which repositories are asked for: those counted under `codes`, or those that differ."""

    codes: tuple[int, ...] = ()
    differing: bool = False


class Found(NamedTuple):
    """All that is counted of a job or a collection. `total` is counted apart from the classes.
    `retry`: how many of the failed another try of that job may help. `malformed` entries are no
    DIDs; `unlisted` collections could not be listed to their end."""

    total: int
    classes: Mapping[Class, int]
    faults: Mapping[Fault, int]
    differing: int
    left: int
    listing: Listing
    retry: tuple[int, str] | None = None
    malformed: int = 0
    unlisted: Collection[str] = ()

    @property
    def open(self) -> int:
        """How many may still come."""
        return sum(n for kind, n in self.classes.items() if kind in OPEN) - self.left

    @property
    def unexplained(self) -> int:
        """How many are in no class: more than none is a fault of ours."""
        return self.total - sum(self.classes.values())


def sought(word: str, *, cancelled: bool = False) -> Sought | None:
    """What a word of the API asks for: a class, `open`, `left`, `differing` or `failed:KIND`; None
    for any other. A job that was cancelled has left what it had not handed over."""
    if word == "differing":
        return Sought(differing=True)
    if word == "open":
        but = {Class.DISCOVERED} if cancelled else set[Class]()
        return Sought(tuple(sorted(OPEN - but)))
    if word == "left":
        return Sought((Class.DISCOVERED,) if cancelled else ())
    name, _, kind = word.partition(":")
    if name == "failed" and kind in KINDS:
        return Sought((of_fault(KINDS[kind]),))
    known = {one.name.lower(): one for one in Class}
    return Sought((known[word],)) if word in known else None


KINDS: Final = {fault.word: fault for fault in MEANINGS}
WORDS: Final = (
    *(one.name.lower() for one in Class), "open", "left", "differing", "failed:KIND"
)  # fmt: skip


def kinds(faults: Mapping[Fault, int]) -> list[KindShape]:
    """The kinds that there are, HappyView's in its order, then ours."""
    return [
        KindShape(fault.word, faults[fault], MEANINGS[fault].retryable, MEANINGS[fault].what_to_do)
        for fault in sorted(faults)
        if faults[fault] and fault in MEANINGS
    ]


def sentence(found: Found) -> str:
    """Do I have everything? In a sentence or two."""
    if not found.total and not found.malformed:
        parts = [_nothing(found)]
    else:
        parts = [_counts(found)]
        if waiting := _words(found, _WAITING):
            parts.append(f"{found.open:,} open: {', '.join(waiting)}.")
        elif found.listing == "ended":
            parts.append("Nothing open.")
    if found.listing == "under_way":
        parts.append("The listing goes on, so there may be more.")
    elif found.listing == "none":
        parts.append("Only accounts that were named are counted: no listing was asked for.")
    elif found.listing == "failed" and not found.unlisted:
        parts.append("The listing did not come to its end, so there may be more.")
    if found.left:
        parts.append(f"{found.left:,} more were found and never handed over: it was cancelled.")
    if found.malformed:
        entries = counted(found.malformed, "entry of the listing is", "entries of the listing are")
        parts.append(f"{entries} no DIDs.")
    parts += [f"{nsid} could not be listed: not in the result." for nsid in found.unlisted]
    if found.unexplained:
        many = counted(abs(found.unexplained), "repository is", "repositories are")
        parts.append(f"{many} unexplained. This is a bug in backfilld; run `backfillctl report`.")
    return " ".join(parts)


def complete(found: Found) -> bool:
    """Whether that is everything."""
    listed = found.listing == "ended" and not found.unlisted
    return listed and not (found.open or found.left or found.unexplained)


def _nothing(found: Found) -> str:
    return (
        "No repository is found yet." if found.listing == "under_way" else "No repository has it."
    )


def _counts(found: Found) -> str:
    settled = _words(found, _SETTLED)
    if found.retry is not None:
        again, job = found.retry
        failed = sum(found.faults.values())
        all_ = "it" if failed == again == 1 else f"{again:,}"
        hint = f" ({all_} can be tried again: backfillctl retry {job[:8]})"
        settled = [one + hint if one.endswith(" failed") else one for one in settled]
    many = counted(found.total - found.left, "repository", "repositories")
    explained = "" if found.open or found.unexplained else " explained"
    whole = "All " if explained and found.listing == "ended" and found.total > 1 else ""
    return f"{whole}{many}{explained}: {', '.join(settled) or 'none of them here'}."


def _words(found: Found, classes: Collection[Class]) -> list[str]:
    said: list[str] = []
    for kind in classes:
        n = found.classes.get(kind, 0) - (found.left if kind is Class.DISCOVERED else 0)
        if n:
            said.append(f"{n:,} {kind.name.lower().replace('_', ' ')}")
    return said


def says(one: Listed) -> str:
    """How a repository stands."""
    said = _says(one)
    return f"{said} It differs: {one.differs}." if one.differs else said


def _says(one: Listed) -> str:
    here = counted(one.live, "record is", "records are")
    match one.kind:
        case Class.DISCOVERED if one.out:
            return "It is out of Tap, to be fetched anew."
        case Class.DISCOVERED:
            return "It was found, and is not handed to Tap yet."
        case Class.HANDED_OFF if one.tap_state == "resyncing":
            return "Tap fetches it now."
        case Class.HANDED_OFF:
            return "Tap accepted it, and has sent nothing yet."
        case Class.ARRIVING if one.tap_state == "active":
            return f"{here} here; Tap counts {one.tap_records or 0:,}."
        case Class.ARRIVING:
            return f"{here} here; Tap has not said that these are all."
        case Class.SYNCED:
            return f"{here} here, complete as of rev {one.rev}."
        case Class.EMPTY if one.removed:
            return f"Its {counted(one.removed, 'record', 'records')} were removed by hand."
        case Class.EMPTY:
            return "Tap has fetched it: it has no record of what is asked for."
        case Class.PARKED:
            return f"{one.host or 'Its server'} asks for fewer requests, and Tap waits."
        case Class.HELD if one.need is Need.LOST:
            return "Tap had sent it before the index was lost, and does not send its records again."
        case Class.HELD:
            return "Tap had it before this was asked for, and does not send its records again."
        case _:
            return f"{reason(one).rstrip('.')}."


def comes_next(one: Listed) -> str:
    """What happens to a repository by itself, and when."""
    match one.need:
        case Need.FORGOTTEN:
            return "It is handed to Tap again by itself."
        case Need.PARKED:
            return f"It is taken up again by itself, from {moment(one.need_at)} on."
        case Need.FINAL:
            return "It is taken out of Tap, which would try for ever."
        case Need.SWEEP:
            return "Rows that its last fetch did not bring are removed, once that is certain."
        case need if need in _ANEW:
            return "It is taken out of Tap and fetched anew by itself."
    asked = f"Tap is asked about it {moment(one.due)}." if one.due else ""
    match one.kind:
        case Class.DISCOVERED if one.out:
            return "It is handed to Tap again by itself."
        case Class.DISCOVERED:
            return "It is handed to Tap when its turn comes."
        case Class.HANDED_OFF | Class.ARRIVING | Class.PARKED:
            return f"Tap goes on by itself. {asked}".rstrip()
        case Class.SYNCED | Class.EMPTY if one.differs:
            return f"Nothing by itself: backfillctl reconcile --did {one.did} --repair."
        case Class.SYNCED | Class.EMPTY:
            return "Nothing: what changes later comes by itself."
        case Class.FAILED if one.out == Out.OUT:
            return "Nothing: it was taken out of Tap. Another job tries it once more."
        case Class.FAILED:
            return f"{_capital(MEANINGS[one.fault].what_to_do)}. {asked}".rstrip()
        case Class.GONE:
            return "Nothing; if the account comes back, it is fetched anew."
        case _:
            return "Nothing by itself: backfillctl start NSID --mode refetch."


def is_stray(one: Listed, counted_for: int) -> bool:
    """Whether no job has found a repository, and no collection or job counts it."""
    return not counted_for and one.kind is Class.DISCOVERED and not one.out


STRAY: Final = "No job has found it: it is known by what Tap sent of it alone."
STRAY_NEXT: Final = "Nothing by itself: backfillctl start --did DID."


def retry_at(one: Listed, observed_at: float | None) -> float | None:
    """About when Tap tries a failed or parked repository again, unix seconds; None: it does not.
    `observed_at`: of Tap's last answer."""
    if one.need is Need.PARKED:
        return float(one.need_at)
    if one.out or one.handed is None or observed_at is None or one.tap_state == "unknown":
        return None
    return observed_at + tap_waits_s(one.retries)


def handle(one: Listed) -> str | None:
    """Its handle, as far as it is one."""
    return None if one.handle in (None, "", NO_HANDLE) else one.handle


def pds(host: str | None) -> str | None:
    """The address of a server by its name."""
    return None if host is None else f"https://{host}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
