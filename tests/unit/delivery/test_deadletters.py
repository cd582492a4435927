"""What a person does about dead letters is durable and in the log under their name when they are
answered, and what comes of the records is counted like all others."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import trio
import trio.testing
from support.given import LIKES, POSTS, did

from backfilld.deliveries import DeadDelivery, RecordDelivery
from backfilld.delivery import deadletters
from backfilld.delivery.deadletters import ASK_S_MAX, DeadLetters, read_again
from backfilld.delivery.ledger import Ledger
from backfilld.failures import Failure
from backfilld.journal import Journal
from backfilld.network.record import RecordNow
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group, Letter
from backfilld.worker import InlineWorker
from backfilld_events.audit.verify import verify
from backfilld_events.catalog.dead import DeadLettersHandled
from backfilld_events.catalog.index import RecordsCommitted
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey
from backfilld_events.log import read
from backfilld_events.log.file import open_reader
from backfilld_events.row import Row

P = ParamSpec("P")
T = TypeVar("T")
ALICE = "uid:1000"
OLD, NOW = Rev("3jzfcijpj2z2a"), Rev("3jzfcijpj2z2b")
CID = Cid("bafyreifmakho22lbmkhmiy2eeofjjqiedzvbzu5mvutsvyuqmzofzjtpn4")


def frame(rkey: str, nsid: Nsid = POSTS, body: bytes = b'"record":{"n":1},') -> bytes:
    return (
        b'{"id":1,"type":"record","record":{"live":false,"did":"%s","rev":"%s","collection":"%s",'
        b'"rkey":"%s","action":"create",%s"cid":"%s"}}'
        % (did(0).encode(), OLD.encode(), nsid.encode(), rkey.encode(), body, CID.encode())
    )


class Servers:
    """The servers of accounts."""

    def __init__(self) -> None:
        self.has: dict[str, RecordNow | Failure] = {}
        self.takes_s = 0.0
        self.at_once = self.most = 0

    async def now(self, who: Did, nsid: Nsid, rkey: Rkey) -> RecordNow:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await trio.sleep(self.takes_s)
        self.at_once -= 1
        found = self.has.get(rkey, RecordNow(NOW, None, None))
        if isinstance(found, Failure):
            raise found
        return found


class Desk:
    """An index and a log, with somebody who looks at dead letters."""

    def __init__(
        self,
        folder: Path,
        store: SqliteStore,
        ledger: Ledger,
        letters: DeadLetters,
        servers: Servers,
    ) -> None:
        self._folder, self.store, self.ledger = folder, store, ledger
        self.letters, self.servers = letters, servers

    def come(self, rkey: str, raw: bytes, nsid: Nsid | None = POSTS) -> None:
        """A message that could not be used."""
        key = None if nsid is None else Rkey(rkey)
        dead = DeadDelivery(1, "no body", raw, did(0), nsid, key)
        self.store.commit(Group([], [], [dead], []), 1)

    def rows(self) -> list[Row]:
        with closing(open_reader(self._folder / "events.db")) as db:
            found = list(read.rows(db))
        verify(found)
        return found

    def handled(self) -> list[DeadLettersHandled]:
        return [row.event for row in self.rows() if isinstance(row.event, DeadLettersHandled)]

    def index(self) -> list[tuple[str, str, str]]:
        with closing(open_reader(self._folder / "records.db")) as db:
            return db.execute("SELECT rkey, rev, record FROM records_text ORDER BY rkey").fetchall()


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[Desk]:
    with (
        closing(EventLog.open(folder / "events.db")) as log,
        closing(SqliteStore.open(folder / "records.db", 1000)) as store,
    ):
        journal = Journal(log, InlineWorker(), lambda: 1.8e9)
        ledger, servers = Ledger(store, InlineWorker(), journal), Servers()
        letters = DeadLetters(
            store, InlineWorker(), ledger, lambda: 1.8e9, lambda: {POSTS}, servers.now
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            yield Desk(folder, store, ledger, letters, servers)
            nursery.cancel_scope.cancel()


async def test_what_can_be_read_now_is_taken_in_and_the_log_says_for_whom(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.come("a", frame("a"))
        desk.come("b", b"\xff")
        done = await desk.letters.handle("retry", [1, 2, 77], ALICE)
        assert done.ids == [1]
        assert sorted(failed.id for failed in done.failed) == [2, 77]
        assert desk.index() == [("a", OLD, '{"n":1}')]
        committed, handled = desk.rows()[-2:]
        assert (committed.actor, handled.actor, handled.stream) == (ALICE, ALICE, "dead-letters")
        assert handled.event == DeadLettersHandled(action="retry", ids=[1], failed=[2])
        assert isinstance(committed.event, RecordsCommitted)
        assert [tally.inserted for tally in committed.event.tallies] == [1]


async def test_a_record_is_fetched_again_with_the_rev_that_its_repository_had(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path) as desk:
        for rkey in "abc":
            desk.come(rkey, b"{")
        desk.servers.has = {
            "a": RecordNow(NOW, CID, b'{"n":2}'),
            "b": Failure("timeout", "no whole answer within 10 s"),
        }
        done = await desk.letters.handle("reindex", [1, 2, 3], ALICE)
        assert done.ids == [1, 3], "one that is not there any more is settled too"
        assert [one.why for one in done.failed] == [
            "it could not be fetched: no whole answer within 10 s"
        ]
        assert desk.index() == [("a", NOW, '{"n":2}')]
        assert desk.store.open_letters(None, 0, 10) == [2]


async def test_a_record_that_is_gone_takes_its_old_row_with_it(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        old = RecordDelivery(1, did(0), POSTS, Rkey("a"), OLD, CID, b"{}", False)
        desk.store.commit(Group([old], [], [], []), 1)
        desk.come("a", b"{")
        await desk.letters.handle("reindex", [1], ALICE)
        assert desk.index() == []


async def test_news_that_came_before_the_fetch_is_not_overwritten(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        newer = RecordDelivery(
            1, did(0), POSTS, Rkey("a"), Rev("3jzfcijpj2z2c"), CID, b'{"n":3}', True
        )
        desk.come("a", frame("a"))
        desk.come("b", b"{")
        desk.store.commit(Group([newer], [], [], []), 1)
        desk.servers.has = {"b": RecordNow(NOW, CID, b"{}")}
        assert (await desk.letters.handle("retry", [1], ALICE)).ids == [1]
        assert desk.index() == [("a", "3jzfcijpj2z2c", '{"n":3}')]


async def test_what_is_put_away_is_put_away_once(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.come("a", b"{")
        for _ in range(2):
            assert (await desk.letters.handle("dismiss", [1], ALICE)).ids == [1]
        assert desk.handled() == [DeadLettersHandled(action="dismiss", ids=[1], failed=[])]
        assert (await desk.letters.handle_all("retry", None, 0, ALICE)).ids == []
        desk.servers.has = {"a": RecordNow(NOW, CID, b"{}")}
        assert (await desk.letters.handle("reindex", [1], ALICE)).ids == [1], "by mistake, say"


async def test_all_are_handled_by_parts_each_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(deadletters.AT_ONCE, "dismiss", 2)
    async with at_work(tmp_path) as desk:
        for rkey in "abc":
            desk.come(rkey, b"{")
        desk.come("a", b"{", LIKES)
        desk.come("d", b"{")
        done = await desk.letters.handle_all("dismiss", POSTS, 0, ALICE)
        assert (done.ids, done.after) == ([1, 2, 3, 5], None)
        assert [event.ids for event in desk.handled()] == [[1, 2], [3, 5]]
        assert desk.store.open_letters(None, 0, 10) == [4]


async def test_a_request_ends_in_time_and_says_where_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setitem(deadletters.AT_ONCE, "reindex", 2)
    async with at_work(tmp_path) as desk:
        for rkey in "abcdef":
            desk.come(rkey, b"{")
        desk.servers.takes_s = ASK_S_MAX + 1
        done = await desk.letters.handle_all("reindex", None, 0, ALICE)
        assert (done.ids, done.after) == ([1, 2], 2)
        done = await desk.letters.handle("reindex", [3, 4, 5, 6], ALICE)
        assert (done.ids, [one.id for one in done.failed]) == ([3, 4], [5, 6])


async def test_few_servers_are_asked_at_once_whoever_asks(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with at_work(tmp_path) as desk:
        for n in range(40):
            desk.come(f"k{n}", b"{")
        desk.servers.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            for first in (1, 21):
                ids = list(range(first, first + 20))
                nursery.start_soon(desk.letters.handle, "reindex", ids, ALICE)
        assert desk.servers.most == deadletters.FETCHES_MAX


async def test_what_was_done_for_who_leaves_before_the_answer_stands_in_the_log_too(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path) as desk:
        desk.come("a", b"{")
        with trio.CancelScope() as scope:

            class Leaving(InlineWorker):
                """Whoever asks is gone once the index has settled it."""

                async def __call__(
                    self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
                ) -> T:
                    done = await super().__call__(work, *args, **kwargs)
                    if getattr(work, "__name__", "") == "settle":
                        scope.cancel()
                    return done

            desk.letters._worker = Leaving()
            await desk.letters.handle("dismiss", [1], ALICE)
        assert scope.cancelled_caught
        await desk.ledger.catch_up()
        assert len(desk.handled()) == 1


def letter(raw: bytes, size: int | None = None, nsid: Nsid | None = POSTS) -> Letter:
    length = len(raw) if size is None else size
    return Letter(7, "no body", did(0), nsid, Rkey("a"), raw, length, is_open=True)


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (letter(b"{", 5000), "only 1 of its 5,000 bytes are kept"),
        (letter(b"", 5000), "only 0 of its 5,000 bytes are kept"),
        (letter(frame("a", body=b"")), "the record has no body"),
        (letter(frame("a", LIKES)), f"nobody asks for {LIKES}"),
        (
            letter(
                b'{"id":1,"type":"identity","identity":{"did":"%s","handle":"a.test",'
                b'"is_active":false,"status":"deleted"}}' % did(0).encode()
            ),
            "newer news may have come",
        ),
    ],
)
def test_what_cannot_be_read_again_says_why_and_what_else_may_be_done(
    one: Letter, says: str
) -> None:
    failed = read_again(one, {POSTS})
    assert isinstance(failed, deadletters.Failed)
    assert says in failed.why
    assert failed.hint


async def test_a_message_without_a_record_cannot_be_fetched(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.come("a", b"{", None)
        (failed,) = (await desk.letters.handle("reindex", [1], ALICE)).failed
        assert failed.why == "it does not say which record it is about"
