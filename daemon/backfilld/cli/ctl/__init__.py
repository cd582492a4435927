"""backfillctl: talks to the running backfilld over its socket. One file per verb.

The one rule: a verb returns its exit code and lets errors rise; `run` alone turns them into words.
"""

import os
import signal
import sys
from typing import NoReturn

import click
from click.shell_completion import shell_complete

from .. import say
from . import completion, faults, job, jobs, lexicon, log, start, status, tap, version, watch
from .frame import Ctl, Verbs

EXIT_CODES = """\b
Exit codes:
  0 done                          5 no such job or lexicon
  1 unexpected                    6 refused: wrong state, conflict
  2 wrong usage                   7 the honest answer is no: failed, errors, not healthy
  3 daemon not reachable          9 --timeout or --wait ran out; the job goes on
  4 not permitted               130 interrupted; the job goes on"""


@click.group(
    cls=Verbs,
    epilog=EXIT_CODES,
    examples=[
        ("backfillctl status", "is anything wrong?"),
        ("backfillctl lexicon add score.json", "take in a lexicon, start its backfill"),
        ("backfillctl start net.example.score --wait synced", "run a backfill to its end"),
        ("backfillctl watch", "look at the job that is under way"),
    ],
)
def cli() -> None:
    """Talks to the running backfilld over its socket."""


for _verb in (
    status.status, start.start, jobs.jobs, job.job, watch.watch, lexicon.lexicon, tap.tap,
    log.log, version.version, completion.completion,
):  # fmt: skip
    cli.add_command(_verb)


def run(args: list[str]) -> int:
    """Runs one command line; the exit code."""
    if (instruction := os.environ.get(completion.VARIABLE)) is not None:
        return shell_complete(cli, {}, completion.PROGRAM, completion.VARIABLE, instruction)
    ctl = Ctl()
    try:
        with cli.make_context(completion.PROGRAM, list(args), obj=ctl) as context:
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
