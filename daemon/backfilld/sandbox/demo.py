"""The whole job on one machine: a sandbox relay and Tap, the daemon, a lexicon, a verified log.

Nothing leaves loopback. It drives the real commands, as a person would, and shows them.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..cli import say

REPOS = 1500
# of each kind of trouble one, but no server that rate-limits: Tap would wait a minute for it
SEED, ODD_SHARE = 3, 0.006
COLLECTION = "xyz.statusphere.status"
LEXICON = {
    "lexicon": 1,
    "id": COLLECTION,
    "defs": {
        "main": {
            "type": "record",
            "key": "tid",
            "record": {
                "type": "object",
                "required": ["status", "createdAt"],
                "properties": {
                    "status": {"type": "string", "maxGraphemes": 1},
                    "createdAt": {"type": "string", "format": "datetime"},
                },
            },
        }
    },
}
CONFIG = """\
data_dir = "{folder}/data"
[relay]
urls = ["{relay}"]
[tap]
url = "{tap}"
info_rate = 1000
[control]
socket = "{folder}/control.sock"
[logging]
level = "warning"
"""
READY_S_MAX = 30.0


def main() -> None:
    """Runs the demonstration; exits with 0 when every record came and the log verified."""
    parser = argparse.ArgumentParser(prog="dev demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep it running until ctrl-c")
    parser.add_argument("--repos", type=int, default=REPOS, help="how many repositories")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the children end with us
    with tempfile.TemporaryDirectory(prefix="backfilld-") as folder:
        sys.exit(_demo(Path(folder), options.repos, options.stay))


def _demo(folder: Path, repos: int, stay: bool) -> int:
    say.out(f"A sandbox network of {repos:,} repositories, a few with trouble, on loopback:")
    with _sandbox(repos) as addresses, _daemon(folder, addresses) as socket:
        say.out(f"  relay {addresses['relay']}   Tap {addresses['tap']}   backfilld {socket}\n")
        lexicon = folder / "status.json"
        lexicon.write_text(json.dumps(LEXICON))
        if _shown("backfillctl", "--socket", socket, "lexicon", "add", str(lexicon)):
            return say.UNEXPECTED
        _shown("backfillctl", "--socket", socket, "watch", "last")
        _shown("backfillctl", "--socket", socket, "job", "last")
        broken = _shown("backfill-audit", "verify", str(folder / "data" / "events.db"))
        say.out("\nTry next:  ./dev demo --stay   keeps it running, for you to look around")
        say.out("           README.md           how to run it on a real relay and Tap")
        if stay:
            _stay(folder, socket)
    return broken


def _stay(folder: Path, socket: str) -> None:
    say.out(f"""
It goes on until ctrl-c. In another terminal:
  export BACKFILLD_SOCKET={socket}
  ./dev run backfillctl status
  ./dev run backfillctl log -n 20
  ./dev run backfillctl start {COLLECTION} --wait synced
  curl --unix-socket {socket} 'http://d/admin/records?collection={COLLECTION}&limit=2'
  ./dev run backfill-audit show {folder}/data/events.db --limit 5""")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def _shown(*command: str) -> int:
    """Runs one of our commands as a person would, and shows what was typed."""
    typed = [part for part in command if not part.startswith("--socket")]
    say.out("$ " + " ".join(part for part in typed if not part.endswith("control.sock")))
    program = str(Path(sys.executable).with_name(command[0]))
    done = subprocess.run([program, *command[1:]], check=False)  # noqa: S603 - ours
    say.out("")
    return done.returncode


@contextlib.contextmanager
def _sandbox(repos: int) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "backfilld.sandbox.command", "--repos", str(repos)]
    command += ["--records", "1-12", "--odd-share", str(ODD_SHARE), "--seed", str(SEED)]
    with _child(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        yield json.loads(child.stdout.readline())


@contextlib.contextmanager
def _daemon(folder: Path, addresses: dict[str, str]) -> Iterator[str]:
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=folder, **addresses))
    socket = folder / "control.sock"
    daemon = Path(sys.executable).with_name("backfilld")
    with _child([str(daemon), "run", "--config", str(config)]) as child:
        end = time.monotonic() + READY_S_MAX
        while not socket.exists() and child.poll() is None and time.monotonic() < end:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.05)
        yield str(socket)


@contextlib.contextmanager
def _child(command: list[str], stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdout=stdout) as child:  # noqa: S603 - ours
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()


if __name__ == "__main__":
    main()
