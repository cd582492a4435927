"""Who asks is known by the kernel's word or by a key, and each route takes its words."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.config import Config
from backfilld.control.door import Door
from backfilld.control.serving.server import app
from backfilld.control.who import (
    ALL,
    HAPPYVIEWS,
    LOOK,
    PERMISSIONS,
    Peer,
    Rules,
    Unknown,
    needed,
    of_header,
    of_peer,
)
from backfilld_events.folds.control import Key

US, ACT, SEE = 990, 991, 992
NOON = 1_000_000.0


def key(text: str, **changed: Any) -> Key:
    values: dict[str, Any] = {
        "id": f"id-{text[3:7]}",
        "name": "ci",
        "prefix": text[:11],
        "digest": hashlib.sha256(text.encode()).digest(),
        "permissions": frozenset({"backfill:read"}),
        "actor": "uid:0",
        "position": 1,
        "created_at": NOON - 10,
        "expires_at": None,
    }
    return Key(**{**values, **changed})


ONE, OTHER = f"hv_{'0' * 32}", f"hv_{'a1' * 16}"


@pytest.mark.parametrize(
    ("peer", "look", "may"),
    [
        (Peer(1, 0, 0), SEE, ALL),
        (Peer(1, US, 5), SEE, ALL),
        (Peer(1, 1000, ACT), SEE, ALL),
        (Peer(1, 1000, 5, frozenset({ACT})), SEE, ALL),
        (Peer(1, 1000, 5, frozenset({ACT, SEE})), SEE, ALL),
        (Peer(1, 1000, 5, frozenset({SEE, 7})), SEE, LOOK),
        (Peer(1, 1000, SEE), SEE, LOOK),
        (Peer(1, 1000, 5, frozenset({7})), SEE, frozenset()),
        (Peer(1, 1000, 5), None, ALL),
    ],
)
def test_a_group_may_act_one_may_only_look_and_no_other_may_anything(
    peer: Peer, look: int | None, may: frozenset[str]
) -> None:
    who = of_peer(peer, Rules(uid=US, act=ACT, look=look))
    assert (who.actor, who.permissions, who.key_id) == (f"uid:{peer.uid}", may, None)


def test_looking_changes_nothing() -> None:
    for (method, path), words in PERMISSIONS.items():
        if words and set(words.split()) <= LOOK:
            assert method == "GET" or path.endswith("/log/verify")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "DPoP"])
def test_a_key_is_its_name_and_its_words(scheme: str) -> None:
    who = of_header(f"{scheme} {OTHER}", [key(ONE), key(OTHER, name="deploy")], NOON)
    assert (who.actor, who.permissions) == ("key:deploy", {"backfill:read"})
    assert who.key_id == "id-a1a1"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (None, "missing Authorization header or session cookie"),
        ("", "invalid Authorization scheme"),
        ("Basic YTpi", "invalid Authorization scheme"),
        (ONE, "invalid Authorization scheme"),
        ("Bearer", "invalid or revoked API key"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.", "invalid or revoked API key"),
        (f"Bearer {ONE.upper()}", "invalid or revoked API key"),
        (f"Bearer {ONE}0", "invalid or revoked API key"),
        (f"Bearer {ONE}\n", "invalid or revoked API key"),
        (f"Bearer {ONE[:-1]}1", "invalid or revoked API key"),
        (f"Bearer {ONE} {ONE}", "invalid or revoked API key"),
    ],
)
def test_nobody_else_comes_in(header: str | None, says: str) -> None:
    known = [key(ONE, revoked_at=NOON - 1)] if header == f"Bearer {ONE}\n" else [key(ONE)]
    with pytest.raises(Unknown) as unknown:
        of_header(header, known, NOON)
    assert str(unknown.value) == says
    assert "backfillctl key create" in unknown.value.hint


def test_a_revoked_key_and_one_past_its_end_open_nothing() -> None:
    for shut in (key(ONE, revoked_at=NOON - 1), key(ONE, expires_at=NOON)):
        with pytest.raises(Unknown):
            of_header(f"Bearer {ONE}", [shut], NOON)
    assert of_header(f"Bearer {ONE}", [key(ONE, expires_at=NOON + 0.1)], NOON).key_id


def test_a_word_that_was_given_and_is_none_of_ours_grants_nothing() -> None:
    made = key(ONE, permissions=frozenset({"users:create", "backfill:read", "root"}))
    assert of_header(f"Bearer {ONE}", [made], NOON).permissions == {"backfill:read"}


@given(st.text(max_size=80), st.lists(st.from_regex(r"hv_[0-9a-f]{32}", fullmatch=True)))
def test_only_a_key_that_was_made_opens(shown: str, made: list[str]) -> None:
    keys = [key(text) for text in made]
    for text in (shown, *made):
        try:
            who = of_header(f"Bearer {text}", keys, NOON)
        except Unknown:
            assert text.strip() not in made
        else:
            assert text.strip() in made
            assert who.key_id is not None


def test_every_permission_of_a_route_is_a_word_that_can_be_given() -> None:
    for words in PERMISSIONS.values():
        assert set((words or "").split()) <= ALL
    assert not ALL & HAPPYVIEWS


@dataclass
class Unopened:
    """A door of which nothing but the configuration is asked."""

    config: Any = field(default=Config)

    def __getattr__(self, name: str) -> Any:
        return None


def test_no_route_is_there_for_which_nobody_decided_what_it_takes() -> None:
    open_to_all = set()
    for route in app(cast(Door, Unopened())).routes:
        if route.path_format.startswith("/schema"):
            continue  # Litestar's own pages: undecided, so closed
        for method in getattr(route, "methods", ()):
            if needed(method, route.path_format) is None:
                open_to_all.add((method, route.path_format))
    assert open_to_all == {("GET", "/health")}


def test_a_route_that_nobody_decided_on_is_closed() -> None:
    for method, path in (
        ("GET", "/admin/nothing"),
        ("PUT", "/admin/backfill"),
        ("PUT", "/dashboard"),
    ):
        with pytest.raises(LookupError):
            needed(method, path)


def test_pages_are_to_be_looked_at_and_their_buttons_act() -> None:
    assert needed("GET", "/dashboard/jobs/{job_id}") == {"backfill:read"}
    assert needed("POST", "/dashboard/jobs") == {"backfill:create", "backfill:read"}
    letter = "/dashboard/dead-letters/{id}/retry"  # when it cannot be, the page shows the letter
    assert needed("POST", letter) == {"dead-letters:manage", "dead-letters:read"}
    assert needed("GET", "/dashboard/login") is None
    assert needed("GET", "/dashboard/static/{name}") is None
