"""The manual pages say what -h says, and are pages: man shows them, mandoc finds no fault."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from unit.cli.test_help import verbs

from backfilld.cli import man, roff, shipped
from backfilld.cli.ctl import cli
from backfilld.cli.daemon import main
from backfilld.config import Config, flat

SECTIONS = {"backfillctl": 1, "backfilld": 1, "backfilld.toml": 5}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_page_is_printed_for_man(name: str) -> None:
    ran = CliRunner().invoke(main, ["man", name])
    assert ran.exit_code == 0
    assert ran.output.startswith(f".TH {name.upper()} {SECTIONS[name]} ")
    assert ran.output.rstrip() == man.page(name).rstrip()


@pytest.mark.parametrize("name", SECTIONS)
def test_no_line_is_taken_for_a_request_by_accident(name: str) -> None:
    requests = {".TH", ".SH", ".SS", ".PP", ".TP"}
    for line in man.page(name).splitlines():
        assert line
        assert not line.startswith("'")
        assert not line.startswith(".") or line.split()[0] in requests
        assert line.isascii()


@pytest.mark.parametrize("name", SECTIONS)
def test_mandoc_finds_no_fault_in_it(name: str, tmp_path: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not on this machine")
    path = tmp_path / name
    path.write_text(man.page(name))
    ran = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True, check=False
    )
    faults = [line for line in ran.stdout.splitlines() if "missing date" not in line]
    assert faults == []


def shown(name: str, folder: Path) -> str:
    path = folder / name
    path.write_text(man.page(name))
    ran = subprocess.run(
        ["man", "-l", path],
        env={"MANWIDTH": "1000", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return re.sub(r"\s+", " ", ran.stdout.replace("‐\n", ""))


def test_man_shows_every_verb_with_its_help_options_and_examples(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not on this machine")
    page = shown("backfillctl", tmp_path)
    for path, command in verbs(cli):
        assert " ".join(path) in page
        for line, _ in getattr(command, "examples", ()):
            assert re.sub(r"\s+", " ", line) in page
        for param in command.params:
            if isinstance(param, click.Option):
                assert max(param.opts, key=len) in page
    for variable in ("BACKFILLD_URL", "BACKFILLD_SOCKET", "BACKFILLD_TOKEN_FILE"):
        assert variable in page
    assert "130 interrupted; the job goes on" in page


def test_the_page_of_the_configuration_has_every_key(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not on this machine")
    page = shown("backfilld.toml", tmp_path)
    for key in flat(Config()):
        assert f" {key.rpartition('.')[2]} " in page
    assert "Every key with its default." in page
    assert "a program, which gets the event as JSON" in page


def test_the_page_of_the_daemon_has_every_command() -> None:
    page = man.page("backfilld")
    context = click.Context(main)
    for name in main.list_commands(context):
        assert f'.SS "backfilld {roff.escaped(name)} ' in page


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1))
def test_any_text_stays_text(text: str) -> None:
    line = roff.escaped(text)
    assert line.isascii()
    assert line[0] not in ".'"


def test_what_did_not_come_with_an_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_SOURCES", Path("/nowhere"))
    monkeypatch.setattr(shipped, "files", lambda _: [])
    ran = CliRunner().invoke(main, ["man", "backfilld.toml"])
    assert ran.exit_code == 2
    assert "error: config.example.toml did not come with this installation" in ran.output
