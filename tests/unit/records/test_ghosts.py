"""A row that the network no longer has goes; one that it has never does."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfilld.records import rules
from backfilld.records.ghosts import Evidence, Judged, Verdict, judge
from backfilld.records.rules import Held
from backfilld_events.ids import Cid, Rev

Key = str
Delivery = tuple[Key, Rev, Cid | None, bool]
"""key, rev, CID (None: deleted), whether it can be read."""


def rev(n: int) -> Rev:
    """The n-th rev there ever was."""
    return Rev("3" + f"{n:012d}".translate(str.maketrans("0123456789", "abcdefghij")))


OLD, OLDER, FETCH, LIVE = rev(2), rev(1), rev(5), rev(6)


def test_what_a_fetch_did_not_bring_is_a_ghost() -> None:
    rows = [FETCH, OLD, FETCH, OLDER]
    assert judge(rows, Evidence(2, FETCH)) == Judged(Verdict.GHOSTS, OLD)


def test_a_repository_that_is_empty_now_has_only_ghosts_here() -> None:
    assert judge([OLD, OLDER], Evidence(0, FETCH)) == Judged(Verdict.GHOSTS, OLD)
    assert judge([OLD, FETCH], Evidence(0, FETCH)).verdict is Verdict.MIXED


def test_with_as_many_rows_as_tap_counts_none_is_removed() -> None:
    assert judge([FETCH, FETCH], Evidence(2, FETCH)).verdict is Verdict.NONE
    assert judge([FETCH, OLD], Evidence(2, FETCH, drained=True)).verdict is Verdict.NONE
    assert judge([FETCH, LIVE], Evidence(2, LIVE, before=OLD)).verdict is Verdict.NONE
    assert judge([], Evidence(0, FETCH)).verdict is Verdict.NONE


def test_what_was_deleted_after_tap_counted_makes_its_number_an_old_one() -> None:
    """As many rows are here as Tap counted before it, and one of them is a ghost."""
    rows = [FETCH, FETCH, OLD]
    assert judge(rows, Evidence(3, FETCH, gone=LIVE, drained=True)).verdict is Verdict.AHEAD
    assert judge(rows, Evidence(3, FETCH, gone=OLDER, drained=True)).verdict is Verdict.NONE


def test_while_something_is_to_come_a_ghost_may_make_up_the_number() -> None:
    assert judge([FETCH, FETCH, OLD], Evidence(3, FETCH)).verdict is Verdict.EARLY
    assert judge([LIVE, FETCH, OLD], Evidence(3, FETCH)).verdict is Verdict.EARLY


def test_a_record_that_could_not_be_read_keeps_every_row() -> None:
    """Tap counts it, and there is no new row of it."""
    assert judge([FETCH, FETCH, OLD], Evidence(3, FETCH, drained=True)).verdict is Verdict.NONE
    assert judge([FETCH, OLD], Evidence(3, FETCH)).verdict is Verdict.FEWER


def test_a_fetch_in_two_passes_keeps_every_row() -> None:
    """The second leaves out what the first had just brought, so that has an older rev; had a
    commit come in between, its record could be taken for what the first pass brought."""
    first, between, second = rev(3), rev(4), FETCH
    assert judge([second, second, first, OLD], Evidence(3, FETCH)).verdict is Verdict.MOVED
    rows = [second, second, between, first]
    assert judge(rows, Evidence(3, FETCH)).verdict is Verdict.MOVED
    assert judge(rows, Evidence(3, FETCH, before=OLD)).verdict is Verdict.MIXED


@pytest.mark.parametrize("rev", [OLD, FETCH])
@pytest.mark.parametrize("before", [None, OLD])
def test_a_record_that_could_not_be_read_is_not_taken_for_a_ghost(
    rev: Rev, before: Rev | None
) -> None:
    """Its old row is all there is of it here; Tap counts it, and a ghost makes up the number."""
    read_before, ghost = OLDER, OLD
    seen = Evidence(1, rev, before, unread=True)
    assert judge([ghost, read_before], seen).verdict is Verdict.UNREAD
    assert judge([ghost, read_before], Evidence(1, FETCH)).verdict is Verdict.MOVED
    assert judge([ghost, read_before], Evidence(1, FETCH, OLD)).verdict is Verdict.MIXED


def test_news_since_the_fetch_is_told_apart_by_what_tap_had_before() -> None:
    rows = [LIVE, FETCH, FETCH, OLD]
    assert judge(rows, Evidence(3, LIVE)).verdict is Verdict.MOVED
    assert judge(rows, Evidence(3, LIVE, before=OLD)) == Judged(Verdict.GHOSTS, OLD)
    assert judge(rows, Evidence(3, LIVE, before=FETCH)).verdict is Verdict.MIXED


def test_so_are_commits_without_a_wanted_record() -> None:
    assert judge([FETCH, FETCH, OLD], Evidence(2, LIVE, before=OLD)).verdict is Verdict.GHOSTS


@pytest.mark.parametrize("seen", [Evidence(1, FETCH), Evidence(1, FETCH, before=OLD)])
def test_an_answer_that_is_older_than_what_is_here_removes_nothing(seen: Evidence) -> None:
    assert judge([LIVE, OLD], seen).verdict is Verdict.AHEAD


def test_where_the_boundary_is_not_clear_nothing_is_removed() -> None:
    assert judge([FETCH, FETCH, FETCH], Evidence(2, FETCH)).verdict is Verdict.MIXED


# --- whatever happens ---------------------------------------------------------------------------


class Network:
    """One repository, a Tap and an index, as far as they matter here. Source: tap.md, 3 and 6."""

    def __init__(self) -> None:
        self.repo: dict[Key, Cid] = {}
        self.now = 0  # the number of the newest commit
        self.snapshots: list[dict[Key, Cid]] = [{}]
        self.known: dict[Key, Cid] = {}  # Tap's own idea of it
        self.tap = 0  # the commit at which Tap is
        self.before: Rev | None = None
        self.outbox: list[Delivery] = []
        self.index: dict[Key, Held] = {}
        self.unread = False

    def commit(self, keys: Sequence[Key], what: str, heard: bool) -> None:
        """Creates, changes or deletes; Tap hears of it, or misses it and fetches what is new."""
        self.now += 1
        touched = [key for key in keys if what != "delete" or key in self.repo]
        for key in touched:
            if what == "delete":
                del self.repo[key]
            else:
                self.repo[key] = Cid(f"bafy{self.now}{key}")
        self.snapshots.append(dict(self.repo))
        if heard and self.tap == self.now - 1:
            self.tap = self.now
            for key in touched:
                cid = self.repo.get(key)
                self.outbox.append((key, rev(self.now), cid, True))
                self.known.pop(key, None)
                if cid is not None:
                    self.known[key] = cid
        elif heard:
            self.fetch(9, frozenset(), frozenset())

    def refetch(self, some: int, lost: frozenset[Key], unreadable: frozenset[Key]) -> None:
        """Removed and added again; `some` of it is fetched then, perhaps not all. Blocks of `lost`
        are missing on the server."""
        self.before = rev(self.tap)
        self.known = {}
        self.fetch(some, lost, unreadable)

    def fetch(self, upto: int, lost: frozenset[Key], unreadable: frozenset[Key]) -> None:
        """A pass; it says nothing of what is gone, and nothing of what Tap has as it is."""
        found = [key for key in sorted(self.repo) if key not in lost]
        for key in found[:upto]:
            if self.known.get(key) != self.repo[key]:
                self.outbox.append((key, rev(self.now), self.repo[key], key not in unreadable))
                self.known[key] = self.repo[key]
        self.tap = self.now
        for key in lost & self.repo.keys():
            del self.repo[key]  # nobody can have it any more
        self.snapshots[self.now] = dict(self.repo)

    def deliver(self, count: int) -> None:
        for key, at, cid, readable in self.outbox[:count]:
            if not readable:
                self.unread = True
            elif (held := rules.judge(self.index.get(key), at, cid).held) is not None:
                self.index[key] = held
        del self.outbox[:count]

    def swept(self, *, told: bool) -> set[Key]:
        """The keys that a sweep now removes."""
        rows = {key: held.rev for key, held in self.index.items() if held.cid is not None}
        before = self.before if told else None
        seen = Evidence(len(self.known), rev(self.tap), before, unread=self.unread)
        upto = judge([*rows.values()], seen).upto
        ghosts = {key for key, at in rows.items() if upto is not None and at <= upto}
        for key in ghosts:
            self.index[key] = Held(self.index[key].rev, None)
        return ghosts


some_keys = st.frozensets(st.sampled_from("abc"), max_size=2)
no_keys: frozenset[str] = frozenset()
commits = st.tuples(
    st.just("commit"),
    st.sampled_from(["a", "b", "c", "d", "abc"]).map(list),
    st.sampled_from(["put", "put", "delete"]),
    st.sampled_from([True, True, False]),
)
heard, missed = (
    st.tuples(
        st.just("commit"),
        st.sampled_from(["a", "b", "e"]).map(list),
        st.sampled_from(["put", "delete"]),
        st.just(is_heard),
    )
    for is_heard in (True, False)
)
passes = st.tuples(st.just("refetch"), st.integers(0, 4), some_keys, some_keys)
deliveries = st.tuples(st.just("deliver"), st.integers(1, 9))
Step = tuple[object, ...]


def happened(network: Network, step: Step) -> None:
    match step:
        case ("commit", list() as keys, str() as what, bool() as heard):
            network.commit(keys, what, heard)
        case ("refetch", int() as some, frozenset() as lost, frozenset() as unreadable):
            network.refetch(some, lost, unreadable)
        case ("pass", frozenset() as unreadable):
            network.fetch(9, frozenset(), unreadable)
        case ("deliver", int() as count):
            network.deliver(count)


@settings(max_examples=1000)
@given(
    st.lists(st.one_of(commits, commits, deliveries, passes), max_size=6),
    passes,
    st.lists(commits, max_size=3),
    some_keys,
    st.lists(commits, max_size=2),
    st.booleans(),
)
def test_a_sweep_never_removes_a_record_that_the_repository_holds(
    history: list[Step],
    first: Step,
    between: list[Step],
    unreadable: frozenset[str],
    since: list[Step],
    told: bool,
) -> None:
    """Whatever it did, whatever Tap missed of it, a fetch that was broken in two, records that
    cannot be read or are missing on the server."""
    network = Network()
    for step in [*history, first, *between, ("pass", unreadable), *since]:
        happened(network, step)
    network.deliver(len(network.outbox))
    ghosts = network.swept(told=told)
    assert not ghosts & network.snapshots[network.tap].keys()


@given(
    st.lists(st.one_of(commits, commits, deliveries), max_size=12),
    st.integers(0, 6),
    st.lists(commits, max_size=3),
    st.integers(0, 20),
)
def test_whatever_is_still_under_way_when_it_sweeps_all_is_here_in_the_end(
    history: list[Step], some: int, since: list[Step], came: int
) -> None:
    network = Network()
    for step in [*history, ("refetch", some, no_keys, no_keys), ("pass", no_keys), *since]:
        happened(network, step)
    network.deliver(came)
    network.swept(told=False)
    network.deliver(len(network.outbox))
    here = {key for key, held in network.index.items() if held.cid is not None}
    assert network.snapshots[network.tap].keys() <= here


@settings(max_examples=2000)
@given(
    st.lists(heard, max_size=2),
    st.lists(missed, min_size=1, max_size=3),
    st.lists(heard, max_size=2),
    st.lists(heard, max_size=2),
    st.integers(0, 12),
    st.booleans(),
)
def test_that_there_is_none_is_said_only_where_there_is_none(
    leftover: list[Step],
    unheard: list[Step],
    since: list[Step],
    later: list[Step],
    came: int,
    told: bool,
) -> None:
    """Whatever Tap had still to send when the repository was taken out, did after it counted, and
    has still to send."""
    network = Network()
    network.commit("abcd", "put", heard=True)
    network.deliver(9)
    for step in [*leftover, *unheard, ("refetch", 9, no_keys, no_keys), *since]:
        happened(network, step)
    records, at = len(network.known), rev(network.tap)
    for step in [*later, ("deliver", came)]:
        happened(network, step)
    held = network.index.values()
    gone = max((one.rev for one in held if one.cid is None), default=None)
    before = network.before if told else None
    seen = Evidence(records, at, before, drained=not network.outbox, gone=gone)
    if judge([one.rev for one in held if one.cid is not None], seen).verdict is Verdict.NONE:
        network.deliver(len(network.outbox))
        here = {key for key, one in network.index.items() if one.cid is not None}
        assert here <= network.known.keys()


@given(st.lists(st.one_of(commits, deliveries), max_size=12), some_keys)
def test_after_a_quiet_refetch_exactly_what_the_repository_holds_is_here(
    history: list[Step], more: frozenset[str]
) -> None:
    network = Network()
    for step in history:
        happened(network, step)
    network.deliver(len(network.outbox))
    network.commit(sorted(more), "delete", heard=False)
    happened(network, ("refetch", 9, no_keys, no_keys))
    network.deliver(len(network.outbox))
    network.swept(told=False)
    here = {key for key, held in network.index.items() if held.cid is not None}
    assert here == network.repo.keys()
