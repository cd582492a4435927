"""What an exit code means, in the words of every help and page."""

from itertools import zip_longest

from .. import say

EXITS = {
    say.OK: "done; with --wait, reached without errors",
    say.UNEXPECTED: "unexpected",
    say.USAGE: "wrong usage or configuration",
    say.UNREACHABLE: "daemon not reachable",
    say.NOT_PERMITTED: "not permitted",
    say.NOT_FOUND: "no such job, DID, lexicon",
    say.REFUSED: "refused: wrong state, conflict",
    say.HONEST_NO: "no: with errors, failed, open, not healthy",
    say.BROKEN_LOG: "the log does not verify",
    say.TIMED_OUT: "--timeout or --wait ran out; the job goes on",
    say.INTERRUPTED: "interrupted; the job goes on",
}


def table() -> str:
    """All of them in two columns, for a help text that click must not wrap."""
    cells = [f"{code:>4} {what}" for code, what in EXITS.items()]
    half = (len(cells) + 1) // 2
    wide = max(map(len, cells[:half])) + 2
    lines = [
        f"{one:<{wide}}{other}".rstrip()
        for one, other in zip_longest(cells[:half], cells[half:], fillvalue="")
    ]
    return "\n".join(["\b", "Exit codes:", *lines])
