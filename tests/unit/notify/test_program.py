"""A program is told on its standard input, and what it does is bounded in every way."""

import json
import os
import signal
from pathlib import Path

import pytest
import trio
import trio.testing

from backfilld.notify import program
from backfilld.notify.letter import Letter, NotTaken

BODY = json.dumps({"id": 7, "kind": "job.stalled"}).encode()
LETTER = Letter(7, "job.stalled", "3b0d4f7e", "stalled", 1.8e9, BODY)


def sh(script: str, *arguments: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script, "sh", *arguments)


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def test_it_gets_the_event_on_its_input_and_the_words_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKFILLD_TAP__URL", "http://u:pw@tap")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    await program.run(sh('cat > "$1/in"; env > "$1/env"', str(tmp_path)), LETTER)
    assert (tmp_path / "in").read_bytes() == BODY + b"\n", "one line"
    environment = dict(
        line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines()
    )
    ours = {name: value for name, value in environment.items() if "BACKFILLD" in name}
    assert ours == {
        "BACKFILLD_EVENT": "job.stalled",
        "BACKFILLD_JOB": "3b0d4f7e",
        "BACKFILLD_STATE": "stalled",
    }
    assert "NOTIFY_SOCKET" not in environment, "what systemd told us is not for others"
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first; echo the pager is down >&2; exit 3", "^exit 3: the pager is down$"),
        ("exit 1", "^exit 1$"),
        ("printf 'a\\033[31mb'; exit 2", r"^exit 2: a \[31mb$"),
        ("kill -TERM $$", "^ended by signal 15$"),
    ],
)
async def test_any_end_but_a_good_one_is_a_refusal_with_its_last_words(
    script: str, why: str
) -> None:
    with pytest.raises(NotTaken, match=why):
        await program.run(sh(script), LETTER)


@pytest.mark.parametrize("path", ["/nonexistent/page", "/etc/passwd", "/tmp"])
async def test_a_program_that_cannot_be_run_says_so(path: str) -> None:
    with pytest.raises(NotTaken, match="^cannot be run: (no such file|permission denied)"):
        await program.run((path,), LETTER)


async def test_a_program_that_reads_nothing_is_fine() -> None:
    huge = Letter(7, "x", "", "", 0.0, b"x" * 2**20)
    await program.run(sh("exit 0"), huge)


async def test_endless_output_is_read_and_only_its_end_is_kept() -> None:
    with pytest.raises(NotTaken, match="^exit 4: the end$"):
        await program.run(sh("yes | head -c 3000000; echo; echo the end; exit 4"), LETTER)


async def test_a_program_that_takes_too_long_is_killed_with_all_its_children(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    script = 'sleep 600 & echo $! $$ > "$1.new"; mv "$1.new" "$1"; wait'
    pids = tmp_path / "pids"

    async def run() -> None:
        with pytest.raises(NotTaken, match=r"^did not end within 30 s, and was killed$"):
            await program.run(sh(script, str(pids)), LETTER)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        while not pids.exists():
            await trio.lowlevel.checkpoint()
        mock_clock.jump(29)
        assert all(map(is_there, map(int, pids.read_text().split())))
        while nursery.child_tasks:  # it may have begun to count a moment after the program ran
            mock_clock.jump(31)
            await trio.lowlevel.checkpoint()
    while any(map(is_there, map(int, pids.read_text().split()))):
        await trio.lowlevel.checkpoint()


async def test_a_program_that_somebody_else_kills_did_not_take_too_long() -> None:
    with pytest.raises(NotTaken, match=r"^ended by signal 9$"):
        await program.run(sh("kill -KILL $$"), LETTER)


async def test_a_daemon_that_ends_kills_what_it_has_running(tmp_path: Path) -> None:
    started = tmp_path / "self"
    async with trio.open_nursery() as nursery:
        script = 'echo $$ > "$1.new"; mv "$1.new" "$1"; exec sleep 600'
        nursery.start_soon(program.run, sh(script, str(started)), LETTER)
        with trio.fail_after(10):
            while not started.exists():
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert not is_there(int(started.read_text()))


async def test_a_child_that_holds_the_pipes_open_holds_nobody_up(tmp_path: Path) -> None:
    pid = tmp_path / "child"
    with trio.fail_after(20):
        await program.run(sh('sleep 600 & echo $! > "$1"; exit 0', str(pid)), LETTER)
    child = int(pid.read_text())
    assert is_there(child), "it ended in time: what it left behind is its own business"
    os.kill(child, signal.SIGKILL)
