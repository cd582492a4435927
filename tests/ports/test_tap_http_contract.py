"""What Tap's HTTP side answers, to the letter."""

import json

import pytest
import trio
from ports.peers import TapPeer

JSON = "application/json"
JSON_UTF8 = "application/json; charset=UTF-8"
OOPS = "Internal Server Error"


async def all_failed(tap: TapPeer, last: str) -> None:
    """Waits until Tap has given all up for now: removing one that is just failing kills it."""
    await tap.settled(last)
    await trio.sleep(0.5)


def syntax(offset: int, error: str) -> str:
    return f"Syntax error: offset={offset}, error={error}"


def mistyped(expected: str, got: str, offset: int, field: str = "dids") -> str:
    return f"Unmarshal type error: expected={expected}, got={got}, field={field}, offset={offset}"


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/health", 200, {"status": "ok"}),
        ("GET", "/health?x=1", 200, {"status": "ok"}),
        ("GET", "/health/", 404, {"message": "Not Found"}),
        ("POST", "/health", 405, {"message": "Method Not Allowed"}),
        ("GET", "/repos/add", 405, {"message": "Method Not Allowed"}),
        ("POST", "/channel", 405, {"message": "Method Not Allowed"}),
        ("GET", "/nothing", 404, {"message": "Not Found"}),
        ("PUT", "/collection-filters", 404, {"message": "Not Found"}),
        ("GET", "/info/", 404, {"message": "Not Found"}),
        ("GET", "/info/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", 404, {"message": "repo not found"}),
        ("GET", "/info/did/with/slashes", 404, {"message": "repo not found"}),
        ("GET", "/resolve/zzz", 400, {"message": "improperly formatted DID"}),
        (
            "GET",
            "/resolve/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
            500,
            {"message": "failed to resolve DID"},
        ),
        ("GET", "/stats/resync-buffer", 200, {"resync_buffer": 0}),
    ],
)
async def test_a_request_without_a_body_has_this_answer(
    clock: object, tap: TapPeer, method: str, path: str, status: int, body: object
) -> None:
    answer = await tap.http.request(method, path)
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer.headers["content-type"] == JSON_UTF8
    assert answer.text.endswith("}\n")


