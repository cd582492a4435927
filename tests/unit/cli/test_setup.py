"""Setting up: asks little, replaces nothing unasked, ends with what to do next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backfilld.cli import setup
from backfilld.cli.daemon import main
from backfilld.config import load

TAP = "http://127.0.0.1:9999"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's own machine: not root."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path


def config_of(home: Path) -> Path:
    return home / ".config" / "backfilld" / "config.toml"


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["setup", *args])


def test_for_oneself_it_writes_a_configuration_that_runs_as_it_is(home: Path) -> None:
    ran = run("--yes", "--tap", TAP)
    assert ran.exit_code == 0
    config = load(config_of(home), {})
    assert config.tap.url == TAP
    assert config.relay.urls == ("https://relay1.us-east.bsky.network",)
    assert config.data_dir == f"{home}/.local/share/backfilld"
    assert f"  backfilld run --config {config_of(home)}\n" in ran.stdout
    assert f"  export BACKFILLD_SOCKET={config.control.socket}\n" in ran.stdout
    assert "backfillctl doctor" in ran.stdout
    assert f"Wrote {config_of(home)}.\n" in ran.stderr
    assert config_of(home).stat().st_mode & 0o777 == 0o644


def test_what_is_there_is_kept_with_yes_and_left_alone_if_it_is_the_same(home: Path) -> None:
    assert run("--yes").exit_code == 0
    assert "is there, and as it should be" in run("--yes").stderr
    config_of(home).write_text("# mine\n")
    ran = run("--yes", "--tap", TAP)
    assert ran.exit_code == 0
    assert "is there, and kept" in ran.stderr
    assert config_of(home).read_text() == "# mine\n"
    assert "backfilld check-config" in ran.stdout


@pytest.mark.parametrize(("answer", "kept"), [("y\n", False), ("n\n", True), ("\n", True)])
def test_on_a_terminal_it_asks_for_addresses_and_before_it_replaces(
    home: Path, monkeypatch: pytest.MonkeyPatch, answer: str, kept: bool
) -> None:
    run("--yes")
    config_of(home).write_text("# mine\n")
    monkeypatch.setattr(setup, "_on_a_terminal", lambda: True)
    ran = CliRunner().invoke(main, ["setup"], input=f"\n{TAP}\n{answer}")
    assert ran.exit_code == 0
    assert "Relay that lists repositories [https://relay1.us-east.bsky.network]: " in ran.stderr
    assert "Replace it? [y/N]" in ran.stderr
    assert (config_of(home).read_text() == "# mine\n") is kept
    if not kept:
        assert load(config_of(home), {}).tap.url == TAP


def test_nobody_to_ask_is_told_of_yes(home: Path) -> None:
    ran = run()
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "fix: backfilld setup --yes" in ran.stderr
    assert not config_of(home).exists()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://"])
def test_an_address_that_cannot_be_is_refused_before_anything_is_written(
    home: Path, url: str
) -> None:
    ran = run("--yes", "--tap", url)
    assert ran.exit_code == 2
    assert "tap.url" in ran.stderr
    assert not config_of(home).exists()


def test_as_root_it_writes_unit_and_group_too_and_the_unit_runs_this_backfilld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(setup, "ETC", tmp_path)
    monkeypatch.setattr(sys, "argv", ["/opt/backfilld/bin/backfilld", "setup"])
    monkeypatch.setenv("SUDO_USER", "alice")
    ran = run("--yes")
    assert ran.exit_code == 0
    unit = (tmp_path / "systemd" / "system" / "backfilld.service").read_text()
    config = tmp_path / "backfilld" / "config.toml"
    assert f"ExecStart=/opt/backfilld/bin/backfilld run --config {config}\n" in unit
    assert (tmp_path / "sysusers.d" / "backfilld.conf").read_text().startswith("#")
    assert load(config, {}).data_dir == "/var/lib/backfilld"
    assert "sudo systemctl enable --now backfilld" in ran.stdout
    assert "usermod -aG backfilld alice" in ran.stdout
    monkeypatch.setattr(sys, "argv", ["/home/alice/.local/bin/backfilld"])
    assert "the unit shuts out home folders" in run("--yes").stderr


def test_where_we_may_not_write_the_fix_is_named(home: Path) -> None:
    (home / "file").write_text("")
    ran = run("--yes", "--config", str(home / "file" / "config.toml"))
    assert ran.exit_code == 2
    assert "fix: " in ran.stderr


def test_it_needs_none_of_what_the_service_needs() -> None:
    program = (
        "import sys; sys.argv = ['backfilld', 'setup', '-h']\n"
        "from backfilld.cli.daemon import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print('trio' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.endswith("False\n")
