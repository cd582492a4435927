"""What events tell of one repository: those that name it something, all others nothing."""

import pytest
from support.given import LIKES, POSTS, RELAY, TAP, did, dids, handed_off, page

from backfilld_events import chronicle, ids
from backfilld_events.catalog import Event
from backfilld_events.catalog.index import (
    Account,
    GhostsRemoved,
    RecordsCommitted,
    RecordsRemoved,
    Removed,
    RowsRecounted,
    Tally,
)
from backfilld_events.catalog.job import DidsGiven
from backfilld_events.catalog.reconcile import Difference, ReconcileAsked, ReposCompared, Unread
from backfilld_events.catalog.source import (
    Differing,
    Observation,
    ReposDiffer,
    ReposLeaving,
    ReposLeft,
    ReposObserved,
    ReposReturned,
)
from backfilld_events.codec import encode
from backfilld_events.ids import Rev, pack_one
from backfilld_events.row import Row

REV = Rev("3jzfcijpj2z2a")
ME, OTHER = pack_one(did(1)), pack_one(did(2))


def row(event: Event, actor: str = "system") -> Row:
    name, schema, payload = encode(event)
    return Row(7, "tap", 1, name, schema, 0, actor, None, payload, b"")


def observed(key: bytes, state: str, error: str = "", *, drained: bool = False) -> ReposObserved:
    seen = Observation(key, state, error, REV, 42, 2, "pds.example")
    return ReposObserved(TAP, drained, [seen])


def committed(key: bytes) -> RecordsCommitted:
    tallies = [
        Tally(key, 0, inserted=40),
        Tally(key, 1, inserted=1, updated=2, deleted=3, unchanged=4, stale=5, dead=6, ignored=7),
    ]
    return RecordsCommitted(81, 88, [POSTS, LIKES], tallies, [Account(key, "active", "a.test")], 0)


SAID = [
    (
        committed,
        [
            f"{POSTS}: 40 records committed (receipts 81-88)",
            f"{LIKES}: 1 new, 2 changed, 3 deleted, 4 as before, 5 older than ours, 6 to the dead"
            " letters, 7 not asked for (receipts 81-88)",
            "the account is active, handle @a.test",
        ],
    ),
    (
        lambda key: observed(key, "active", drained=True),
        [f"Tap says active: 42 records, rev {REV}; all that it had to send is here"],
    ),
    (lambda key: observed(key, "unknown"), ["Tap does not know it"]),
    (
        lambda key: observed(key, "desynchronized"),
        ["pds.example asks for fewer requests: parked by Tap after 2 tries"],
    ),
    (lambda key: observed(key, "resyncing"), ["Tap says resyncing after 2 tries"]),
    (
        lambda key: observed(key, "error", "failed to get repo: context deadline exceeded"),
        [
            "Tap says error (timeout) after 2 tries: failed to get repo: context deadline exceeded"
        ],
    ),
    (
        lambda key: ReposLeaving("parked", True, 1, ids.pack([ids.unpack_one(key)])),
        ["about to be taken out of Tap, to be fetched anew: its server's pause is over"],
    ),
    (
        lambda key: ReposLeaving("final", False, 1, ids.pack([ids.unpack_one(key)])),
        [
            "about to be taken out of Tap, for good: it fails for good, and Tap would try for ever"
        ],
    ),
    (lambda key: ReposDiffer([Differing(key, "2 of 3", False)]), ["it differs: 2 of 3"]),
    (lambda key: ReposDiffer([Differing(key, "", False)]), ["it differs no more"]),
    (
        lambda key: RecordsRemoved(3, POSTS, None, "r", True, [Removed(key, 2)]),
        [f"2 records of {POSTS} removed from the index by system"],
    ),
    (
        lambda key: GhostsRemoved(3, key, REV, 5, [(POSTS, 1)]),
        [f"1 row of {POSTS} removed: its refetch did not bring them, so they are gone"],
    ),
    (
        lambda key: ReposCompared(
            1, 1, 9, [Difference(key, POSTS, 2, 0, 1, [], 0, REV, None)], [], ids.pack([])
        ),
        [f"compared with its server, {POSTS}: 2 missing here, 1 of another version"],
    ),
    (
        lambda key: ReconcileAsked(
            "1 account", [POSTS, LIKES], "repo", 1, ids.pack([ids.unpack_one(key)]), None, True
        ),
        [f"to be compared with its server, in {POSTS}, {LIKES}: by system"],
    ),
    (
        lambda key: ReposCompared(1, 1, 9, [], [Unread(key, "timeout", "no answer")], ids.pack([])),
        ["not compared with its server: no answer"],
    ),
    (
        lambda key: ReposCompared(1, 1, 9, [], [], ids.pack([ids.unpack_one(key)])),
        ["compared with its server: it differs no more"],
    ),
    (
        lambda key: RowsRecounted(3, key, REV, [(POSTS, 5, 2), (LIKES, 1, 0)]),
        ["its rows were counted: 6 rows are here, 2 dropped that no fetch would win over"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("made", "said"), SAID)
def test_an_event_that_names_the_repository_says_something_and_of_others_nothing(
    made: object, said: list[str]
) -> None:
    assert callable(made)
    assert chronicle.of(row(made(ME)), ME) == said
    assert chronicle.of(row(made(OTHER)), ME) == []


def test_events_that_name_none_say_nothing() -> None:
    assert chronicle.of(row(handed_off(3)), ME) == []


def test_every_type_that_names_repositories_one_by_one_is_looked_through() -> None:
    assert {row(made(ME)).type for made, _ in SAID} == set(chronicle.NAMING)  # type: ignore[operator]


def test_how_it_was_found_handed_over_and_put_back_is_told() -> None:
    assert chronicle.found(page(0, 3), 3, "3b0d4f7e") == (
        f"found by {RELAY}, page 3, in job 3b0d4f7e ({POSTS})"
    )
    given = DidsGiven(0, 1, ids.pack(dids(0, 1)))
    assert chronicle.found(given, 1, "3b0d4f7e") == "named in job 3b0d4f7e"
    assert chronicle.handed_over(handed_off(20, 10), "3b0d4f7e") == (
        "handed to Tap with entries 11-20 of job 3b0d4f7e: accepted"
    )
    lacks = ReposLeaving("lacks", True, 1, ids.pack(dids(0, 1)))
    assert chronicle.leaving(lacks, "3b0d4f7e").endswith(
        "3b0d4f7e asks for all of it (mode refetch)"
    )
    assert chronicle.out(ReposLeft(7)) == "out of Tap"
    assert "accepted" in chronicle.out(ReposReturned(7, TAP))
