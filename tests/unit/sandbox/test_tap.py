"""The life of a Tap over a world, in virtual time; what a real one can show too is in ports."""

import random

import httpx
import pytest
import trio
from ports.peers import Channel, Ended, Event, ack
from support.tap_bench import LIKE, STATUS, bench, plain, read, shown

from backfilld.sandbox.changes import Write
from backfilld.sandbox.seeded import Fate
from backfilld.sandbox.tap import TapSettings
from backfilld.sandbox.world import World

REFUSED = "failed to get repo: API request failed (HTTP 400): "
ASKED = 'failed to get repo: Get "{host}/xrpc/com.atproto.sync.getRepo?did={escaped}": '


# --- fetching ---------------------------------------------------------------------------------


async def test_what_arrives_is_the_truth_of_the_world(autojump_clock: object) -> None:
    world = World(3, 300, (STATUS, LIKE), (0, 6), odd_share=0.2, empty_share=0.1)
    async with bench(world) as tap:
        await tap.add(*range(300))
        events = [event for event in await tap.drained(3000) if event.kind == "record"]
    for collection in (STATUS, LIKE):
        came = {
            (event.did, event.content["rkey"], event.content["cid"]): event.raw
            for event in events
            if event.content["collection"] == collection
        }
        rows = list(world.truth(collection))
        dead = list(world.dead(collection))
        assert came.keys() == {(row.did, row.rkey, row.cid) for row in rows} | set(dead)
        for row in rows:
            assert b',"record":%b,"cid":' % row.body in came[row.did, row.rkey, row.cid]
        assert all(came[key].count(b',"record":{') == 1 for key in dead)  # its frame's own
    assert all(fate in {world.fate(n) for n in range(300)} for fate in ("undecodable", "pds_down"))


@pytest.mark.parametrize(
    ("fate", "error"),
    [
        ("deactivated", REFUSED + "RepoDeactivated: Repo has been deactivated: {did}"),
        ("takendown", REFUSED + "RepoTakendown: Repo has been takendown: {did}"),
        ("deleted", REFUSED + "RepoNotFound: Could not find repo for DID: {did}"),
        ("not_on_plc", "failed to resolve DID: DID not found: PLC directory 404"),
        ("suspended", REFUSED + "RepoSuspended: Repo has been suspended: {did}"),
        ("pds_down", ASKED + "dial tcp 127.0.0.1:80: connect: connection refused"),
        ("pds_resets", ASKED + "EOF"),
        (
            "pds_500",
            "failed to get repo: API request failed (HTTP 500): InternalServerError: "
            "Internal Server Error",
        ),
        ("pds_502", "failed to get repo: API request failed (HTTP 502)"),
        ("no_pds", "no PDS endpoint for DID: {did}"),
        ("bad_signature", "failed to verify signature: cryptographic signature invalid"),
        ("cut_car", "failed to read repo from CAR: unexpected EOF"),
        ("empty_car", "failed to read repo from CAR: EOF"),
        (
            "empty_bytes",
            "failed to flush final batch: json: error calling MarshalJSON for type atdata.Bytes: "
            "tried to marshal nil $bytes",
        ),
    ],
)
async def test_an_account_in_trouble_fails_in_these_words_and_is_tried_again(
    autojump_clock: object, fate: Fate, error: str
) -> None:
    world = plain()
    world.set_fate(world.did(1), fate)
    async with bench(world) as tap:
        (did,) = await tap.add(1)
        info = await tap.settled(did)
        escaped = did.replace(":", "%3A")
        host = world.host(1)
        assert info["error"] == error.format(did=did, escaped=escaped, host=host)
        assert (info["state"], info["records"], info["retries"]) == ("error", 0, 1)
        world.set_fate(did, "active")
        await trio.sleep(122)
        assert await tap.info(did) == {
            **info,
            **await tap.info(did),
            "state": "active",
            "error": "",
        }
        assert len([e for e in await tap.drained() if e.kind == "record"]) == 2


