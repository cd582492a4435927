"""How a lexicon document is refused: one fault with its place, its rule and a way out. Pure.

The one rule: whatever the document holds, a fault's texts are printable and bounded. Which faults
there are is up to `reading`, `rules` and `document`.
"""

import re
from typing import ClassVar

from backfilld_events.ids import shown

Path = tuple[str | int, ...]  # from the document down: member names and array indices

_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,63}", re.ASCII)


class LexiconFault(ValueError):
    """The document is refused. `path`: where, as `$.defs.main.key`; for something that is missing,
    where it should be. `rule`: what must hold there. `hint`: what is there now, or what to do."""

    code: ClassVar[str] = "bad-lexicon"

    def __init__(self, at: Path, rule: str, hint: str) -> None:
        self.path = "$" + "".join(map(_step, at))
        self.rule = rule
        self.hint = hint
        # the rule comes first: scripts written for HappyView look at how a message begins
        super().__init__(f"{rule} (at {self.path}); {hint}")


def _step(name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    return f".{name}" if _PLAIN_NAME.fullmatch(name) else f"[{shown(name)}]"


def said(value: object) -> str:
    """A JSON value in a sentence: what it is, and for a scalar which."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {shown(value)}"
        case list():
            return "an array"
        case _:
            return "an object"
