"""Tap's numbers say of when they are; Tap down is an honest no."""

from unit.cli.fake_daemon import FakeDaemon, problem, tap, tap_child, tap_filters, tap_stats
from unit.cli.ran import Ctl


def test_every_count_says_of_when_it_is(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/tap/stats", tap_stats())
    daemon.answers("GET /admin/tap", tap())
    ran = ctl("tap")
    assert ran.code == 0
    assert ran.out.startswith(
        "Tap at http://127.0.0.1:2480 answers. The channel is up since 2026-03-10 08:28:10+05:30 ("
    )
    assert "  repositories  52,346  as of 2026-03-10 08:28:10+05:30 (" in ran.out
    assert "  outbox        5,120 messages wait for us, shrinking by 12/s, as of 2026-" in ran.out
    assert ctl("tap", "--json").data == tap_stats()


def test_tap_down_exits_7_and_says_since_when(daemon: FakeDaemon, ctl: Ctl) -> None:
    down = problem("tap HTTP request failed: refused", "tap-unreachable", "is Tap running?")
    daemon.answers("GET /admin/tap/stats", down, status=502)
    daemon.answers("GET /admin/tap", tap("down", connected=False))
    ran = ctl("tap")
    assert (ran.code, ran.out) == (7, "")
    assert ran.err.startswith(
        "error: Tap is down: tap HTTP request failed: refused. The channel is down since 2026-03-10"
    )
    assert ran.err.endswith("  fix: is Tap running?\n")
    assert ctl("tap", "--json").fault["code"] == "tap-unreachable"


def test_tap_down_tells_what_it_told_last(daemon: FakeDaemon, ctl: Ctl) -> None:
    down = {**problem("refused", "tap-unreachable", "is Tap running?"), "last": tap_stats()}
    daemon.answers("GET /admin/tap/stats", down, status=502)
    daemon.answers("GET /admin/tap", tap("down", connected=False))
    ran = ctl("tap")
    assert ran.code == 7
    assert ran.out.startswith("Tap is down. What it told last:\n  repositories  52,346  as of 2026")
    assert ctl("tap", "--json").out == ""


def test_the_collections_that_tap_must_let_through_are_ready_to_copy(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    daemon.answers("GET /admin/tap", tap())
    ran = ctl("tap", "filters")
    assert ran.code == 0
    assert ran.out == (
        "Tap does not tell.\n"
        "COLLECTION         TAP                   CAME  IGNORED\n"
        "net.example.b      - nothing came yet    0     0\n"
        "net.example.score  ✓ comes               42    0\n"
        "a.b.c              ! nobody asks for it  0     7\n"
        "Tap's environment should have, without spaces:\n"
        "TAP_COLLECTION_FILTERS=net.example.b,net.example.score\n"
    )
    assert ctl("tap", "filters", "--json").data["wanted"] == ["net.example.b", "net.example.score"]
    assert ctl("tap", "filter").err.splitlines()[0].endswith("; did you mean filters?")


def test_a_collection_that_tap_leaves_out_makes_it_exit_7(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/tap", tap(filters=tap_filters(("a.b.c", "dropped"))))
    ran = ctl("tap", "filters")
    assert (ran.code, "a.b.c       ✗ Tap drops it" in ran.out) == (7, True)
    assert ctl("tap", "filters", "--json").code == 7


def test_the_filter_of_a_tap_that_we_run_is_for_nobody_to_set(daemon: FakeDaemon, ctl: Ctl) -> None:
    ours = tap_filters(("a.b.c", "sent"), ("a.b.d", "coming"), actual=["a.b.c"])
    daemon.answers("GET /admin/tap", tap(filters=ours))
    ran = ctl("tap", "filters")
    assert (ran.code, "TAP_COLLECTION_FILTERS" in ran.out) == (0, False)
    assert "a.b.d       - with Tap's next start" in ran.out


def test_a_tap_that_we_run_tells_of_its_process(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers("GET /admin/tap/stats", tap_stats())
    daemon.answers("GET /admin/tap", tap(child=tap_child("running")))
    assert ctl("tap").out.endswith("  process       We run Tap: process 77.\n")


def test_a_tap_that_we_run_and_that_is_down_says_when_it_is_started_again(
    daemon: FakeDaemon, ctl: Ctl
) -> None:
    down = problem("tap HTTP request failed: refused", "tap-unreachable", "is Tap running?")
    daemon.answers("GET /admin/tap/stats", down, status=502)
    daemon.answers("GET /admin/tap", tap("down", connected=False, child=tap_child("waiting")))
    ran = ctl("tap")
    assert ran.code == 7
    assert "Tap ended by itself. Next try soon." in ran.err
    assert "fix:" not in ran.err, "it is ours to start"
