"""The Tap that we run: a real process, real signals, a real port."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from structlog.testing import capture_logs
from support import tap_host
from support.tap_host import QUICK, config, delete, host, upload

from backfilld.journal import Journal
from backfilld.tapchild import leftover, proc
from backfilld_events.catalog.child import ChildEnded, ChildNotStarted, ChildStarted
from backfilld_events.ids import Nsid
from backfilld_events.log import read
from backfilld_events.log.file import open_reader

LIKES, POSTS, SCORES = Nsid("a.b.likes"), Nsid("a.b.posts"), Nsid("a.b.scores")


def environment(pid: int | None) -> dict[str, str]:
    """The environment of a process, as it was begun."""
    parts = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(part.partition("=")[::2] for part in parts if part)


async def until(journal: Journal, done: Callable[[], object]) -> None:
    """Looks again at each event."""
    with trio.fail_after(20):
        while True:
            news = journal.watch()
            if done():
                return
            await news.wait()


def said(folder: Path) -> list[ChildStarted | ChildNotStarted | ChildEnded]:
    """What the log has of it."""
    with closing(open_reader(folder / "events.db")) as db:
        rows = [row for row in read.rows(db) if row.stream == "tap-child"]
    return [row.event for row in rows]  # type: ignore[misc]


def ends(folder: Path) -> list[str]:
    return [one.why for one in said(folder) if isinstance(one, ChildEnded)]


@contextmanager
def begun(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody else listens there."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


async def test_tap_runs_with_the_filter_of_the_lexicons_and_answers_when_the_start_is_over(
    tmp_path: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_DISABLE_ACKS", "true")
    monkeypatch.setenv("BACKFILLD_TAP__URL", "x")
    settings = config(tmp_path, unused_port, env={"TAP_RESYNC_PARALLELISM": "10"})
    async with host(settings, POSTS, LIKES) as (child, journal, _):
        now = child.now()
        async with await trio.open_tcp_stream("127.0.0.1", unused_port):
            pass
        assert journal.state.child.running
        assert journal.state.child.filters == (LIKES, POSTS)
        told = environment(now.pid)
        assert told["TAP_COLLECTION_FILTERS"] == "a.b.likes,a.b.posts"
        assert told["TAP_ADMIN_PASSWORD"] == "s3cret"
        assert told["TAP_RESYNC_PARALLELISM"] == "10"
        others = {name for name in told if not name.startswith(("TAP_", "SSL_"))}
        assert others <= {"PATH", "HOME", "TZ"}, "nothing else of ours"
        assert "TAP_DISABLE_ACKS" not in told
        assert os.getsid(now.pid or 0) == now.pid
        assert (now.memory_bytes or 0) > 2**20
        assert now.cpu_s is not None
    assert proc.look(now.pid or 0) is None
    assert ends(tmp_path) == ["backfilld stops"]
    assert not (tmp_path / leftover.NAME).exists()


async def test_without_a_lexicon_it_is_not_started_for_it_would_deliver_everything(
    tmp_path: Path, unused_port: int
) -> None:
    async with host(config(tmp_path, unused_port)) as (child, journal, _):
        assert child.now().pid is None
        assert not child.now().wanted
        await upload(journal, POSTS)
        await upload(journal, LIKES)
        await until(journal, lambda: journal.state.child.running)
        assert journal.state.child.filters == (LIKES, POSTS), "both, which came together"
    assert len(said(tmp_path)) == 2


async def test_new_lexicons_restart_it_once_and_say_why(tmp_path: Path, unused_port: int) -> None:
    async with host(config(tmp_path, unused_port), POSTS) as (child, journal, _):
        before = child.now().pid
        since = journal.state.child.filtered[POSTS]
        await upload(journal, LIKES)
        await upload(journal, SCORES)
        await until(journal, lambda: len(journal.state.child.filters) == 3)
        assert child.now().pid != before
        fold = journal.state.child
        assert fold.filtered[POSTS] == since, "in force without a break"
        assert fold.filtered[LIKES] == fold.filtered[SCORES] > since
    assert ends(tmp_path) == ["its filter lacks a.b.likes, a.b.scores", "backfilld stops"]


async def test_a_lexicon_that_goes_narrows_the_filter_at_the_next_start_and_not_before(
    tmp_path: Path, unused_port: int
) -> None:
    async with host(config(tmp_path, unused_port), POSTS, LIKES) as (child, journal, _):
        await delete(journal, POSTS)
        before, position = child.now().pid, journal.state.position
        await child.restart("somebody asked")
        await until(journal, lambda: journal.state.child.running)
        assert journal.state.child.filters == (LIKES,)
        assert child.now().pid != before
        await upload(journal, POSTS)
        await until(journal, lambda: POSTS in journal.state.child.filters)
        assert journal.state.child.filtered[POSTS] > position, "there was a break"
    assert ends(tmp_path)[0] == "somebody asked"


async def test_all_lexicons_gone_it_runs_on(tmp_path: Path, unused_port: int) -> None:
    async with host(config(tmp_path, unused_port), POSTS) as (child, journal, _):
        before = child.now().pid
        await delete(journal, POSTS)
        await upload(journal, POSTS)
        assert child.now().pid == before
    assert ends(tmp_path) == ["backfilld stops"]


async def test_what_must_be_done_first_is_done_while_it_runs(
    tmp_path: Path, unused_port: int
) -> None:
    async with host(config(tmp_path, unused_port), POSTS) as (child, journal, _):
        ran: list[bool] = []

        async def remove() -> None:
            ran.append(proc.look(child.now().pid or 0) is not None)

        await child.restart("its workers are stuck", first=remove)
        assert ran == [True]
        await until(journal, lambda: journal.state.child.running)
    assert ends(tmp_path)[0] == "its workers are stuck"


async def test_killed_it_is_started_again(tmp_path: Path, unused_port: int) -> None:
    async with host(config(tmp_path, unused_port), POSTS) as (child, journal, _):
        os.kill(child.now().pid or 0, signal.SIGKILL)
        await until(journal, lambda: not journal.state.child.running)
        assert journal.state.child.failures == 1
        await until(journal, lambda: journal.state.child.running)
    first = next(one for one in said(tmp_path) if isinstance(one, ChildEnded))
    assert (first.code, first.why) == (-signal.SIGKILL, "")


@pytest.mark.parametrize(
    ("behaviour", "code", "tail"),
    [
        ("fails", 0, "service error: disk I/O error"),
        ("panics", 2, "panic: non-positive interval for NewTicker"),
    ],
)
async def test_an_end_with_exit_code_0_is_a_failure_too_and_its_last_words_say_why(
    tmp_path: Path, unused_port: int, behaviour: str, code: int, tail: str
) -> None:
    async with host(config(tmp_path, unused_port, behaviour), POSTS) as (_, journal, _):
        await until(journal, lambda: journal.state.child.failures >= 3)
        assert (journal.state.child.code, journal.state.child.tail) == (code, tail)


async def test_a_port_that_is_taken_is_told_in_words_once_and_waited_for(
    tmp_path: Path, unused_port: int
) -> None:
    with taken(unused_port):
        async with host(config(tmp_path, unused_port), POSTS) as (child, journal, _):
            await until(journal, lambda: journal.state.child.obstacle)
            why = journal.state.child.obstacle
            assert why.startswith(f"127.0.0.1 port {unused_port} (tap.url) cannot be listened on")
            assert "set another port in tap.url" in why
            assert child.now().pid is None
    async with host(config(tmp_path, unused_port), POSTS) as (_, journal, _):
        await until(journal, lambda: journal.state.child.running)
        assert not journal.state.child.obstacle
    kinds = [type(one) for one in said(tmp_path)]
    assert kinds == [ChildNotStarted, ChildStarted, ChildEnded]


async def test_a_tap_that_does_not_hear_is_killed(tmp_path: Path, unused_port: int) -> None:
    async with host(config(tmp_path, unused_port, "deaf"), POSTS) as (child, _, _):
        pid = child.now().pid or 0
    assert proc.look(pid) is None
    (ended,) = [one for one in said(tmp_path) if isinstance(one, ChildEnded)]
    assert ended.code == -signal.SIGKILL


async def test_what_it_says_is_told_at_its_level_and_requests_are_left_out(
    tmp_path: Path, unused_port: int
) -> None:
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with host(config(tmp_path, unused_port), POSTS):
            pass
    told = [(one["log_level"], one["event"]) for one in logs if one.get("by") == "tap"]
    assert told == [
        ("info", "creating tap service"),
        ("info", "starting HTTP server"),
        ("info", "shutting down"),
    ]


@pytest.mark.parametrize("behaviour", ["runs", "deaf"])
async def test_a_daemon_killed_leaves_no_tap_that_holds_the_port(
    tmp_path: Path, unused_port: int, behaviour: str
) -> None:
    script = [sys.executable, tap_host.__file__, str(tmp_path), str(unused_port), behaviour, POSTS]
    with begun(script, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        pid = int(daemon.stdout.readline())
        pidfd = os.pidfd_open(pid)
        daemon.kill()
    if behaviour == "runs":
        with trio.fail_after(20):
            await trio.lowlevel.wait_readable(pidfd)
    else:
        assert proc.look(pid) is not None, "the test shows nothing otherwise"
    os.close(pidfd)
    async with host(config(tmp_path, unused_port)) as (child, journal, _):
        await until(journal, lambda: journal.state.child.running)
        assert child.now().pid not in (None, pid)
        assert proc.look(pid) is None
    left = behaviour == "deaf"
    why = "a backfilld that was killed had left it behind" if left else "backfilld was not there"
    first = next(one for one in said(tmp_path) if isinstance(one, ChildEnded))
    assert (first.code, first.why.startswith(why)) == (None, True)


async def test_a_number_that_another_process_has_got_meanwhile_is_left_alone(
    tmp_path: Path,
) -> None:
    with begun(["sleep", "60"]) as stranger:
        (tmp_path / leftover.NAME).write_text(f"{stranger.pid} 12345\n")
        assert await leftover.end(tmp_path, QUICK.term) is None
        assert stranger.poll() is None
        leftover.note(tmp_path, stranger.pid)
        assert await leftover.end(tmp_path, QUICK.term) == stranger.pid
        assert stranger.wait() == -signal.SIGTERM
