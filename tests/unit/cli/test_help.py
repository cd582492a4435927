"""Help begins with examples, a typo gets one suggestion, and nothing heavy is imported."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from unit.cli.fake_daemon import FakeDaemon, health
from unit.cli.ran import Ctl

from backfilld import __version__
from backfilld.cli.ctl import cli
from backfilld.cli.ctl.verbs import Verb, Verbs

HEAVY = {
    "rich",
    "httpx",
    "trio",
    "litestar",
    "hypercorn",
    "backfilld_events",
    "structlog",
    "msgspec",
}


def verbs(group: Verbs, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, Verbs):
            yield from verbs(command, *path, name)
        else:
            yield (*path, name), command


ALL = [pytest.param(path, id=" ".join(path) or "backfillctl") for path, _ in verbs(cli)]


@pytest.mark.parametrize("path", ALL)
def test_every_verb_has_help_that_begins_with_an_example_of_it(
    ctl: Ctl, path: tuple[str, ...]
) -> None:
    ran = ctl(*path, "-h")
    assert (ran.code, ran.err) == (0, "")
    first, example, *_ = ran.out.splitlines()
    assert first == "Examples:"
    assert "backfillctl " + " ".join(path) in example
    assert ran.out == ctl(*path, "--help").out
    assert max(map(len, ran.out.splitlines())) <= 100


@pytest.mark.parametrize("path", ALL)
def test_every_example_is_a_command_line_that_is_understood(path: tuple[str, ...]) -> None:
    command = dict(verbs(cli))[path]
    assert isinstance(command, Verb | Verbs)
    assert command.examples
    for line, what in command.examples:
        named = re.search(r'backfillctl ([^|<>)"]*)', line)
        assert named is not None
        words = shlex.split(named[1])
        found: click.Command = cli
        while isinstance(found, Verbs) and words and not words[0].startswith("-"):
            inner = found.get_command(click.Context(found), words.pop(0))
            assert inner is not None
            found = inner
        arguments = [os.devnull if word.endswith((".json", ".txt")) else word for word in words]
        with found.make_context("x", arguments, obj=None):
            assert what


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["stauts"], "status"), (["lexicon", "ad"], "add"), (["jobss"], "jobs"), (["xyzzy"], None)],
)
def test_a_typo_gets_one_suggestion(ctl: Ctl, typed: list[str], meant: str | None) -> None:
    ran = ctl(*typed)
    assert ran.code == 2
    tail = "" if meant is None else f"; did you mean {meant}?"
    assert ran.err.startswith(f"error: no such command: {typed[-1]}{tail}\n")


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from backfilld.cli.ctl import run

    assert run([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Examples:\n")


@pytest.mark.parametrize("given", ["3", "0s", "-1s", "3 weeks", "9" * 20 + "d"])
def test_a_duration_needs_a_unit(ctl: Ctl, given: str) -> None:
    ran = ctl("jobs", f"--timeout={given}")
    assert ran.code == 2
    assert "90s, 15m, 2h or 3d" in ran.err


def test_version_asks_nobody(daemon: FakeDaemon, ctl: Ctl) -> None:
    assert ctl("version").out == f"backfillctl {__version__}\n"
    assert ctl("version", "--json").data == {"version": __version__}
    assert daemon.asked == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(ctl: Ctl, shell: str) -> None:
    ran = ctl("completion", shell)
    assert ran.code == 0
    assert f"_BACKFILLCTL_COMPLETE={shell}_complete" in ran.out


def test_a_shell_that_asks_is_told_our_words(
    ctl: Ctl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_BACKFILLCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "backfillctl lexicon ")
    monkeypatch.setenv("COMP_CWORD", "2")
    words = ["add", "fetch", "ls", "show", "rm"]
    assert ctl().out.split() == [f"plain,{word}" for word in words]


@pytest.mark.parametrize("args", [["version"], ["status", "--json"]])
def test_nothing_heavy_is_imported(daemon: FakeDaemon, args: list[str]) -> None:
    """That is what keeps a command under 120 ms: msgspec alone costs 10, rich 75."""
    daemon.answers("GET /admin/health", health())
    program = "from backfilld.cli.ctl import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", program, "--socket", str(daemon.path)]
    ran = subprocess.run([*command, *args], capture_output=True, text=True, check=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    seen = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}
    assert "click" in seen
    assert not seen & HEAVY
