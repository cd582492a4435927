"""backfillctl: talks to the running backfilld. One file per verb, imported when it is asked for.

The one rule: a verb returns its exit code and lets errors rise; `run` alone turns them into words.
"""

import os
import signal
import sys
from typing import NoReturn

import click

from .. import say
from . import exits, faults
from .frame import Ctl
from .names import PROGRAM, VARIABLE
from .verbs import Verbs


@click.group(
    cls=Verbs,
    epilog=exits.table(),
    examples=[
        ("backfillctl status", "is anything wrong?"),
        ("backfillctl why", "what is stuck, why, and what happens next"),
        ("backfillctl lexicon add score.json", "take in a lexicon, start its backfill"),
        ("backfillctl start net.example.score --wait synced", "run a backfill to its end"),
        ("backfillctl watch", "look at the job that is under way"),
    ],
    late={
        "status": "status",
        "why": "why",
        "doctor": "doctor",
        "start": "start",
        "jobs": "jobs",
        "job": "job",
        "watch": "watch",
        "pause": "steer",
        "resume": "steer",
        "cancel": "steer",
        "coverage": "coverage",
        "errors": "errors",
        "retry": "retry",
        "repo": "repo",
        "reconcile": "reconcile",
        "lexicon": "lexicon",
        "dead-letters": "dead_letters",
        "tap": "tap",
        "relay": "relay",
        "key": "key",
        "log": "log",
        "dashboard": "dashboard",
        "notify": "notify",
        "report": "report",
        "completion": "completion",
        "version": "version",
    },
)
def cli() -> None:
    """Talks to the running backfilld: over its socket, or with --url over TCP.

    Which one: --url or --socket, else BACKFILLD_URL, else BACKFILLD_SOCKET, else the socket of
    the service. JOB is a job's id, a beginning of it that fits no other, or `last`."""


def run(args: list[str]) -> int:
    """Runs one command line; the exit code."""
    if (instruction := os.environ.get(VARIABLE)) is not None:
        from click.shell_completion import shell_complete  # late: only a shell needs it

        return shell_complete(cli, {}, PROGRAM, VARIABLE, instruction)
    ctl = Ctl()
    try:
        with cli.make_context(PROGRAM, list(args), obj=ctl) as context:
            return int(cli.invoke(context))
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as bare:
        say.err(bare.format_message())
        return say.USAGE
    except BrokenPipeError:  # whoever read our answer has had enough, such as `head`
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - not a path
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort
        fault = faults.explain(error)
        # what was wrong may be the command line itself, so the options are looked for in it
        label = ctl.paint("error:", "red", sys.stderr)
        as_data = bool({"--json", "--jsonl"} & {*args})
        faults.tell(fault, label, as_data=as_data, verbose=ctl.verbose)
        return fault.exit_code


def main() -> NoReturn:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without ✓ is no error
    sys.exit(run(sys.argv[1:]))
