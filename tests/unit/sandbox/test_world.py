"""The laws of a world."""

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.sandbox.bodies import go_json
from backfilld.sandbox.changes import AccountChange
from backfilld.sandbox.naming import DidMap, cid_of, tid
from backfilld.sandbox.seeded import EVERY_FATE, ODD_FATES
from backfilld.sandbox.world import Row, World
from backfilld_events.ids import Nsid, parse_cid, parse_did, parse_rev, parse_rkey

STATUS, LIKE = Nsid("xyz.statusphere.status"), Nsid("xyz.statusphere.like")
SEEDS = st.integers(0, 2**64)


def small(seed: int = 1, repos: int = 40, **more: float) -> World:
    return World(seed, repos, (STATUS, LIKE), (0, 4), **more)  # type: ignore[arg-type]


@given(SEEDS, st.integers(0, 2**90))
def test_a_did_gives_its_ordinal_back(seed: int, ordinal: int) -> None:
    names = DidMap(seed)
    did = names.did(ordinal)
    assert parse_did(did) == did
    assert len(did) == 32
    assert names.ordinal(did) == ordinal


@given(SEEDS, st.lists(st.integers(0, 2**40), max_size=50, unique=True))
def test_different_ordinals_have_different_dids_in_a_page_as_one_by_one(
    seed: int, ordinals: list[int]
) -> None:
    names = DidMap(seed)
    dids = names.dids(ordinals)
    assert dids == [names.did(n) for n in ordinals]
    assert len(set(dids)) == len(ordinals)


@pytest.mark.parametrize(
    "stranger", ["", "did:web:a.example", "did:plc:zzz", "did:plc:" + "z" * 24]
)
def test_a_stranger_has_no_ordinal(stranger: str) -> None:
    assert small().ordinal(stranger) is None


def test_a_did_of_another_world_has_no_ordinal() -> None:
    assert small(seed=1).ordinal(small(seed=2).did(3)) is None


@given(st.binary(max_size=200))
def test_a_cid_is_a_well_formed_one_of_the_bytes(body: bytes) -> None:
    digest = b"\x01\x71\x12\x20" + hashlib.sha256(body).digest()
    assert cid_of(body) == "b" + base64.b32encode(digest).decode().lower().rstrip("=")
    assert parse_cid(cid_of(body)).startswith("bafyrei")


@given(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1), st.integers(0, 1023))
def test_tids_sort_by_time(one: int, two: int, clock: int) -> None:
    first, second = sorted((one, two))
    assert parse_rev(tid(first, clock)) <= parse_rev(tid(second, clock))


@given(SEEDS)
def test_the_same_seed_is_the_same_world(seed: int) -> None:
    one, two = small(seed, odd_share=0.3), small(seed, odd_share=0.3)
    assert list(one.truth(STATUS)) == list(two.truth(STATUS))
    assert [one.fate(n) for n in range(40)] == [two.fate(n) for n in range(40)]


def test_another_seed_is_another_world() -> None:
    assert not set(small(1).truth(STATUS)) & set(small(2).truth(STATUS))


@given(SEEDS)
def test_every_record_has_names_of_the_right_form_and_a_body_as_go_writes_it(seed: int) -> None:
    world = small(seed, repos=5)
    for n in range(5):
        parse_rev(world.rev(n))
        for record in world.records(n):
            assert parse_rkey(record.rkey) < world.rev(n)
            assert record.body is not None
            assert go_json(json.loads(record.body)) == record.body
            assert record.cid == cid_of(record.body)


def test_bodies_have_everything_that_has_surprised_somebody() -> None:
    text = b"".join(row.body for row in World(1, 300, (STATUS,), 5).truth(STATUS)).decode()
    for odd in (
        "🐢",
        "\\u0000",
        "\\u003c",
        "\\u2028",
        '{"$bytes":',
        '{"$link":',
        "9007199254740991",
    ):
        assert odd in text
    assert "<" not in text


def test_a_large_text_is_as_large_as_asked_for() -> None:
    world = World(1, 2, (STATUS,), 1, large_text_chars=900_000)
    sizes = [len(record.body or b"") for n in range(2) for record in world.records(n)]
    assert sizes[0] > 900_000 > sizes[1]


def test_records_come_ordered_by_path() -> None:
    world = World(1, 20, (STATUS, Nsid("xyz.statusphere.status.sub"), LIKE), 4)
    for n in range(20):
        paths = [record.path for record in world.records(n)]
        assert paths == sorted(paths)


def test_ten_million_repositories_cost_nothing_until_one_is_asked_for() -> None:
    world = World(1, 10_000_000, (STATUS,), 3)
    assert len(world.records(9_999_999)) == 3
    assert world.ordinal(world.did(9_999_999)) == 9_999_999
    assert world.ordinal(world.did(10_000_000)) is None


