"""Repositories in trouble, and what Tap says of them; and our own client of it."""

from collections.abc import Callable

import pytest
import trio
from ports.peers import TapPeer

from backfilld.failures import Failure
from backfilld.sandbox.seeded import Fate
from backfilld.sources.tap.http import RepoInfo, TapHttp
from backfilld_events.ids import Did

Odd = Callable[[Fate], str]
NOT_GOT = "failed to get repo: "
REFUSED = NOT_GOT + "API request failed (HTTP 400): "
ASKED = NOT_GOT + 'Get "http://{host}/xrpc/com.atproto.sync.getRepo?did={escaped}": '
REFETCH_PAUSE_S = 10.5


@pytest.mark.parametrize(
    ("fate", "error"),
    [
        ("not_on_plc", "failed to resolve DID: DID not found: PLC directory 404"),
        ("no_pds", "no PDS endpoint for DID: {did}"),
        ("pds_down", ASKED + "dial tcp 127.0.0.1:{port}: connect: connection refused"),
        (
            "pds_hangs",
            ASKED + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        ),
        ("pds_resets", ASKED + "EOF"),
        (
            "pds_500",
            NOT_GOT + "API request failed (HTTP 500): InternalServerError: Internal Server Error",
        ),
        ("pds_502", NOT_GOT + "API request failed (HTTP 502)"),
        ("deactivated", REFUSED + "RepoDeactivated: Repo has been deactivated: {did}"),
        ("takendown", REFUSED + "RepoTakendown: Repo has been takendown: {did}"),
        ("deleted", REFUSED + "RepoNotFound: Could not find repo for DID: {did}"),
        ("bad_signature", "failed to verify signature: cryptographic signature invalid"),
        ("cut_car", "failed to read repo from CAR: unexpected EOF"),
        ("empty_car", "failed to read repo from CAR: EOF"),
    ],
)
async def test_a_repository_that_cannot_be_fetched_is_in_error_in_these_words(
    clock: object, tap: TapPeer, client: TapHttp, odd: Odd, fate: Fate, error: str
) -> None:
    did = odd(fate)
    await tap.post("/repos/add", [did])
    info = await tap.settled(did)
    known = fate != "not_on_plc"
    host = (await client.resolve(Did(did)) or "") if known else ""
    port = host.partition(":")[2] or "80"
    assert info["error"] == error.format(
        did=did, escaped=did.replace(":", "%3A"), host=host, port=port
    )
    assert (info["state"], info["records"], info["retries"], info["rev"]) == ("error", 0, 1, "")
    assert bool(info["handle"]) == known


@pytest.mark.parametrize("fate", ["missing_block", "undecodable"])
async def test_a_repository_with_a_bad_record_is_active_all_the_same(
    clock: object, tap: TapPeer, odd: Odd, fate: Fate
) -> None:
    did = odd(fate)
    await tap.post("/repos/add", [did])
    info = await tap.settled(did)
    assert (info["state"], info["error"]) == ("active", "")
    async with tap.channel() as channel:
        events = [e for e in await tap.events(channel, info) if e.kind == "record"]
    assert len(events) == info["records"]
    bodiless = [event for event in events if "record" not in event.content]
    assert bool(bodiless) == (fate == "undecodable")


async def test_one_429_parks_its_server_and_taking_out_and_adding_again_is_the_cure(
    clock: object, tap: TapPeer, client: TapHttp, limited: list[str]
) -> None:
    dids = [Did(did) for did in limited]
    assert len({await client.resolve(did) for did in dids}) == 1
    await tap.post("/repos/add", dids)
    rounds = 0
    while waiting := await parked(client, dids):
        rounds += 1
        assert rounds < 8
        await trio.sleep(REFETCH_PAUSE_S)
        await client.remove(waiting)
        await client.hand_over(waiting)
    assert rounds > 0
    assert {(await client.info(did)).state for did in dids} == {"active"}


async def parked(client: TapHttp, dids: list[Did]) -> list[Did]:
    """Those put aside, once none is waiting or being fetched."""
    while True:
        infos = {did: await client.info(did) for did in dids}
        if not {"pending", "resyncing"} & {info.state for info in infos.values()}:
            break
        await trio.sleep(0.1)
    found = [did for did, info in infos.items() if info.state == "desynchronized"]
    for did in found:
        info = infos[did]
        assert info == RepoInfo("desynchronized", error="", rev="", records=0, retries=1)
    return found


# --- our client -------------------------------------------------------------------------------


async def test_our_client_reads_what_tap_says_of_a_repository(
    clock: object, tap: TapPeer, client: TapHttp
) -> None:
    info = await tap.added()
    did = Did(str(info["did"]))
    records = int(str(info["records"]))
    assert await client.info(did) == RepoInfo("active", rev=str(info["rev"]), records=records)
    assert (await client.cursors()).firehose >= 0
    before = (await client.counters()).repo_count
    await client.remove([did])
    assert await client.info(did) == RepoInfo("unknown")
    assert (await client.counters()).repo_count == before - 1
    await client.remove([did])
    await client.hand_over([did])
    assert (await tap.settled(did))["records"] == records


async def test_our_client_learns_the_server_of_an_account_from_tap(
    clock: object, tap: TapPeer, client: TapHttp
) -> None:
    host = await client.resolve(Did(str((await tap.added())["did"])))
    assert host
    assert "/" not in host


async def test_an_account_may_name_no_server(clock: object, client: TapHttp, odd: Odd) -> None:
    assert await client.resolve(Did(odd("no_pds"))) is None


async def test_who_is_not_to_be_found_has_no_server_to_be_learned(
    clock: object, client: TapHttp, odd: Odd
) -> None:
    with pytest.raises(Failure, match="answered 500 failed to resolve DID"):
        await client.resolve(Did(odd("not_on_plc")))
