"""One account's whole history, each line with its event."""

from typing import Any

import msgspec
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, problem
from unit.cli.ran import Ctl

from backfilld.control.shapes.coverage import AsOf
from backfilld.control.shapes.repos import Account, Line, Standing, TapAnswer

DID = "did:plc:aaaa2222bbbb3333cccc4444"
AT = "2026-03-10T02:14:31.000Z"


def account(**changes: Any) -> dict[str, Any]:
    shape = Account(
        did=DID,
        handle="alice.example",
        pds_endpoint="https://pds.example",
        state="synced",
        kind=None,
        since=AT,
        position=44_020,
        sentence="42 records are here, complete as of rev 3lk.",
        next="Nothing: what changes later comes by itself.",
        standings=[Standing(NSID, None, "synced"), Standing(None, ID, "synced")],
        account="active",
        tap=TapAnswer("active", "", "3lk", 42, 0, AT, 44_020),
        records=42,
        removed=0,
        differs=None,
        asked_next=None,
        history=[
            Line(41_207, AT, "found by relay1, page 3, in job 3b0d4f7e", "system"),
            Line(44_001, AT, "1 record removed from the index by uid:1000", "uid:1000"),
            Line(44_002, AT, "about to be compared", "key:ops"),
        ],
        complete_from=41_207,
        before=None,
        as_of=AsOf(48_213, AT),
    )
    return {**msgspec.to_builtins(shape), **changes}


def test_an_account_is_told_with_how_it_stands_and_its_history(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/repos/alice.example", account())
    ran = ctl("repo", "@alice.example")
    assert (ran.code, ran.err) == (0, "")
    head, *_, found, removed, compared = ran.out.splitlines()
    assert head == f"{DID}  @alice.example  https://pds.example  SYNCED for {NSID}"
    when = "2026-03-10 07:44:31+05:30"
    assert found == f" {when}  #41207  found by relay1, page 3, in job 3b0d4f7e"
    assert removed.endswith("#44001  1 record removed from the index by uid:1000")
    assert compared.endswith("#44002  about to be compared (by key:ops)")
    assert "  Now      42 records are here, complete as of rev 3lk.\n" in ran.out
    assert "  Jobs     3b0d4f7e synced\n" in ran.out
    assert ctl("repo", "alice.example", "--json").data == account()


def test_a_did_goes_into_the_path_whole(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/repos/did%3Aweb%3Alocalhost%253A2583", account())
    assert ctl("repo", "did:web:localhost%3A2583").code == 0


def test_what_is_older_is_a_command_away(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/repos/alice.example", account(before=41_000))
    ran = ctl("repo", "alice.example", "--before", "45000", "-n", "5")
    assert ran.err == "older: --before 41000 (the history is whole from there on)\n"
    assert daemon.asked[0][2] == {"before": ["45000"], "limit": ["5"]}


def test_an_account_that_no_job_has_seen_exits_5_and_says_how_to_backfill_it(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    refusal = problem("No job has ever seen this account", "repo-not-found", "backfill it: …")
    daemon.answers("GET /admin/repos/nobody.example", refusal, status=404)
    ran = ctl("repo", "nobody.example")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == "error: No job has ever seen this account\n  fix: backfill it: …\n"
    assert ctl("repo", " ").code == 2