@pytest.mark.parametrize(
    ("content", "kind", "status", "message"),
    [
        ('{"dids":[]}', JSON, 500, OOPS),
        ('{"dids":null}', JSON, 500, OOPS),
        ("{}", JSON, 500, OOPS),
        ("null", JSON, 500, OOPS),
        ("", JSON, 500, OOPS),
        ("", None, 500, OOPS),
        ("dids=x", "application/x-www-form-urlencoded", 500, OOPS),
        ('{"dids":["x"]}', "text/plain", 415, "Unsupported Media Type"),
        ('{"dids":["x"]}', None, 415, "Unsupported Media Type"),
        ('{"dids":[', JSON, 400, "unexpected EOF"),
        ('{"dids":["x', JSON, 400, "unexpected EOF"),
        ("hello", JSON, 400, syntax(1, "invalid character 'h' looking for beginning of value")),
        (
            '{"dids":["a",]}',
            JSON,
            400,
            syntax(14, "invalid character ']' looking for beginning of value"),
        ),
        ('{"dids":["a" "b"]}', JSON, 400, syntax(14, "invalid character '\"' after array element")),
        (
            "{dids:1}",
            JSON,
            400,
            syntax(2, "invalid character 'd' looking for beginning of object key string"),
        ),
        (
            '{"dids":["a\x01"]}',
            JSON,
            400,
            syntax(12, r"invalid character '\x01' in string literal"),
        ),
        ('{"dids":"x"}', JSON, 400, mistyped("[]string", "string", 11)),
        ('{"dids":"did:plc:x"}', JSON, 400, mistyped("[]string", "string", 19)),
        ('{"dids":5}', JSON, 400, mistyped("[]string", "number", 9)),
        ('{"dids":{"a":1}}', JSON, 400, mistyped("[]string", "object", 9)),
        ('{"dids":["a",5]}', JSON, 400, mistyped("string", "number", 14)),
        ('{"dids":["a",true]}', JSON, 400, mistyped("string", "bool", 17)),
        ('{"dids":["a",[1]],"x":1}', JSON, 400, mistyped("string", "array", 14)),
        ("[]", JSON, 400, mistyped("main.DidPayload", "array", 1, "")),
    ],
)
async def test_a_body_that_names_no_dids_is_refused_so(
    clock: object, tap: TapPeer, content: str, kind: str | None, status: int, message: str
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    before = (await tap.http.get("/stats/repo-count")).json()
    answer = await tap.http.post("/repos/add", content=content.encode(), headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"message": message})
    assert (await tap.http.get("/stats/repo-count")).json() == before


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        ('{"DIDS":["not a did"],"more":1} tail', ["not a did"]),
        ('{"dids":["did:x:1","did:x:1"]}', ["did:x:1"]),
        ('{"dids":[null,""]}', [""]),
        ('{"dids":["did:plc:SHORT","did:web:localhost"]}', ["did:plc:SHORT", "did:web:localhost"]),
    ],
)
async def test_whatever_text_stands_for_a_did_is_stored(
    clock: object, tap: TapPeer, content: str, stored: list[str]
) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    tap.mine += stored
    before = (await tap.http.get("/stats/repo-count")).json()["repo_count"]
    answer = await tap.http.post("/repos/add", content=content, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-type" not in answer.headers
    after = (await tap.http.get("/stats/repo-count")).json()["repo_count"]
    assert after == before + len(stored)
    await all_failed(tap, stored[-1].replace(" ", "%20"))
    assert (await tap.post("/repos/remove", stored)).content == b""
    assert (await tap.http.get("/stats/repo-count")).json()["repo_count"] == before


@pytest.mark.parametrize("content", ['{"dids":[]}', "{}", "", '{"dids":["did:plc:never"]}'])
async def test_removing_nothing_is_no_error(clock: object, tap: TapPeer, content: str) -> None:
    headers = {"content-type": JSON}
    answer = await tap.http.post("/repos/remove", content=content, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_3640_dids_are_taken_and_of_one_more_none(clock: object, tap: TapPeer) -> None:
    dids = [f"did:x:{n}" for n in range(3641)]
    before = (await tap.http.get("/stats/repo-count")).json()["repo_count"]
    refused = await tap.http.post("/repos/add", json={"dids": dids})
    assert (refused.status_code, refused.json()) == (500, {"message": OOPS})
    assert (await tap.http.get("/stats/repo-count")).json()["repo_count"] == before
    assert (await tap.http.post("/repos/add", json={"dids": dids[:-1]})).status_code == 200
    assert (await tap.http.get("/stats/repo-count")).json()["repo_count"] == before + 3640
    await all_failed(tap, dids[-2])
    assert (await tap.http.post("/repos/remove", json={"dids": dids})).status_code == 200


async def test_a_method_not_allowed_is_told_which_is(clock: object, tap: TapPeer) -> None:
    assert (await tap.http.get("/repos/add")).headers["allow"] == "OPTIONS, POST"
    assert (await tap.http.post("/info/x")).headers["allow"] == "OPTIONS, GET"
    options = await tap.http.options("/repos/add")
    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")


async def test_a_known_repository_is_described_with_its_keys_sorted(
    clock: object, tap: TapPeer
) -> None:
    info = await tap.added()
    answer = await tap.http.get(f"/info/{info['did']}")
    assert answer.text == json.dumps(info, sort_keys=True, separators=(",", ":")) + "\n"
    assert list(info) == ["did", "error", "handle", "records", "retries", "rev", "state"]
    assert (info["error"], info["retries"]) == ("", 0)


async def test_colons_must_be_literal_in_a_path(clock: object, tap: TapPeer) -> None:
    did = str((await tap.added())["did"])
    answer = await tap.http.get("/info/" + did.replace(":", "%3A"))
    assert (answer.status_code, answer.json()) == (404, {"message": "repo not found"})


async def test_a_did_resolves_to_its_document(clock: object, tap: TapPeer) -> None:
    did = str((await tap.added())["did"])
    document = (await tap.http.get(f"/resolve/{did}")).json()
    assert document["id"] == did
    assert document["service"][0]["type"] == "AtprotoPersonalDataServer"


async def test_a_plain_request_to_the_channel_is_a_bad_one(clock: object, tap: TapPeer) -> None:
    answer = await tap.http.get("/channel")
    assert (answer.status_code, answer.text) == (400, "Bad Request\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["sec-websocket-version"] == "13"
