"""The house rules, as tests: each message names what to do instead."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import backfilld

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for root in ("daemon", "events", "benchmarks") for path in (ROOT / root).rglob("*.py")
)
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60

# what is banned: where it is allowed, and what to use instead
BANNED = {
    r"\bprint\(": (
        {"cli/say.py", "benchmarks/"},
        "cli.say.out and cli.say.err",
    ),
    r"\btime\.time\b": (
        {"clock.py", "cli/ctl/", "benchmarks/"},
        "a Clock, so that virtual time reaches stored times too",
    ),
    r"\bdatetime\.now\b|\butcnow\b": (
        {"cli/ctl/", "backfilld_events/cli/"},
        "a Clock and row.utc_text",
    ),
    r"\btime\.sleep\b": (
        {"cli/ctl/", "audit/pace.py", "benchmarks/"},
        "trio.sleep, or clock.sleep_until",
    ),
    r"\bimport asyncio\b": (set(), "trio"),
    r"\bjson\.loads\b": (
        {"control/caller/client.py", "cli/ctl/", "sandbox/", "lexicons/", "benchmarks/"},
        "msgspec with a type: what came from outside is validated",
    ),
    r"abandon_on_cancel=True": (set(), "worker.ThreadWorker: work begun runs to its end"),
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_and_functions_are_small_rooms(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES_MAX, f"{name(path)}: make two modules of it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{name(path)}: {node.name} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_banned_words_have_their_replacement(path: Path) -> None:
    for pattern, (allowed, instead) in BANNED.items():
        if not any(place in name(path) for place in allowed):
            assert not re.search(pattern, path.read_text()), f"{name(path)}: use {instead}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_module_and_public_name_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if not tree.body:
        return
    assert ast.get_docstring(tree), f"{name(path)}: no module docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            public = not node.name.startswith("_")
            assert not public or ast.get_docstring(node), f"{name(path)}: {node.name}: no docstring"


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == backfilld.__version__
    assert f"## [{backfilld.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_names_no_registry() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text(), f"{name(lock)}: run ./dev lock"


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "./dev demo" in readme
    assert "./dev test" in readme


def test_the_unit_is_right_and_tight(tmp_path: Path) -> None:
    """systemd's own checks; both work without a running systemd."""
    text = (ROOT / "systemd" / "backfilld.service").read_text()
    unit = tmp_path / "backfilld.service"
    unit.write_text(text.replace("/usr/bin/backfilld", "/bin/true"))
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        done = None  # no systemd on this machine: the directives below are checked all the same
    if done is not None:
        assert (done.returncode, done.stderr) == (0, "")
        secure = ["systemd-analyze", "security", "--offline=yes", "--threshold=15", unit]
        assert subprocess.run(secure, capture_output=True, check=False).returncode == 0
    for line in ("Type=notify", "WatchdogSec=", "Restart=on-failure", "NoNewPrivileges=yes"):
        assert line in text
    assert "\nPrivateUsers=yes" not in text, "it would hide who is at the other end of the socket"
