"""A browser's ticket works once and soon; its session ends."""

import trio
from trio.testing import MockClock

from backfilld.control.sessions import (
    COOKIE,
    SESSION_S,
    SESSIONS_MAX,
    TICKET_S,
    TICKETS_MAX,
    Sessions,
    cookie_of,
)
from backfilld.control.who import LOOK, Who

ALICE, BOB = Who("uid:1000", LOOK), Who("key:bob", LOOK, "id-bob")


async def test_a_ticket_is_a_session_of_its_owner_once(autojump_clock: MockClock) -> None:
    sessions = Sessions()
    ticket = sessions.ticket(ALICE)
    cookie = sessions.redeem(ticket)
    session = sessions.find(cookie)
    assert session is not None
    assert (session.who, sessions.is_open(session)) == (ALICE, True)
    assert sessions.redeem(ticket) is None
    assert sessions.redeem("") is None


async def test_a_ticket_is_good_for_a_minute(autojump_clock: MockClock) -> None:
    sessions = Sessions()
    in_time, late = sessions.ticket(ALICE), sessions.ticket(ALICE)
    await trio.sleep(TICKET_S - 1)
    assert sessions.redeem(in_time) is not None
    await trio.sleep(1)
    assert sessions.redeem(late) is None


async def test_a_session_ends_by_time_and_by_signing_out(autojump_clock: MockClock) -> None:
    sessions = Sessions()
    one, other = sessions.redeem(sessions.ticket(ALICE)), sessions.redeem(sessions.ticket(BOB))
    session = sessions.find(one)
    assert session is not None
    sessions.end(one)
    assert (sessions.find(one), sessions.is_open(session)) == (None, False)
    assert sessions.find(other) is not None
    await trio.sleep(SESSION_S)
    assert sessions.find(other) is None


async def test_no_two_sessions_share_what_their_forms_carry(autojump_clock: MockClock) -> None:
    sessions = Sessions()
    found = [sessions.find(sessions.redeem(sessions.ticket(ALICE))) for _ in range(5)]
    assert len({session.csrf for session in found if session is not None}) == 5


async def test_nobody_fills_the_memory_and_nobody_drives_others_out(
    autojump_clock: MockClock,
) -> None:
    sessions = Sessions()
    bobs = sessions.redeem(sessions.ticket(BOB))
    tickets = [sessions.ticket(ALICE) for _ in range(TICKETS_MAX + 1)]
    assert sessions.redeem(tickets[0]) is None
    assert all(sessions.redeem(ticket) for ticket in tickets[1:])
    first = sessions.redeem(sessions.ticket(ALICE))
    newer = [sessions.redeem(sessions.ticket(ALICE)) for _ in range(SESSIONS_MAX)]
    assert sessions.find(first) is None
    assert all(sessions.find(cookie) for cookie in newer)
    assert sessions.find(bobs) is not None


def test_the_cookie_is_found_among_others_and_out_of_reach_of_scripts() -> None:
    assert cookie_of(f"a=b; {COOKIE}=x=y; c") == "x=y"
    assert cookie_of(f"x{COOKIE}=1") is None
    assert cookie_of(None) is None
    text = Sessions.set_cookie("v").to_header(header="")
    assert {"HttpOnly", "Path=/dashboard", "SameSite=strict"} <= set(text.split("; "))
