"""Whether Tap's filter is as it should be is told from what comes, and never more than is known."""

from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.given import NOON, started

from backfilld.backfill.standing import Scene
from backfilld.control.tapfilters import (
    UNASKED_MAX,
    Arrivals,
    Came,
    tap_filters,
)
from backfilld.control.views import Views
from backfilld.records.sqlite import SqliteStore
from backfilld.worker import InlineWorker
from backfilld_events.catalog.index import RecordsCommitted, Tally
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Did, Nsid, pack_one
from backfilld_events.log.append import Append
from backfilld_events.projections.targets import FETCHED_MIN
from backfilld_events.row import NewEvent

WANTED = ["a.b.posts", "a.b.likes"]


def states(arrivals: Arrivals, ours: list[str] | None = None) -> dict[str, str]:
    return {one.collection: one.state for one in tap_filters(WANTED, arrivals, ours).collections}


def test_the_line_to_set_is_ready_to_copy_and_has_no_spaces() -> None:
    found = tap_filters(WANTED, Arrivals(), None)
    assert found.line == "TAP_COLLECTION_FILTERS=a.b.likes,a.b.posts"
    assert found.actual is None, "no Tap tells"
    assert tap_filters([], Arrivals(), None).line == "", "an empty filter would deliver everything"


def test_a_collection_that_came_passes_the_filter_and_of_others_nothing_is_known() -> None:
    found = Arrivals({"a.b.posts": Came(records=1)})
    assert states(found) == {"a.b.posts": "sent", "a.b.likes": "unseen"}
    assert "Of a.b.likes nothing has come yet." in tap_filters(WANTED, found, None).sentence


def test_many_listed_repositories_all_empty_speak_of_a_filter() -> None:
    few, many = FETCHED_MIN - 1, FETCHED_MIN
    assert states(Arrivals({"a.b.posts": Came(fetched=few)}))["a.b.posts"] == "unseen"
    found = Arrivals({"a.b.posts": Came(fetched=many)})
    assert states(found)["a.b.posts"] == "dropped"
    assert "It seems to leave out a.b.posts: 10 rep" in tap_filters(WANTED, found, None).sentence
    assert states(Arrivals({"a.b.posts": Came(1, fetched=many)}))["a.b.posts"] == "sent"


def test_what_came_before_there_was_a_lexicon_is_no_sign_that_it_comes_now() -> None:
    assert states(Arrivals({"a.b.posts": Came(ignored=7)}))["a.b.posts"] == "unseen"


def test_the_filter_of_a_tap_that_we_run_is_known() -> None:
    empty = Arrivals({"a.b.posts": Came(fetched=99)})
    assert states(empty, ["a.b.posts"]) == {"a.b.posts": "sent", "a.b.likes": "coming"}
    assert states(empty, []) == {"a.b.posts": "coming", "a.b.likes": "coming"}


def test_what_nobody_asked_for_is_named() -> None:
    found = tap_filters(WANTED, Arrivals({}, [("x.y.z", 41)], 3, 50), None)
    assert found.collections[-1].collection == "x.y.z"
    assert (found.collections[-1].state, found.collections[-1].ignored) == ("unasked", 41)
    assert "50 records of 3 collections came that nobody asks for now" in found.sentence


@given(
    st.sets(st.sampled_from([f"a.b.c{n}" for n in range(20)])),
    st.dictionaries(
        st.sampled_from([f"a.b.c{n}" for n in range(20)]),
        st.builds(Came, *[st.integers(0, 20)] * 3),
    ),
    st.none() | st.lists(st.sampled_from([f"a.b.c{n}" for n in range(20)]), unique=True),
)
def test_every_wanted_collection_has_one_state_and_the_sentences_are_there(
    wanted: set[str], came: dict[str, Came], ours: list[str] | None
) -> None:
    found = tap_filters(wanted, Arrivals(came), ours)
    assert [one.collection for one in found.collections] == sorted(wanted)
    assert found.sentence.endswith(".")
    for one in found.collections:
        assert (one.state in {"sent", "coming"}) or ours is None


POSTS, LIKES = Nsid("a.b.posts"), Nsid("a.b.likes")
ALICE = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")


async def test_what_came_is_told_by_the_log_by_collection(tmp_path: Path) -> None:
    junk = [Nsid(f"x.y.z{n}") for n in range(UNASKED_MAX + 5)]
    tallies = [Tally(pack_one(ALICE), 0, inserted=2, deleted=1, ignored=3)]
    tallies += [Tally(pack_one(ALICE), n + 1, ignored=n + 1) for n in range(len(junk))]
    committed = RecordsCommitted(1, 1, [POSTS, *junk], tallies, [], 0)
    with (
        closing(EventLog.open(tmp_path / "events.db")) as log,
        closing(SqliteStore.open(tmp_path / "records.db", 2**20)),
    ):
        events = [NewEvent("job/a", started(POSTS), "x"), NewEvent("index", committed, "system")]
        log.append([Append([one], {}) for one in events], round(NOON * 1e6))
        files = (tmp_path / "events.db", tmp_path / "records.db")
        views = Views.open(*files, InlineWorker(), lambda: Scene(None))  # type: ignore[arg-type]
        with closing(views):
            found = await views.arrivals([POSTS, LIKES])
    assert found.wanted == {POSTS: Came(records=3, ignored=3)}
    assert len(found.unasked) == UNASKED_MAX
    assert found.unasked[0] == (junk[-1], len(junk)), "most first"
    assert found.unasked_collections == len(junk)
    assert found.unasked_records == sum(range(1, len(junk) + 1))
