"""What is to be thought of one repository: its class, what it needs, when to ask Tap. Pure."""

from typing import Final

from msgspec import Struct

from ..faults import Fault
from .classes import Ask, Class, Need, Out

PARKED_S = (
    11  # tap: one 429 parks a whole host for 10 s; after that nothing shortens the wait but us
)
TRIES_FINAL = 2  # a fault that is final is believed when it came twice
TRIES_PATIENT = 24  # about a day, in which an account may come back
TRIES_RESTLESS = 48  # tap: from the 64th failure on it tries without pause

_FINAL: Final = (Fault.DID_DOC_NOT_FOUND, Fault.DID_DOC_INVALID, Fault.REPO_NOT_FOUND)
_PATIENT: Final = (Fault.REPO_DEACTIVATED, Fault.REPO_TAKENDOWN, Fault.DID_DOC_FORBIDDEN)
DEPARTED: Final = {  # what the account is then; a status that Tap never says hides at most
    Fault.REPO_DEACTIVATED: "deactivated",
    Fault.REPO_TAKENDOWN: "takendown",
    Fault.REPO_NOT_FOUND: "notfound",
}
_BELIEVED: Final = {Fault.REPO_NOT_FOUND: TRIES_FINAL}
LOOK: Final = 2  # of `sweep`: records were deleted since, so numbers alone do not tell
FETCHED: Final = 2  # of `back`: said to be away, and fetched all the same since
_SETTLED: Final = (Class.SYNCED, Class.EMPTY)


class Repo(Struct):
    """Columns of `repo` and `seen`, see schema.sql. `lost`: the index was lost since Tap was given
    it. `was_fault` and `was_sweep` are `fault` and `sweep` as they were read."""

    id: int
    kind: int
    handed: int | None
    held: int
    live: int
    removed: int
    aside: int
    came: int
    ask: int
    due: int
    wait: int
    need: int
    need_at: int
    account: str | None = None
    handle: str | None = None
    tap_state: str | None = None
    tap_error: str | None = None
    rev: str | None = None
    tap_records: int | None = None
    observed: int | None = None
    drained: int = 0
    retries: int = 0
    fault: int = 0
    host: int = 0
    out: int = 0
    back: int = 0
    sweep: int = 0
    before: str | None = None
    doubt: int = 0
    differs: str | None = None
    mended: int = 0
    apart: str | None = None
    mend: int = 0
    lost: int = 0
    was_fault: int = 0
    was_sweep: int = 0

    def begins_anew(self, position: int) -> None:
        """Tap was given it once more: all of it will be sent, whatever came before."""
        self.drained = self.removed = self.aside = self.came = self.retries = self.fault = 0
        self.out = self.back = self.doubt = self.mend = self.lost = 0
        self.before, self.apart = self.rev, None
        if self.account != "deleted":
            self.account = None  # tap: it tells of it once more, and later than of errors
        self.tap_state = self.tap_error = self.rev = self.tap_records = self.differs = None
        self.sweep = int(self.live > 0)
        self.handed = position

    @property
    def here(self) -> int:
        """How many of its records came, and were not lost: rows, and what was removed by hand."""
        return self.live + self.removed

    @property
    def is_limited(self) -> bool:
        """Whether Tap, which says `desynchronized`, leaves it alone because of its host."""
        # tap: without a try that failed it is only to be fetched: after a restart, or a gap
        return self.retries > 0 and not self.tap_error

    @property
    def whole(self) -> bool:
        """Whether all that Tap counts has come since Tap was given it last."""
        # `aside` is no measure: what came and was not kept may come again, and count again. What
        # was here before is none either, once all of it is sent anew
        counted = self.tap_records or 0
        return bool(self.drained) or (self.came if self.sweep else self.here) >= counted


def classified(repo: Repo) -> Class:
    """The class it is in."""
    if repo.account not in (None, "active"):
        return Class.GONE
    if repo.out == Out.AWAY:
        return Class.DISCOVERED
    match repo.tap_state:
        case "active" if repo.lost:
            return Class.HELD
        case "active" if repo.whole:
            return Class.SYNCED if repo.live else Class.EMPTY
        case "error" | "unknown":
            return Class.FAILED
        case "desynchronized" if repo.is_limited:
            return Class.PARKED
    if repo.handed is None:  # though Tap may send it: nobody asks about it, it would never settle
        return Class.DISCOVERED
    return Class.ARRIVING if repo.here or repo.aside else Class.HANDED_OFF


def may_have_ghosts(repo: Repo) -> bool:
    """Whether rows may be here that its refetch did not bring: until all that Tap had sent is here,
    and as many as it counts are, or are among the dead letters. How many came tells nothing: what
    it had sent before it was taken out comes all the same. Nor do numbers when a record was deleted
    since, for Tap may have counted before that. Then a ghost makes up the number."""
    if not repo.sweep or repo.sweep == LOOK or repo.tap_state != "active":
        return bool(repo.sweep)
    return not repo.drained or repo.live + repo.aside != (repo.tap_records or 0)


def unlike(repo: Repo) -> str | None:
    """Why its rows are not as many as Tap counts, though all that Tap has sent is here; None: they
    are, or it is not known yet. To be asked when Tap has just answered, for its count grows old."""
    if repo.tap_state != "active" or not repo.drained or repo.lost:
        return None
    counted = repo.tap_records or 0
    if repo.live > counted:
        return f"{repo.live} rows are here, Tap counts {counted}: some are gone from the network"
    if repo.here + repo.aside < counted:
        return (
            f"Tap counts {counted} records and has sent {repo.here + repo.aside}: it missed that"
            " some were deleted"
        )
    return None


