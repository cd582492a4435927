"""Options that several verbs have."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def verb(verbs: "Verbs", name: str, about: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """A verb with its help, which ends with examples of it."""
    shown = "\n  ".join(["examples:", *examples])
    return verbs.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=shown,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def file(verb: argparse.ArgumentParser, name: str = "file") -> None:
    """The log that a verb reads."""
    verb.add_argument(name, type=Path, help="events.db, or an export of it")


def json(verb: argparse.ArgumentParser) -> None:
    """Whether it answers with JSON."""
    verb.add_argument("--json", action="store_true", help="JSON, one object a line")