async def test_one_429_parks_its_host_for_ten_seconds(autojump_clock: object) -> None:
    world = plain(repos=600, hosts=1)
    world.set_fate(world.did(99), "rate_limited_once")
    async with bench(world, TapSettings(fetch_s=0.05)) as tap:
        await tap.add(*range(600))
        await trio.sleep(3)
        states = await tap.states()
        assert states.count("active") < 110
        assert states.count("desynchronized") > 490
        parked = await tap.info(world.did(300))
        assert (parked["error"], parked["retries"]) == ("", 1)
        await trio.sleep(10)
        parked_ones = [n for n in range(600) if states[n] == "desynchronized"]
        await tap.post("/repos/remove", [world.did(n) for n in parked_ones])
        await tap.add(*parked_ones)
        await trio.sleep(7)
        assert set(await tap.states()) == {"active"}


async def test_a_server_that_allows_so_many_fetches_says_429_to_the_rest(
    autojump_clock: object,
) -> None:
    """Five workers against ten a second: the host is parked for ten seconds, and half is late."""
    world = plain(repos=100, hosts=1)
    server = world.pds(world.host(0))
    server.allows(10, within_s=1)
    async with bench(world, TapSettings(fetch_s=0.1)) as tap:
        await tap.add(*range(100))
        await trio.sleep(5)
        states = await tap.states()
        assert (states.count("active"), states.count("desynchronized")) == (10, 90)
        assert 1 <= server.limited <= 5  # those under way when the first was refused
        await trio.sleep(3600)
        assert set(await tap.states()) == {"active"}


