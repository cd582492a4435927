"""What Tap says on its standard output, as lines for our log and as its last words. Pure.

Facts (tap, 1; seen in runs): JSON lines with `time`, `level`, `msg` and fields; a line for every
HTTP request, with `method` and `uri` and without `msg`, at every level; plain text from a panic.
"""

from collections import deque
from typing import NamedTuple

import msgspec

from ..failures import clean

LINE_BYTES_MAX = 8192  # the rest of a longer line is passed over
FIELDS_MAX = 12
BURST, PER_S = 100.0, 20.0  # lines that are taken over at once, and a second
TAIL_LINES, TAIL_CHARS = 5, 1000

_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARN": "warning", "ERROR": "error"}
_PANICS = ("panic: ", "fatal error: ")
_NOT_TOLD = frozenset({"time", "level", "msg", "system"})


class Line(NamedTuple):
    """A line of Tap: `level` is a method of structlog, `about` its fields. `plain`: it was text."""

    level: str
    text: str
    about: dict[str, str]
    plain: bool = False


def parse(raw: bytes) -> Line | None:
    """A line; None for what is left out: empty ones, and one for each request that we made."""
    if not raw or raw.isspace():
        return None
    if raw.startswith(b"{"):  # text is plain more quickly so
        try:
            return _fields(raw, msgspec.json.decode(raw, type=dict[str, object]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    text = clean(raw.decode(errors="replace"))
    return Line("warning", text, {}, plain=True) if text else None


def _fields(raw: bytes, found: dict[str, object]) -> Line | None:
    """Raises RecursionError: what can just be read may be too deep to be written."""
    if "msg" not in found:
        if "method" in found and "uri" in found:
            return None
        return Line("info", clean(raw.decode(errors="replace")), {})
    about = {clean(key, 40): clean(str(found[key])) for key in found if key not in _NOT_TOLD}
    kept = dict(list(about.items())[:FIELDS_MAX])
    return Line(_LEVELS.get(str(found.get("level")), "info"), clean(str(found["msg"])), kept)


class Cutter:
    """Cuts what is read into lines; holds at most one, and no more of it than LINE_BYTES_MAX."""

    def __init__(self) -> None:
        self._part = b""

    def lines(self, chunk: bytes) -> list[bytes]:
        """The lines that end in `chunk`."""
        *ended, rest = chunk.split(b"\n")
        whole = []
        for one in ended:
            whole.append((self._part + one)[:LINE_BYTES_MAX])
            self._part = b""
        self._part = (self._part + rest)[:LINE_BYTES_MAX]
        return whole


class Sieve:
    """Lets PER_S lines a second through, and BURST at once; counts the others."""

    def __init__(self, now: float) -> None:
        self._left, self._at = BURST, now
        self.left_out = 0

    def passes(self, now: float) -> bool:
        """Whether one more goes through now."""
        self._left = min(BURST, self._left + (now - self._at) * PER_S)
        self._at = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True


class Tail:
    """The last of what was said, which may be the reason of an end: errors of Tap itself if there
    were any, of a panic its first line. That a repository cannot be fetched, which is an error too
    and has a component, ends no Tap."""

    def __init__(self) -> None:
        self._errors = deque[str](maxlen=TAIL_LINES)
        self._others = deque[str](maxlen=TAIL_LINES)

    def add(self, line: Line) -> None:
        """One more."""
        why = line.about.get("error")
        said = f"{line.text}: {why}" if why else line.text
        if line.plain and said.startswith(_PANICS):
            self._errors.clear()
        elif line.plain and self._errors and self._errors[0].startswith(_PANICS):
            return  # where it was
        is_its_own = line.plain or (line.level == "error" and "component" not in line.about)
        (self._errors if is_its_own else self._others).append(said)

    def text(self) -> str:
        """Lines, the last one last."""
        return "\n".join(self._errors or self._others)[-TAIL_CHARS:]
