"""How a peer fails us, in words of ours.

A `Failure` says what was so (`kind`, `message`) and when to ask again at the earliest; what
follows from it is the caller's business. A stranger's text is shortened and made printable before
it goes anywhere. Foreign errors become failures at the edges: `asking` for HTTP, the channel.
"""

from typing import Literal

MESSAGE_CHARS_MAX = 300

Kind = Literal[
    "unreachable",  # no connection: refused, no route, no such name
    "timeout",
    "cut",  # the connection ended before the answer did
    "rate_limited",
    "server_error",
    "refused",  # a 4xx that no other word fits
    "unauthorized",
    "not_found",  # who should know says that there is no such thing
    "not_allowed",  # we do not go there: no public address, no https, another port
    "not_offered",  # this relay has no listing by collection
    "bad_answer",  # not what the protocol says
    "too_large",
    "cursor_repeated",
    "empty_pages",
]


class Failure(Exception):
    """A peer did not do what it was asked. `retry_after` is seconds, None: it did not say."""

    def __init__(self, kind: Kind, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = clean(message)
        self.retry_after = retry_after


class Busy(Exception):
    """Too many are being asked already, so nobody was: the fault is not theirs. Ask again later."""


def clean(text: str, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """A stranger's text for people: one printable line, shortened."""
    line = "".join(c if c.isprintable() else " " for c in text[: chars_max + 1]).strip()
    return line[:chars_max] + "…" if len(line) > chars_max else line