async def test_a_server_that_never_answers_holds_a_worker_until_the_timeout(
    autojump_clock: object,
) -> None:
    world = plain(repos=6, hosts=1)
    for n in range(5):
        world.set_fate(world.did(n), "pds_hangs")
    async with bench(world, TapSettings(repo_fetch_timeout_s=40)) as tap:
        dids = await tap.add(*range(6))
        await trio.sleep(39)
        assert await tap.states() == ["resyncing"] * 5 + ["pending"]
        await trio.sleep(3)
        assert await tap.states() == ["error"] * 5 + ["active"]
        error = str((await tap.info(dids[0]))["error"])
        assert error.startswith(f'failed to get repo: Get "{world.host(0)}/xrpc/com.atproto.sync.')
        assert error.endswith(
            '": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        )


@pytest.mark.parametrize(("fate", "records"), [("missing_block", 1), ("other_did", 2)])
async def test_active_does_not_mean_complete(
    autojump_clock: object, fate: Fate, records: int
) -> None:
    world = plain()
    world.set_fate(world.did(0), fate)
    async with bench(world) as tap:
        (did,) = await tap.add(0)
        events = await tap.drained()
        info = await tap.info(did)
    assert (info["state"], info["error"], info["records"]) == ("active", "", records)
    assert len(events) == 1 + records
    assert len(world.records(0)) == 2


async def test_parked_repositories_come_by_themselves_within_two_minutes(
    autojump_clock: object,
) -> None:
    world = plain(repos=50, hosts=1)
    world.set_fate(world.did(0), "rate_limited_once")
    async with bench(world) as tap:
        await tap.add(*range(50))
        await trio.sleep(55)
        assert (await tap.states()).count("active") < 15  # those whose fetch had begun
        await trio.sleep(70)
        assert set(await tap.states()) == {"active"}


async def test_five_lookups_that_hang_hold_everything_up_until_a_restart(
    autojump_clock: object,
) -> None:
    world = plain(repos=10)
    stuck = [world.did(n) for n in range(5)]
    for did in stuck:
        world.set_fate(did, "identity_hangs")
    async with bench(world) as tap:
        await tap.add(*range(10))
        await trio.sleep(1000)
        assert await tap.states() == ["resyncing"] * 5 + ["pending"] * 5
        await tap.post("/repos/remove", stuck)
        await trio.sleep(1000)
        assert (await tap.states()).count("pending") == 5
        await tap.network.start_tap()
        await trio.sleep(2)
        assert await tap.states() == ["unknown"] * 5 + ["active"] * 5


@pytest.mark.parametrize(
    ("filters", "collections"),
    [
        ((STATUS,), {STATUS}),
        (("xyz.statusphere.*",), {STATUS, LIKE}),
        (("xyz.statusphere.sta*",), {STATUS}),
        (("*",), {STATUS, LIKE}),
        ((), {STATUS, LIKE}),
        (("xyz.statusphere",), set()),
        ((STATUS, LIKE.upper()), {STATUS}),
        ((LIKE, " " + STATUS), {LIKE}),
    ],
)
async def test_filters_are_exact_or_a_plain_prefix(
    autojump_clock: object, filters: tuple[str, ...], collections: set[str]
) -> None:
    world = World(5, 4, (STATUS, LIKE), 2)
    async with bench(world, TapSettings(collection_filters=filters)) as tap:
        await tap.add(*range(4))
        events = await tap.drained()
        assert len([event for event in events if event.kind == "identity"]) == 4
        assert {e.content["collection"] for e in events if e.kind == "record"} == collections
        assert await tap.stat("record-count") == len(events) - 4


async def test_a_repository_of_many_batches_comes_whole_over_a_kill(
    autojump_clock: object,
) -> None:
    world = plain(repos=1, records=361)
    settings = TapSettings(outbox_capacity=150, retry_timeout_s=1000)
    async with bench(world, settings) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(1.5)
        assert (await tap.info(did))["state"] == "resyncing"
        assert await tap.stat("record-count") == 200
        first = await tap.drained(0.5)
        await tap.network.start_tap()
        rest = await tap.drained(60)
        info = await tap.info(did)
        assert (info["state"], info["records"]) == ("active", 361)
    paths = {event.path for event in first + rest if event.kind == "record"}
    assert len(paths) == 361


# --- the firehose -----------------------------------------------------------------------------


async def test_live_writes_come_with_live_true_and_a_delete_bears_no_body(
    autojump_clock: object,
) -> None:
    world = plain()
    async with bench(world) as tap:
        (did,) = await tap.add(0)
        async with tap.channel() as channel:
            await read(channel)
            world.create(world.did(0), STATUS, "mine")
            world.update(world.did(0), STATUS, "mine")
            last = world.delete(world.did(0), STATUS, "mine")
            events = await read(channel)
        assert shown(events) == [
            ("create", "mine", True),
            ("update", "mine", True),
            ("delete", "mine", True),
        ]
        assert (
            events[2].raw
            == (
                f'{{"id":{events[2].number},"type":"record","record":{{"live":true,"did":"{did}",'
                f'"rev":"{last.rev}","collection":"{STATUS}","rkey":"mine","action":"delete"}}}}'
            ).encode()
        )
        assert (await tap.info(did))["rev"] == last.rev


async def test_each_live_event_waits_for_the_ack_of_the_one_before(
    autojump_clock: object,
) -> None:
    world = plain()
    async with bench(world) as tap:
        await tap.add(0)
        async with tap.channel() as channel:
            await read(channel)
            writes = [world.write("create", STATUS, f"r{n}") for n in range(3)]
            world.commit(world.did(0), writes)
            assert shown(await read(channel, acked=False)) == [("create", "r0", True)]
            await channel.send(ack(4))
            assert shown(await read(channel)) == [("create", "r1", True), ("create", "r2", True)]


async def test_commits_of_repositories_not_held_are_ignored(autojump_clock: object) -> None:
    world = plain()
    world.set_fate(world.did(1), "pds_down")
    async with bench(world) as tap:
        await tap.add(1)
        await trio.sleep(1)
        world.create(world.did(0), STATUS)
        world.create(world.did(1), STATUS)
        assert [event.kind for event in await tap.drained()] == ["identity"]
        assert (await tap.http.get("/stats/cursors")).json() == {"firehose": 2, "list_repos": ""}


async def test_a_commit_during_the_fetch_is_held_back_and_comes_after_it(
    autojump_clock: object,
) -> None:
    world = plain()
    async with bench(world, TapSettings(fetch_s=5)) as tap:
        await tap.add(0)
        await trio.sleep(2)
        world.create(world.did(0), STATUS, "mine")
        await trio.sleep(1)
        assert await tap.stat("resync-buffer") == 1
        events = await tap.drained(10)
        assert shown(events[-1:]) == [("create", "mine", True)]
        assert len(events) == 4
        assert await tap.stat("resync-buffer") == 0


async def test_a_held_back_commit_that_does_not_fit_keeps_its_row(autojump_clock: object) -> None:
    world = plain()
    async with bench(world, TapSettings(collection_filters=(STATUS,), fetch_s=5)) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(2)
        world.create(world.did(0), LIKE)
        await trio.sleep(10)
        assert await tap.stat("resync-buffer") == 1
        await tap.post("/repos/remove", [did])
        assert await tap.stat("resync-buffer") == 0


async def test_a_commit_of_filtered_writes_only_moves_the_rev(autojump_clock: object) -> None:
    world = plain()
    async with bench(world, TapSettings(collection_filters=(STATUS,))) as tap:
        (did,) = await tap.add(0)
        await tap.drained()
        commit = world.create(world.did(0), LIKE)
        assert await tap.drained() == []
        assert (await tap.info(did))["rev"] == commit.rev


async def test_a_missed_commit_leaves_ghosts(autojump_clock: object) -> None:
    """After a gap the next commit makes Tap fetch anew; what was deleted in it is never told."""
    world = plain(records=4)
    one = world.did(0)
    keys = [record.rkey for record in world.records(0)]
    async with bench(world) as tap:
        await tap.add(0)
        await tap.drained()
        unheard = [Write("delete", STATUS, keys[0], None), world.write("update", STATUS, keys[2])]
        world.commit(one, unheard, heard=False)
        assert await tap.drained(300) == []
        world.create(one, STATUS, "zz")
        events = await tap.drained(5)
        assert shown(events) == [("update", keys[2], False), ("create", "zz", False)]
        info = await tap.info(one)
        assert (info["state"], info["records"]) == ("active", 5)
        assert len(world.records(0)) == 4


@pytest.mark.parametrize("status", ["deactivated", "takendown", "suspended"])
async def test_a_status_is_told_and_the_repository_stays_active(
    autojump_clock: object, status: Fate
) -> None:
    world = plain()
    async with bench(world) as tap:
        (did,) = await tap.add(0)
        await tap.drained()
        world.set_status(world.did(0), status)  # type: ignore[arg-type]
        world.set_status(world.did(0), status)  # type: ignore[arg-type]
        (event,) = await tap.drained()
        assert event.content == {
            "did": did,
            "handle": world.handle(0),
            "is_active": False,
            "status": status,
        }
        assert (await tap.info(did))["state"] == "active"
        world.set_status(world.did(0), "active")
        assert shown(await tap.drained()) == [("active",)]


async def test_a_deleted_account_is_told_and_forgotten_but_what_waits_still_comes(
    autojump_clock: object,
) -> None:
    world = plain()
    async with bench(world) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(3)
        world.set_status(world.did(0), "deleted")
        await trio.sleep(3)
        assert await tap.info(did) == {"state": "unknown"}
        assert await tap.stat("record-count") == 0
        events = await tap.drained()
    assert [event.kind for event in events] == ["identity", "record", "record", "identity"]
    assert events[-1].content["status"] == "deleted"


async def test_an_account_deleted_before_its_first_fetch_has_no_handle(
    autojump_clock: object,
) -> None:
    world = plain(repos=10)
    async with bench(world, TapSettings(fetch_s=100)) as tap:
        dids = await tap.add(*range(10))
        await trio.sleep(1)
        world.set_status(world.did(9), "deleted")
        events = [event for event in await tap.drained() if event.did == dids[9]]
        assert [event.content["handle"] for event in events] == [""]
        assert await tap.info(dids[9]) == {"state": "unknown"}


# --- dying ------------------------------------------------------------------------------------


async def test_a_kill_ends_every_connection_without_a_word(autojump_clock: object) -> None:
    async with bench(plain()) as tap, tap.channel() as channel:
        tap.network.kill_tap()
        with pytest.raises(Ended) as over:
            await channel.event()
        assert over.value.farewell is None
        with pytest.raises(httpx.ConnectError):
            await tap.http.get("/health")
        with pytest.raises(ConnectionRefusedError):
            tap.network.open_channel()


async def test_acked_events_that_were_not_deleted_yet_come_again_after_a_kill(
    autojump_clock: object,
) -> None:
    async with bench(plain()) as tap:
        await tap.add(0)
        first = await tap.drained()
        await tap.network.start_tap()
        again = await tap.drained(11)
        assert [event.raw for event in again] == [event.raw for event in first]
        await tap.network.start_tap()
        assert await tap.drained() == []
        await tap.add(1)
        assert [event.number for event in await tap.drained()] == [1, 2, 3]


async def test_what_happened_while_it_was_down_is_replayed(autojump_clock: object) -> None:
    world = plain()
    async with bench(world) as tap:
        await tap.add(0)
        await tap.drained(11)
        tap.network.kill_tap()
        rkey = world.records(0)[0].rkey
        world.delete(world.did(0), STATUS, rkey)
        await tap.network.start_tap()
        assert shown(await tap.drained()) == [("delete", rkey, True)]


async def test_without_replay_it_stays_silent_and_active(autojump_clock: object) -> None:
    world = plain()
    async with bench(world, TapSettings(no_replay=True)) as tap:
        (did,) = await tap.add(0)
        await tap.drained(11)
        tap.network.kill_tap()
        world.delete(world.did(0), STATUS, world.records(0)[0].rkey)
        await tap.network.start_tap()
        assert await tap.drained(300) == []
        assert (await tap.info(did))["records"] == 2


async def test_widening_the_filter_sends_nothing_of_what_is_held(autojump_clock: object) -> None:
    world = World(5, 2, (STATUS, LIKE), 2)
    async with bench(world, TapSettings(collection_filters=(STATUS,))) as tap:
        (did,) = await tap.add(1)
        await tap.drained(11)
        await tap.network.start_tap(TapSettings())
        await tap.add(1)
        assert await tap.drained() == []
        await tap.post("/repos/remove", [did])
        await tap.add(1)
        assert len([event for event in await tap.drained() if event.kind == "record"]) == 4


async def test_a_lost_database_knows_nothing(autojump_clock: object) -> None:
    async with bench(plain()) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(1)
        tap.network.kill_tap()
        tap.network.disk.lose_database()
        await tap.network.start_tap()
        assert await tap.info(did) == {"state": "unknown"}
        assert await tap.stat("outbox-buffer") == 0
        assert await tap.drained() == []


@pytest.mark.parametrize("by", ["removing", "deletion"])
async def test_it_dies_when_a_repository_goes_while_its_fetch_is_failing(
    autojump_clock: object, by: str
) -> None:
    world = plain()
    world.set_fate(world.did(0), "deactivated")
    async with bench(world, TapSettings(fetch_s=5)) as tap:
        (did,) = await tap.add(0)
        await trio.sleep(2)
        if by == "removing":
            await tap.post("/repos/remove", [did])
        else:
            world.set_status(world.did(0), "deleted")
        life = tap.network.tap
        await trio.sleep(5)
        assert life is not None
        assert "nil pointer" in life.crash
        with pytest.raises(httpx.ConnectError):
            await tap.http.get("/health")
        await tap.network.start_tap()
        assert (await tap.http.get("/health")).status_code == 200


# --- the channel ------------------------------------------------------------------------------


async def test_a_stalled_reader_swallows_its_share_until_the_retry_timeout(
    autojump_clock: object,
) -> None:
    world = plain(repos=100, records=5)
    async with bench(world) as tap, tap.channel(), tap.channel() as reader:
        await tap.add(*range(100))
        came = {event.number for event in await read(reader, 30)}
        assert 400 < len(came) < 600
        again = {event.number for event in await read(reader, 200)}
        assert came | again == set(range(1, 601))
        assert not came & again


async def test_a_reader_that_does_not_read_stops_the_fetching_at_the_capacity(
    autojump_clock: object,
) -> None:
    world = plain(repos=100, records=5)
    async with bench(world, TapSettings(outbox_capacity=60)) as tap:
        await tap.add(*range(100))
        async with tap.channel() as channel:
            await trio.sleep(200)
            assert 60 <= int(str(await tap.stat("outbox-buffer"))) < 100
            assert (await tap.states()).count("pending") > 80
            await read(channel, 600)
        assert set(await tap.states()) == {"active"}


async def test_without_acks_an_event_is_done_once_it_is_written(autojump_clock: object) -> None:
    async with bench(plain(), TapSettings(disable_acks=True)) as tap:
        await tap.add(0)
        assert len(await tap.drained(11, acked=False)) == 3
        assert await tap.stat("outbox-buffer") == 0
        assert await tap.drained(300, acked=False) == []


async def test_a_large_record_is_one_frame(autojump_clock: object) -> None:
    world = plain(repos=1, records=1, large_text_chars=900_000)
    async with bench(world) as tap:
        await tap.add(0)
        (_, record) = await tap.drained()
        assert len(record.raw) > 900_000
        assert len(str(record.content["record"])) > 800_000


async def test_a_tap_that_only_stores_fetches_nothing_and_hears_nothing(
    autojump_clock: object,
) -> None:
    world = plain(repos=20_000)
    async with bench(world, TapSettings(outbox_only=True)) as tap:
        for start in range(0, 20_000, 2000):
            await tap.add(*range(start, start + 2000))
        world.create(world.did(0), STATUS)
        assert await tap.drained(1000) == []
        assert await tap.stat("repo-count") == 20_000
        assert (await tap.info(world.did(19_999)))["state"] == "pending"


async def test_a_password_is_wanted_everywhere_and_works_everywhere(
    autojump_clock: object,
) -> None:
    async with bench(plain(), TapSettings(admin_password="pw")) as tap:
        for path in ("/health", "/nothing", "/channel"):
            answer = await tap.http.get(path, auth=("admin", "wrong"))
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Basic realm="admin", charset="UTF-8"'
            assert answer.text == (
                '{"error":"Unauthorized","message":'
                '"atproto admin auth required, but missing or incorrect password"}\n'
            )
        assert (await tap.http.get("/health", auth=("root", "pw"))).status_code == 401
        assert (await tap.http.get("/health", auth=("admin", "pw"))).status_code == 200
        basic = "Authorization: Basic YWRtaW46cHc="
        for headers, first in (([], "HTTP/1.1 401"), ([basic], "HTTP/1.1 101")):
            channel = Channel(tap.network.open_channel())
            assert (await channel.shake_hands(headers=headers)).startswith(first)


async def test_in_webhook_mode_there_is_no_channel(autojump_clock: object) -> None:
    async with bench(plain(), TapSettings(webhook=True)) as tap:
        answer = await tap.http.get("/channel")
        assert answer.status_code == 400
        assert answer.json() == {"message": "websocket not available in webhook mode"}


@pytest.mark.parametrize("seed", range(8))
async def test_over_any_kills_and_cuts_everything_arrives(
    autojump_clock: object, seed: int
) -> None:
    chance = random.Random(seed)
    world = World(seed, 120, (STATUS,), (1, 9), odd_share=0.1)
    settings = TapSettings(outbox_capacity=80, retry_timeout_s=5, fetch_s=0.3)
    came: dict[tuple[str, object, object], object] = {}
    async with bench(world, settings) as tap:
        await tap.add(*range(120))
        for life in range(12):
            async with tap.channel() as channel:
                with trio.move_on_after(chance.expovariate(0.5)):
                    while True:
                        event = await channel.event()
                        note(came, event)
                        if chance.random() < 0.9:
                            await channel.send(ack(event.number))
            if life % 2:
                await tap.network.start_tap()
            world.create(world.did(chance.randrange(120)), STATUS)
        for event in await tap.drained(600):
            note(came, event)
        assert await tap.stat("outbox-buffer") == 0
    truth = {(row.did, row.collection, row.rkey): row.cid for row in world.truth(STATUS)}
    assert {key: cid for key, cid in came.items() if key in truth} == truth


def note(came: dict[tuple[str, object, object], object], event: Event) -> None:
    if event.kind == "record":
        content = event.content
        came[event.did, content["collection"], content["rkey"]] = content.get("cid")


async def test_what_is_read_at_once_arrives_in_the_order_of_its_paths(
    autojump_clock: object,
) -> None:
    async with bench(plain(repos=1, records=250)) as tap, tap.channel() as channel:
        await tap.add(0)
        events = await read(channel)
    assert [event.kind for event in events] == ["identity"] + ["record"] * 250
    paths = [event.path for event in events[1:]]
    assert paths == sorted(paths)
