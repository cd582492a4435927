"""The global options, and the kinds of values that verbs take."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from . import known, reach
from .frame import Ctl
from .suggest import meant

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHAPE = "write 500ms, 90s, 15m, 2h or 3d"


def duration(value: str) -> float | None:
    """Seconds, written as `500ms`, `90s`, `15m`, `2h`, `3d`; None for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", value)
    return None if found is None else float(found[1]) * _UNITS_S[found[2]]


class Duration(click.ParamType[float]):
    """A length of time above zero, in seconds; a number alone is refused."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Raises click.BadParameter."""
        found = value if isinstance(value, float) else duration(value)
        if not found:
            self.fail(f"{value!r} is no duration: {_SHAPE}", param, ctx)
        return found


class Moment(click.ParamType[float]):
    """A moment of the past as seconds since 1970: so long ago, or a date and time."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Raises click.BadParameter."""
        if isinstance(value, float):
            return value
        if (ago := duration(value)) is not None:
            return time.time() - ago
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no moment: write 15m, 2h or 3d for so long ago, or a date and time "
                "such as 2026-03-10 or 2026-03-10T02:58:10Z",
                param, ctx,
            )  # fmt: skip
        return (at if at.tzinfo else at.astimezone()).astimezone(UTC).timestamp()


class Word(click.Choice[str]):
    """One of some words; a typo gets one suggestion."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """For people."""
        words = [str(word) for word in self.choices]
        return f"{value!r} is none of {', '.join(words)}{meant(str(value), words)}"


class Job(click.ParamType[str]):
    """A job's name; the shell completes those of the daemon."""

    name = "job"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """The newest jobs."""
        from click.shell_completion import CompletionItem  # late: only a shell needs it

        found = [
            CompletionItem(str(job["id"])[:8], help=f"{job.get('state')} {job.get('collection')}")
            for job in known.jobs(_ctl(ctx))
        ]
        last = CompletionItem("last", help="the newest job")
        return [one for one in [*found, last] if one.value.startswith(incomplete)]


class Nsid(click.ParamType[str]):
    """A collection; the shell completes those whose lexicon is there."""

    name = "nsid"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """The lexicons."""
        from click.shell_completion import CompletionItem  # late, as above

        found = known.nsids(_ctl(ctx))
        return [CompletionItem(nsid) for nsid in found if nsid.startswith(incomplete)]


JOB, NSID, DURATION, MOMENT = Job(), Nsid(), Duration(), Moment()


def global_options() -> list[click.Parameter]:
    """Those that every verb takes, before or after its name."""

    def flag(names: list[str], about: str) -> click.Option:
        return click.Option(names, is_flag=True, expose_value=False, callback=_keep, help=about)

    def value(names: list[str], metavar: str, about: str, kind: Any = None) -> click.Option:
        return click.Option(
            names, metavar=metavar, type=kind, expose_value=False, callback=_keep, help=about
        )

    return [
        value(
            ["--socket"], "PATH",
            f"The daemon's socket; else {reach.SOCKET_VARIABLE}, else {reach.SOCKET}.",
            click.Path(),
        ),
        value(
            ["--url"], "URL",
            f"The daemon's address instead, such as http://127.0.0.1:8410; else "
            f"{reach.URL_VARIABLE}.",
        ),
        value(
            ["--token-file"], "PATH",
            f"The file that holds the key for --url; else {reach.TOKEN_VARIABLE}.",
            click.Path(),
        ),
        value(
            ["--timeout", "timeout_s"], "DURATION",
            "How long to wait for an answer (10s); with --wait, watch, log verify: for the end.",
            DURATION,
        ),
        flag(["--json"], "Answer with one JSON document, in the API's fields."),
        flag(["--jsonl"], "Answer with JSON, one object a line."),
        flag(["-q", "--quiet"], "No progress, no hints."),
        flag(["-v", "--verbose"], "Tell each request, and where an unexpected error comes from."),
        flag(["--no-color"], "No colours; so does NO_COLOR."),
        flag(["--no-input"], "Never ask."),
    ]  # fmt: skip


def _keep(context: click.Context, param: click.Parameter, value: Any) -> None:
    """Remembers a global option, given before or after the verb."""
    if value and param.name:
        setattr(context.ensure_object(Ctl), param.name, value)


def _ctl(ctx: click.Context) -> Ctl:
    return ctx.find_object(Ctl) or Ctl()
