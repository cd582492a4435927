"""What all verbs share: the global options, and the line to the daemon."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TextIO, TypeVar

import click

from ...control.caller.client import Answer, Control, Refusal, Tcp, job_path
from .. import say
from . import known, reach, text
from .faults import Fault
from .suggest import closest

TIMEOUT_S = 10.0
HEALTH = "/admin/health"

T = TypeVar("T")


@dataclass
class Ctl:
    """The global options, and what follows from them. `timeout_s` is None unless it was given."""

    socket: str | None = None
    url: str | None = None
    token_file: str | None = None
    json: bool = False
    jsonl: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    no_input: bool = False
    timeout_s: float | None = None
    line: Control | None = None

    @property
    def as_data(self) -> bool:
        """Whether a program reads us."""
        return self.json or self.jsonl

    @property
    def control(self) -> Control:
        """The line to the daemon. Raises click.UsageError for an address that cannot be."""
        if self.line is None:
            to = reach.address(self.url, self.socket, self.token_file, self.aside)
            self.line = Control(to, TIMEOUT_S if self.timeout_s is None else self.timeout_s)
        return self.line

    def patient(self, seconds: float) -> "Ctl":
        """The same for a question whose answer takes longer, unless --timeout says how long."""
        return replace(self, timeout_s=self.timeout_s or seconds, line=None)

    @property
    def address(self) -> str | None:
        """The daemon's address, if it is not its socket that we speak to."""
        to = self.control.to
        return to.shown.rstrip("/") if isinstance(to, Tcp) else None

    @property
    def place(self) -> str:
        """Where the daemon is, for people."""
        to = self.control.to
        return to.shown if isinstance(to, Tcp) else to.path

    def ask(self, path: str, **query: Any) -> Answer:
        """The answer at `path`. Raises what `Control.get` raises."""
        with self._told("GET", path):
            return self.control.ask(path, **query)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`. Raises as `ask`."""
        return self.ask(path, **query).body

    def health(self) -> Any:
        """How all stands. Its 503 is an answer too: the log does not verify. Raises as `ask`."""
        try:
            return self.get(HEALTH)
        except Refusal as refusal:
            if refusal.status != 503 or "verdict" not in refusal.body:
                raise
            return dict(refusal.body)

    def job(self, name: str) -> Any:
        """The job that is named by its id, a beginning of it, or `last`. Raises as `ask`."""
        if not re.fullmatch(r"[0-9a-z-]+", name) or name == "status":  # that is another route
            hint = "name it by its id, a beginning of it, or last; see backfillctl jobs"
            raise Fault(f"no job is named {name!r}", "job-not-found", hint, say.NOT_FOUND)
        try:
            return self.get(job_path(name))
        except Refusal as refusal:
            if refusal.status == 404 and (near := closest(name, known.job_names(self))):
                raise Fault(
                    f"{refusal}; did you mean {near}?", refusal.code, refusal.hint, say.NOT_FOUND
                ) from refusal
            raise

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The answer to a POST; `body` as JSON, or JSON already as bytes. Raises as `ask`."""
        sent = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        with self._told("POST", path):
            return self.control.post(path, sent, headers).body

    def delete(self, path: str) -> None:
        """Deletes. Raises as `ask`."""
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

    def confirm(self, question: str, kept: str, again: str) -> None:
        """Asks before what has no way back; `kept` says what it will not undo, `again` is the
        command that does not ask. Raises Fault where nobody can be asked, and Abort."""
        if self.no_input or self.as_data or not sys.stdin.isatty():
            raise Fault(
                "it asks first, and here is nobody to ask", "usage", f"{again}; {kept}", say.USAGE
            )
        click.confirm(f"{question} {kept}.", abort=True, err=True)

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
    import msgspec  # late: who asks for --json needs none

    try:
        return msgspec.convert(text.clean(body), shape)
    except msgspec.ValidationError as error:
        raise Fault(
            f"the daemon's answer is not what this backfillctl knows: {error}",
            "not-understood",
            "are both of one version? backfillctl version; backfillctl status --json",
        ) from error
