"""What stands still, and why: stalls told apart by what is seen of Tap. Pure decisions.

The one rule: a stall begins only when its signs have been there for longer than what is usual, and
ends with them. What cannot be judged now, because Tap does not answer, stays as it was.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import Final, Literal, get_args

from msgspec import Struct

from backfilld_events.catalog.source import TapMoving, TapStalled
from backfilld_events.folds.source import Stall
from backfilld_events.ids import Did, Nsid
from backfilld_events.projections.still import Fetching, Limited

Kind = Literal[
    "tap_down", "channel_down", "workers_stuck", "channel_silent", "filter_missing",
    "window_full", "relay_rejected_cursor", "host_parked",
]  # fmt: skip
"""The words are stable; the worst comes first."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SILENT_S = 30.0  # records may come in gusts
QUIET_S = 130.0  # tap, 5: after a reconnect what was on its way comes again after 60 to 120 s
FETCH_S = 300.0  # tap: TAP_REPO_FETCH_TIMEOUT, as long as nobody sets another
BUSY_LOOKS = 10  # a cursor that has moved between so many looks in a row moves all the time
AGAIN_S = 600.0  # a sentence whose numbers have changed is said again after so long
NAMED_MAX = 10

PATIENCE_S: Final[dict[Kind, float]] = {
    "tap_down": 60.0,
    "channel_down": 60.0,
    "workers_stuck": 60.0,
    "channel_silent": 120.0,
    "filter_missing": 120.0,
    "window_full": 300.0,
    "relay_rejected_cursor": 300.0,
    "host_parked": 120.0,
}
_LINGERS_S: Final[dict[Kind, float]] = {"host_parked": 60.0}  # given back, and parked again
_TOLD_BY_TAP: Final = frozenset(KINDS) - {"tap_down", "channel_down", "filter_missing"}


class Tap(Struct, frozen=True):
    """What Tap last told of itself. `answers` None: nobody has asked it yet; `why` it does not.
    `outbox` is how many messages wait in it."""

    answers: bool | None = None
    why: str = ""
    outbox: int | None = None


class Evidence(Struct, frozen=True):
    """What is known at the moment `at`; times are unix seconds.

    `began` is when we began to look, `frame_at` when the channel brought something last; None: not
    since then. `unacked` messages have come and are not committed. `settled` and what follows as in
    projections.still. `waits_for_room`: a job has a batch for which Tap has no room. `lacking` are
    collections that the Tap we run is to be started again for. `cursor`: the last sequence of the
    relay's that Tap has handled; None: not known. `fetch_s` is how long Tap may fetch one
    repository. `supervised`: we run that Tap.
    """

    at: float
    url: str
    connected: bool
    channel_since: float | None
    channel_why: str
    began: float
    frame_at: float | None
    unacked: int
    tap: Tap = Tap()
    settled: int = 0
    with_tap: int = 0
    parked: int = 0
    fetching: Fetching | None = None
    limited: tuple[Limited, ...] = ()
    waits_for_room: bool = False
    lacking: tuple[Nsid, ...] = ()
    cursor: int | None = None
    fetch_s: float = FETCH_S
    supervised: bool = False

    @property
    def silent_s(self) -> float:
        """For how long an open channel has brought nothing."""
        heard = self.began if self.frame_at is None else self.frame_at
        return max(0.0, self.at - max(heard, self.channel_since or 0.0))


class Watch(Struct, frozen=True):
    """What a look remembers for the next: since when there are signs of each stall, and when they
    were seen last; the settled repositories; the cursor, and how often in a row it has moved."""

    since: Mapping[Kind, float] = {}
    seen: Mapping[Kind, float] = {}
    said: Mapping[Kind, float] = {}
    settled: int | None = None
    cursor: int | None = None
    moves: int = 0


def look(
    before: Watch, now: Evidence, told: Mapping[str, Stall]
) -> tuple[Watch, list[TapStalled | TapMoving]]:
    """(what to remember, what begins or ends); `told` are the stalls that stand in the log."""
    after = _moved(before, now)
    signs = _signs(after, before, now)
    unsure = _unsure(after, now)
    since, seen, said = dict[Kind, float](), dict[Kind, float](), dict(before.said)
    events: list[TapStalled | TapMoving] = []
    for kind in KINDS:
        lasts = now.at - before.seen.get(kind, -inf) < _LINGERS_S.get(kind, 0.0)
        if kind in signs:
            since[kind], seen[kind] = before.since.get(kind, now.at), now.at
        elif kind in unsure or lasts:
            if kind in before.since:
                since[kind], seen[kind] = before.since[kind], before.seen[kind]
        elif kind in told:
            said.pop(kind, None)
            events.append(TapMoving(kind))
        ripe = kind in signs and now.at - since[kind] >= PATIENCE_S[kind]
        if ripe and not _is_said(kind, signs[kind], told, said, now.at):
            said[kind] = now.at
            events.append(TapStalled(kind, signs[kind], since[kind]))
    return Watch(since, seen, said, after.settled, after.cursor, after.moves), events


def quiet(now: Evidence) -> str:
    """Why nothing comes though something waits, when that is usual: it is no stall. Empty: it is
    not so."""
    since = now.channel_since
    if not now.connected or since is None or (now.frame_at or 0.0) >= since:
        return ""
    if now.at - since >= QUIET_S or not now.tap.outbox:
        return ""
    return (
        f"The channel to Tap came up {_time(since)}. What was on its way before comes again after "
        "a minute or two: that is no stall."
    )


def suspects(now: Evidence) -> bool:
    """Whether Tap may hang, so that it is worth asking about those that it is likely to be at."""
    return (
        now.connected and now.tap.answers is True and now.tap.outbox == 0
        and now.with_tap > 0 and now.silent_s >= now.fetch_s / 2
    )  # fmt: skip


