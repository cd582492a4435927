"""What all verbs share: the global options, the line to the daemon, and how help looks."""

import difflib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

import click
import msgspec
from msgspec import Struct

from ...control.client import Control, job_path
from .. import say
from . import text
from .faults import Fault

SOCKET = "/run/backfilld/control.sock"
TIMEOUT_S = 10.0
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

T = TypeVar("T")
Examples = Sequence[tuple[str, str]]


class Ctl(Struct):
    """The global options, and what follows from them. `timeout_s` is None unless it was given."""

    socket: str = SOCKET
    json: bool = False
    jsonl: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    no_input: bool = False
    timeout_s: float | None = None

    @property
    def as_data(self) -> bool:
        """Whether a program reads us."""
        return self.json or self.jsonl

    @property
    def control(self) -> Control:
        """The line to the daemon."""
        return Control(self.socket, TIMEOUT_S if self.timeout_s is None else self.timeout_s)

    def get(self, path: str) -> Any:
        """The JSON at `path`. Raises what `Control.get` raises."""
        with self._told("GET", path):
            return self.control.get(path)

    def job(self, name: str) -> Any:
        """The job that is named by its id, a beginning of it, or `last`. Raises as `get`."""
        if not re.fullmatch(r"[0-9a-z-]+", name) or name == "status":  # that is another route
            hint = "name it by its id, a beginning of it, or last; see backfillctl jobs"
            raise Fault(f"no job is named {name!r}", "job-not-found", hint, say.NOT_FOUND)
        return self.get(job_path(name))

    def post(self, path: str, body: bytes) -> Any:
        """The answer to a POST. Raises as `get`."""
        with self._told("POST", path):
            return self.control.post(path, body).body

    def delete(self, path: str) -> None:
        """Deletes. Raises as `get`."""
        with self._told("DELETE", path):
            self.control.delete(path)

    def put(self, body: Any) -> None:
        """Answers a program: one document; with --jsonl a list is one line an entry."""
        if self.jsonl:
            for entry in body if isinstance(body, list) else [body]:
                say.out(json.dumps(entry))
        else:
            say.out(json.dumps(body, indent=2))

    def aside(self, line: str) -> None:
        """Tells what is no answer: progress, a warning, a hint. Not with -q."""
        if not self.quiet:
            say.err(line)

    def paint(self, word: str, colour: str, stream: TextIO | None = None) -> str:
        """The word in colour, where colour is welcome."""
        out = sys.stdout if stream is None else stream
        welcome = out.isatty() and not self.no_color and not os.environ.get("NO_COLOR")
        return click.style(word, fg=colour, bold=True) if welcome else word

    @contextmanager
    def _told(self, method: str, path: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            if self.verbose:
                say.err(f"{method} {path} {(time.monotonic() - began) * 1000:.0f} ms")


def read(body: Any, shape: type[T]) -> T:
    """An answer as its shape, safe to print. Raises Fault when it is something else."""
    try:
        return msgspec.convert(text.clean(body), shape)
    except msgspec.ValidationError as error:
        raise Fault(
            f"the daemon's answer is not what this backfillctl knows: {error}",
            "not-understood",
            "are both of one version? backfillctl version; backfillctl status --json",
        ) from error


def _seconds(value: str) -> float:
    """Seconds, written as `500ms`, `90s`, `15m`, `2h`, `3d`; a number alone is refused."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", value)
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{value!r} is no duration: write 500ms, 90s, 15m, 2h or 3d")
    return float(found[1]) * _UNITS_S[found[2]]


def _keep(context: click.Context, param: click.Parameter, value: Any) -> None:
    """Remembers a global option, given before or after the verb."""
    if value and param.name:
        setattr(context.ensure_object(Ctl), param.name, value)


def _globals(*, environment: bool) -> list[click.Parameter]:
    def flag(names: list[str], about: str) -> click.Option:
        return click.Option(names, is_flag=True, expose_value=False, callback=_keep, help=about)

    return [
        click.Option(
            ["--socket"], metavar="PATH", expose_value=False, callback=_keep,
            envvar="BACKFILLD_SOCKET" if environment else None,
            help=f"The daemon's socket; else BACKFILLD_SOCKET, else {SOCKET}.",
        ),
        click.Option(
            ["--timeout", "timeout_s"], type=_seconds, metavar="DURATION", expose_value=False,
            callback=_keep,
            help="How long to wait for an answer (10s); with --wait and watch: for the end.",
        ),
        flag(["--json"], "Answer with one JSON document, in the API's fields."),
        flag(["--jsonl"], "Answer with JSON, one object a line."),
        flag(["-q", "--quiet"], "No progress, no hints."),
        flag(["-v", "--verbose"], "Tell each request, and where an unexpected error comes from."),
        flag(["--no-color"], "No colours; so does NO_COLOR."),
        flag(["--no-input"], "Never ask."),
    ]  # fmt: skip


class Verb(click.Command):
    """A command that takes the global options too; its help begins with examples."""

    def __init__(self, *args: Any, examples: Examples = (), **rest: Any) -> None:
        rest.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **rest)
        self.examples = examples
        self.own = {id(param) for param in self.params}
        self.params += _globals(environment=False)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        _write_examples(self.examples, formatter)
        super().format_help(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options, then the global ones."""
        _write_options(ctx, formatter, self.own)


class Verbs(click.Group):
    """A group of verbs; a typo gets one suggestion."""

    def __init__(self, *args: Any, examples: Examples = (), **rest: Any) -> None:
        rest.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **rest)
        self.examples = examples
        self.params += _globals(environment=True)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        _write_examples(self.examples, formatter)
        super().format_help(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs, then the global options."""
        self.format_commands(ctx, formatter)
        _write_options(ctx, formatter, set())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the verb, or says which one was meant."""
        name = args[0]
        if name not in self.commands and not name.startswith("-") and not ctx.resilient_parsing:
            close = difflib.get_close_matches(name, self.commands, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"no such command: {text.clean(name)}{meant}", ctx)
        return super().resolve_command(ctx, args)


def verb(
    name: str, *examples: tuple[str, str], group: Verbs | None = None
) -> Callable[[Callable[..., int]], Verb]:
    """Makes a function a verb: it gets the Ctl first and returns the exit code."""

    def made(function: Callable[..., int]) -> Verb:
        passed = click.make_pass_decorator(Ctl, ensure=True)(function)
        command = click.command(name, cls=Verb, examples=examples)(passed)
        if group is not None:
            group.add_command(command)
        return command

    return made


def _write_examples(examples: Examples, formatter: click.HelpFormatter) -> None:
    wide = max((len(command) for command, _ in examples), default=0)
    with formatter.section("Examples"):
        for command, what in examples:
            formatter.write(f"  {command:<{wide}}   {what}\n")
    formatter.write("\n")


def _write_options(ctx: click.Context, formatter: click.HelpFormatter, own: set[int]) -> None:
    parts: dict[str, list[tuple[str, str]]] = {"Options": [], "Global options": []}
    for param in ctx.command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            mine = id(param) in own or param.name == "help"
            parts["Options" if mine else "Global options"].append(record)
    for title, records in parts.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
