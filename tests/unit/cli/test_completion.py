"""Completion as the shells themselves do it, where they are on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from unit.cli.fake_daemon import ID, NSID, FakeDaemon, job, listed

BIN = Path(sys.executable).parent
BASH = """
eval "$(backfillctl completion bash)"
COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
[ "{last}" = "" ] && COMP_WORDS+=("") && COMP_CWORD=$((COMP_CWORD + 1))
_backfillctl_completion backfillctl "{last}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ : }}
_describe() {{ print -l -- ${{(P)3}} }}
compadd() {{ print -l -- ${{(P)argv[-1]}} }}
eval "$(backfillctl completion zsh)"
words=({line} {quoted}); CURRENT=${{#words}}
_backfillctl_completion
"""
FISH = """
backfillctl completion fish | source
complete -C "{line} {last}"
"""
SHELLS = {"bash": (["bash", "--norc", "-c"], BASH), "zsh": (["zsh", "-f", "-c"], ZSH),
          "fish": (["fish", "--no-config", "-c"], FISH)}  # fmt: skip


def completed(shell: str, daemon: FakeDaemon, line: str, last: str) -> list[str]:
    """The words that the shell offers for `line` and the beginning `last`."""
    command, script = SHELLS[shell]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{shell} is not on this machine")
    asked = f"{line} {last}".strip() if shell == "bash" else line
    text = script.format(line=asked, last=last, quoted=f'"{last}"')
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "BACKFILLD_SOCKET": str(daemon.path),
        "HOME": str(daemon.path.parent),
    }
    ran = subprocess.run(
        [*command, text], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    # zsh and fish tell what each word is for, after a colon or a tab
    words = [word.partition("\t")[0].partition(":")[0] for word in ran.stdout.splitlines()]
    return [word for word in words if word]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_verbs_their_verbs_and_their_words(
    daemon: FakeDaemon, shell: str
) -> None:
    assert completed(shell, daemon, "backfillctl", "lex") == ["lexicon"]
    words = completed(shell, daemon, "backfillctl lexicon", "")
    assert sorted(words) == ["add", "fetch", "ls", "rm", "show"]
    assert completed(shell, daemon, "backfillctl jobs --state", "sta") == ["stalled"]
    assert completed(shell, daemon, "backfillctl jobs", "--jsonl") == ["--jsonl"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_jobs_and_collections_of_the_daemon(
    daemon: FakeDaemon, shell: str
) -> None:
    daemon.answers("GET /admin/backfill/status", [listed(job())])
    daemon.answers("GET /admin/lexicons", [{"id": NSID}, {"id": "com.example.other"}])
    assert completed(shell, daemon, "backfillctl pause", ID[:2]) == [ID[:8]]
    assert completed(shell, daemon, "backfillctl watch last", "la") == ["last"]
    assert completed(shell, daemon, "backfillctl start", "net.") == [NSID]


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_daemon_there_is_nothing_to_complete_and_no_error(
    daemon: FakeDaemon, shell: str
) -> None:
    daemon.path = daemon.path.parent / "nowhere"
    assert completed(shell, daemon, "backfillctl start", "net.") == []