def test_the_share_of_odd_accounts_is_kept_and_every_kind_is_there() -> None:
    world = World(1, 4000, (STATUS,), 1, odd_share=0.1, empty_share=0.05)
    fates = [world.fate(n) for n in range(4000)]
    odd = [fate for fate in fates if fate != "active"]
    assert 300 < len(odd) < 500
    assert set(odd) == set(ODD_FATES)
    assert 120 < sum(world.reason(world.did(n)) == "empty" for n in range(4000)) < 280


def test_other_kinds_of_trouble_can_be_asked_for() -> None:
    world = World(1, 4000, (STATUS,), 1, odd_share=0.5, odd_fates=EVERY_FATE)
    assert {world.fate(n) for n in range(4000)} == {"active", *EVERY_FATE}
    only = World(1, 100, (STATUS,), 1, odd_share=1, odd_fates=("cut_car",))
    assert {world.reason(world.did(n)) for world in (only,) for n in range(100)} == {"cut_car"}


def test_a_record_without_its_block_is_in_the_repository_and_never_arrives() -> None:
    world = World(1, 3, (STATUS,), 2)
    world.set_fate(world.did(1), "missing_block")
    assert len(world.records(1)) == 2
    assert [row.rkey for row in world.truth(STATUS) if row.did == world.did(1)] == [
        world.records(1)[1].rkey
    ]
    assert world.reason(world.did(1)) is None


def test_a_server_in_trouble_is_the_reason_of_all_its_accounts() -> None:
    world = World(1, 40, (STATUS,), 1)
    gone = world.did(0)
    world.set_fate(gone, "not_on_plc")
    host = world.host(1)
    world.pds(host).fails("pds_502")
    for n in range(1, 40):
        wanted = "pds_502" if world.host(n) == host else None
        assert world.reason(world.did(n)) == wanted
    assert world.reason(gone) == "not_on_plc"
    world.pds(host).fails(None)
    assert len(list(world.truth(STATUS))) == 39


def rows(world: World) -> Iterator[Row]:
    yield from world.truth(STATUS)
    yield from world.truth(LIKE)


def test_whoever_has_no_row_has_a_reason_and_nobody_else() -> None:
    world = World(1, 400, (STATUS, LIKE), (0, 3), odd_share=0.3, empty_share=0.1)
    held = {row.did for row in rows(world)}
    for n in range(400):
        assert (world.reason(world.did(n)) is None) == (world.did(n) in held)
    assert world.reason("did:plc:nobody") == "unknown"


def test_a_record_without_a_body_is_dead_and_not_true() -> None:
    world = World(1, 3, (STATUS,), 2)
    world.set_fate(world.did(1), "undecodable")
    dead = list(world.dead(STATUS))
    assert [entry[0] for entry in dead] == [world.did(1)]
    assert dead[0][1] not in [row.rkey for row in world.truth(STATUS) if row.did == world.did(1)]
    assert len(list(world.truth(STATUS))) == 5


def test_what_is_written_is_true_and_told() -> None:
    world = small()
    did = world.did(3)
    told: list[int] = []
    world.listeners.append(lambda: told.append(len(world.firehose)))
    created = world.create(did, STATUS, "mine")
    updated = world.update(did, STATUS, "mine")
    (mine,) = [row for row in world.truth(STATUS) if row.rkey == "mine"]
    assert updated.writes[0].record is not None
    assert mine.body == updated.writes[0].record.body
    world.delete(did, STATUS, "mine")
    assert "mine" not in [row.rkey for row in world.truth(STATUS)]
    assert told == [1, 2, 3]
    assert created.rev < updated.rev == world.firehose[2].prev  # type: ignore[union-attr]
    assert world.rev(3) == world.firehose[2].rev  # type: ignore[union-attr]


def test_a_gap_changes_the_truth_and_tells_nobody() -> None:
    world = small()
    did = world.did(3)
    world.create(did, STATUS, "mine", heard=False)
    world.create(did, STATUS, "gone", heard=False)
    world.update(did, STATUS, "mine", heard=False)
    world.delete(did, STATUS, "gone", heard=False)
    keys = [row.rkey for row in world.truth(STATUS)]
    assert ("mine" in keys, "gone" in keys) == (True, False)
    assert world.firehose == []


def test_a_status_takes_the_records_away_and_gives_them_back() -> None:
    world = World(1, 3, (STATUS,), 2)
    before = list(world.truth(STATUS))
    assert world.set_status(world.did(1), "takendown") == AccountChange(world.did(1), "takendown")
    assert world.reason(world.did(1)) == "takendown"
    assert len(list(world.truth(STATUS))) == 4
    world.set_status(world.did(1), "active")
    assert list(world.truth(STATUS)) == before


def test_a_new_account_is_empty_until_it_writes() -> None:
    world = small()
    did = world.new_account()
    assert world.reason(did) == "empty"
    assert world.listed_later == {}
    world.create(did, STATUS)
    world.create(did, STATUS)
    assert world.reason(did) is None
    assert world.listed_later == {STATUS: [40]}


def test_only_accounts_of_the_world_can_be_changed() -> None:
    with pytest.raises(KeyError, match="no account"):
        small().create(small(seed=2).did(1), STATUS)