def hanging(now: Evidence) -> tuple[Did, ...]:
    """The repositories at which all workers of Tap that work hang; none: they do not."""
    fetching = now.fetching
    if fetching is None or not suspects(now):
        return ()
    long_ago = now.at - now.fetch_s
    if fetching.youngest > long_ago or now.silent_s < now.fetch_s:
        return ()
    return fetching.dids


def fetch_timeout(value: str) -> float:
    """Seconds of a duration as Go writes it, such as `5m0s`; FETCH_S if it is none."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    if re.fullmatch(r"(\d{1,9}(\.\d{1,9})?(h|ms|m|s))+", value) is None:
        return FETCH_S
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", value)
    return sum(float(number) * units[unit] for number, unit in parts)


def _moved(before: Watch, now: Evidence) -> Watch:
    moves, cursor = before.moves, now.cursor
    if cursor is not None and before.cursor is not None:
        if cursor > before.cursor:
            moves += 1
        elif moves < BUSY_LOOKS:
            moves = 0
    return Watch(
        settled=now.settled, cursor=before.cursor if cursor is None else cursor, moves=moves
    )


def _unsure(after: Watch, now: Evidence) -> frozenset[str]:
    """Kinds of which nothing can be said: Tap is down, or we have not looked for long enough."""
    if now.tap.answers is None:
        return frozenset(KINDS) - {"filter_missing"}
    if not now.tap.answers or not now.connected:
        return _TOLD_BY_TAP
    kinds: set[str] = set()
    if now.cursor is None or not after.moves:
        kinds.add("relay_rejected_cursor")
    if now.frame_at is None and now.tap.outbox:
        kinds.add("channel_silent")
    if now.frame_at is None and now.fetching is not None:
        kinds.add("workers_stuck")
    return frozenset(kinds)


def _signs(after: Watch, before: Watch, now: Evidence) -> dict[Kind, str]:
    """What stands still now, each in a sentence."""
    tap, found = now.tap, dict[Kind, str]()
    if now.lacking:
        found["filter_missing"] = (
            f"Tap's filter lacks {', '.join(now.lacking[:NAMED_MAX])}, and the Tap that we run was "
            "not started again with it yet. It is tried again and again."
        )
    if tap.answers is False:
        found["tap_down"] = (
            f"Tap at {now.url} does not answer: {tap.why}. It is asked again and again; what it "
            "has for us it keeps."
        )
        return found
    if not now.connected:
        if tap.answers and now.channel_since is not None:
            found["channel_down"] = (
                f"Tap at {now.url} answers, but the channel to it is down: {now.channel_why}. It "
                "is opened again and again; Tap keeps the records."
            )
        return found
    found |= _of_tap(now)
    if now.waits_for_room and before.settled == now.settled:
        found["window_full"] = (
            f"Tap has {now.with_tap:,} repositories to work on, as many as tap.unsettled_max "
            "allows, and none gets settled. The next batch waits for that."
        )
    if after.moves >= BUSY_LOOKS and now.cursor is not None and now.cursor <= (before.cursor or 0):
        found["relay_rejected_cursor"] = (
            f"Tap handles no live event any more: its cursor stands at {now.cursor:,}. Its relay "
            "is gone, or refuses the cursor, as one does that was set up anew; see Tap's log. "
            "Repositories are fetched all the same; changes to them are missed."
        )
    return found


def _of_tap(now: Evidence) -> dict[Kind, str]:
    tap, found = now.tap, dict[Kind, str]()
    if tap.outbox and not now.unacked and now.silent_s >= SILENT_S:
        found["channel_silent"] = (
            f"The channel to Tap is up and brings nothing since {_time(now.at - now.silent_s)}, "
            f"though {tap.outbox:,} messages wait in Tap. Does anybody else read its channel? If "
            "not, start Tap again."
        )
    if dids := hanging(now):
        found["workers_stuck"] = _hang(now, dids)
    if now.parked and now.limited:
        hosts = ", ".join(
            f"{one.host or 'a server that is not known'} ({one.repos:,}, until {_time(one.until)} "
            "at the latest)"
            for one in now.limited
        )
        found["host_parked"] = (
            f"{_repositories(now.parked)} put aside, because their servers limit Tap: {hosts}. "
            "They are taken up again by themselves."
        )
    return found


def _hang(now: Evidence, dids: tuple[Did, ...]) -> str:
    oldest = now.at if now.fetching is None else now.fetching.oldest
    said = (
        f"Tap hangs: it is at {_repositories(len(dids), verb=False)} since {_time(oldest)} or "
        "longer, and fetches nothing else. Whoever answers for their DIDs or handles never does. "
    )
    if now.supervised:
        return f"{said}They are taken out, and Tap is started again."
    named = ",".join(f'"{did}"' for did in dids[:NAMED_MAX])
    more = f" ({len(dids) - NAMED_MAX:,} more)" if len(dids) > NAMED_MAX else ""
    return (
        f"{said}To do: curl -H 'content-type: application/json' {now.url}/repos/remove "
        f"-d '{{\"dids\":[{named}]}}'{more}, and then start Tap again. We add them once more, and "
        "Tap comes to them last."
    )


def _repositories(n: int, *, verb: bool = True) -> str:
    one, many = ("repository is", "repositories are") if verb else ("repository", "repositories")
    return f"{n:,} {one if n == 1 else many}"


def _is_said(
    kind: Kind, sentence: str, told: Mapping[str, Stall], said: Mapping[Kind, float], at: float
) -> bool:
    before = told.get(kind)
    if before is None:
        return False
    return before.message == sentence or at - said.get(kind, before.since) < AGAIN_S


def _time(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S %Z")