def needed(repo: Repo, at: float) -> tuple[Need, int]:
    """(what it needs, from when on: unix seconds), now that it is `at`."""
    need = _needed(repo)
    if need == repo.need:
        return need, repo.need_at
    return need, int(at) + (PARKED_S if need is Need.PARKED else 0)


def _needed(repo: Repo) -> Need:
    if repo.out or repo.handed is None:
        return Need.NONE
    if repo.account == "deleted":  # tap: what a job handed over all the same is tried for ever
        failed = repo.tap_state == "error" and repo.retries >= TRIES_FINAL
        return Need.FINAL if failed else Need.NONE
    if repo.tap_state == "unknown":
        return Need.FORGOTTEN
    if repo.tap_state == "resyncing":  # tap: remove does not stop a fetch; two would run at once
        return Need.NONE
    if repo.account not in (None, "active"):
        return _of_inactive(repo)
    if repo.held > 1:
        return Need.LACKS
    match repo.tap_state:
        case "error":
            return _of_failure(repo)
        # without a rev Tap holds nothing of it: what came is of an earlier fetch
        case "desynchronized" if repo.is_limited and not (repo.rev and repo.came):
            return Need.PARKED
        case "active" if repo.lost:
            return Need.LOST
        case "active" if repo.mend:
            return Need.DIFFERS
        case "active" if repo.kind in _SETTLED:
            return _of_rows(repo)
    return Need.NONE


def _of_inactive(repo: Repo) -> Need:
    if repo.held > 2:  # that it is active again nobody may have heard; a fetch tells
        return Need.LACKS
    if repo.back == FETCHED and repo.tap_state == "active":
        return Need.RETURNED
    late = repo.tap_state == "error" and repo.retries >= TRIES_PATIENT
    return Need.FINAL if late else Need.NONE


def _of_failure(repo: Repo) -> Need:
    if repo.back:
        return Need.REACTIVATED
    fault = Fault(repo.fault)
    if repo.live and fault in DEPARTED and repo.retries >= _BELIEVED.get(fault, 1):
        # before Tap tells of the account, which it does at each fetch, that would pass for a return
        heard = repo.account is not None or repo.retries >= TRIES_PATIENT
        return Need.DEPARTED if heard else Need.NONE
    if repo.fault in _FINAL and repo.retries >= TRIES_FINAL:
        return Need.FINAL
    if repo.fault in _PATIENT and repo.retries >= TRIES_PATIENT:
        return Need.FINAL
    return Need.RESTLESS if repo.retries >= TRIES_RESTLESS else Need.NONE


def _of_rows(repo: Repo) -> Need:
    if repo.back and repo.here < (repo.tap_records or 0):
        return Need.REACTIVATED
    if repo.sweep:
        return Need.SWEEP
    return Need.DIFFERS if repo.differs and not repo.mended else Need.NONE


_FIRST_S: Final = {Ask.DELIVERED: 2, Ask.SILENT: 5, Ask.PARKED: 30, Ask.FAILING: 30, Ask.HELD: 600}
_MOST_S: Final = {
    Ask.DELIVERED: 60, Ask.SILENT: 900, Ask.PARKED: 600, Ask.FAILING: 3600, Ask.HELD: 86_400
}  # fmt: skip


def queued(repo: Repo) -> Ask:
    """The queue in which it waits to be asked about."""
    if repo.out or repo.handed is None or repo.tap_state == "unknown":
        return Ask.NEVER
    match repo.kind:
        case Class.HANDED_OFF:
            begun = repo.account is not None and repo.tap_state != "pending"
            return Ask.DELIVERED if begun else Ask.SILENT
        case Class.ARRIVING:
            return Ask.DELIVERED
        case Class.PARKED:
            return Ask.PARKED
        case Class.FAILED:
            return Ask.FAILING
        case Class.GONE:
            return Ask.NEVER if repo.tap_state == "active" else Ask.FAILING
    if repo.doubt:
        return Ask.DELIVERED
    return Ask.HELD if repo.held or repo.differs else Ask.NEVER


def first_ask(repo: Repo, at: float, *, told: bool = True) -> tuple[Ask, int, int]:
    """(queue, due, wait), when something about it has changed `at`. Not `told`: only records came
    or went, so Tap's next try may be over."""
    ask = queued(repo)
    if ask is Ask.NEVER:
        return ask, 0, 0
    wait = _FIRST_S[ask]
    return ask, int(at) + wait + (_until_retry(repo) if told else 0), wait


def next_ask(repo: Repo, at: float) -> tuple[Ask, int, int]:
    """The same, when it was asked about `at` and answered as before: later and later."""
    ask = queued(repo)
    if ask is Ask.NEVER:
        return ask, 0, 0
    wait = min(max(_FIRST_S[ask], 2 * repo.wait), _MOST_S[ask])
    return ask, int(at) + wait, wait


def _until_retry(repo: Repo) -> int:
    waits = repo.kind in (Class.PARKED, Class.FAILED, Class.GONE)
    return tap_waits_s(repo.retries) if waits else 0


def tap_waits_s(retries: int) -> int:
    """How long Tap leaves a repository alone after so many failed tries, at least: seconds."""
    # tap: the n-th wait is 2^(n-1) minutes and up to one more, at most 60
    return 60 * min(1 << min(retries - 1, 6), 60) if retries else 0
