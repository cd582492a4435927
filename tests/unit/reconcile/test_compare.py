"""What differs between two sets of records, to the record; and what of it is believed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from support.given import LIKES, POSTS, did

from backfilld.reconcile.compare import (
    SAMPLES_MAX,
    Rows,
    apart,
    differences,
    is_certain,
    same,
    still,
)
from backfilld_events.ids import Cid, Rev, Rkey, unpack_one

OLD, NEW = Rev("3aaaaaaaaaaa2"), Rev("3bbbbbbbbbbb2")
keys = st.sampled_from([Rkey(name) for name in "abcdefghijklmnop"])
cids = st.sampled_from([Cid("bafyreione"), Cid("bafyreitwo")])
sides = st.dictionaries(st.sampled_from([POSTS, LIKES]), st.dictionaries(keys, cids))


def rows(**records: str) -> Rows:
    return {POSTS: {Rkey(rkey): Cid(cid) for rkey, cid in records.items()}}


@given(sides, sides)
def test_every_record_is_the_same_or_told_apart_in_one_way(ours: Rows, theirs: Rows) -> None:
    found = differences(did(1), apart(ours, theirs), {}, OLD, None)
    told: Counter[str] = Counter()
    for one in found:
        told.update(missing=one.missing, extra=one.extra, different=one.different)
    here = {(nsid, rkey): cid for nsid, side in ours.items() for rkey, cid in side.items()}
    there = {(nsid, rkey): cid for nsid, side in theirs.items() for rkey, cid in side.items()}
    assert told["missing"] == len(there.keys() - here.keys())
    assert told["extra"] == len(here.keys() - there.keys())
    both = here.keys() & there.keys()
    assert told["different"] == sum(here[key] != there[key] for key in both)
    assert same(ours, theirs) == len(both) - told["different"]


@given(sides)
def test_what_is_held_as_the_server_has_it_differs_in_nothing(side: Rows) -> None:
    assert apart(side, {nsid: dict(records) for nsid, records in side.items()}) == {}


@given(sides, sides, sides, sides)
def test_only_what_differs_in_the_very_same_way_twice_is_left(
    ours: Rows, theirs: Rows, ours_then: Rows, theirs_then: Rows
) -> None:
    first, second = apart(ours, theirs), apart(ours_then, theirs_then)
    left = still(first, second)
    for nsid, found in left.items():
        for rkey, pair in found.items():
            assert first[nsid][rkey] == second[nsid][rkey] == pair
    assert still(first, first) == first
    assert still(first, {}) == still({}, second) == {}


def test_an_event_on_its_way_to_us_is_no_difference() -> None:
    before = apart(rows(a="one"), rows(a="one", b="one"))
    assert still(before, apart(rows(a="one", b="one"), rows(a="one", b="one"))) == {}
    changed_again = apart(rows(a="one"), rows(a="one", b="two"))
    assert still(before, changed_again) == {}


def test_the_index_is_known_to_have_all_when_its_newest_row_is_not_older_than_the_server() -> None:
    assert is_certain(OLD, OLD)
    assert is_certain(OLD, NEW)
    assert not is_certain(NEW, OLD)
    assert not is_certain(OLD, None)


def test_a_difference_names_the_repository_the_revs_and_a_few_records() -> None:
    ours = rows(gone="one", old="one", **{f"same{n}": "one" for n in range(5)})
    theirs = rows(old="two", new="one", **{f"same{n}": "one" for n in range(5)})
    (one,) = differences(did(7), apart(ours, theirs), {POSTS: 2}, NEW, OLD)
    assert (unpack_one(one.repo), one.collection) == (did(7), POSTS)
    assert one.samples == ["+gone", "-new", "~old"]
    assert (one.dead, one.rev, one.newest) == (2, NEW, OLD)


def test_samples_are_few_however_much_differs() -> None:
    many = rows(**{f"r{n}": "one" for n in range(1000)})
    (one,) = differences(did(7), apart({}, many), {}, NEW, None)
    assert (one.missing, len(one.samples)) == (1000, SAMPLES_MAX)
