"""The manual pages, made from the texts of the commands and of the example configuration, so that
no page says something else than -h."""

import re
from collections.abc import Callable, Iterator, Mapping

import click

from .. import __version__
from . import roff, shipped
from .ctl.exits import EXITS
from .ctl.names import PROGRAM
from .ctl.reach import SOCKET, SOCKET_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE
from .roff import bold

_SEE = {"backfilld": 1, "backfillctl": 1, "backfill-audit": 1, "backfilld.toml": 5}
_KEY = re.compile(r"(?P<off># )?(?P<key>[a-z_]+) = (?P<value>.*?)\s*(?:  +# (?P<about>.*))?")


def page(name: str) -> str:
    """One of PAGES as roff. Raises shipped.NotShipped."""
    return "\n".join(PAGES[name]()) + "\n"


def _backfillctl() -> Iterator[str]:
    from .ctl import cli

    yield from _head(PROGRAM, 1, "talks to the running backfilld", cli)
    yield from _examples(cli)
    yield roff.section("commands")
    yield from _commands(cli, PROGRAM)
    yield roff.section("global options")
    yield from _options(cli)
    yield roff.section("exit status")
    for code, what in EXITS.items():
        yield from roff.item(bold(str(code)), what)
    yield roff.section("environment")
    for variable, what in (
        (URL_VARIABLE, "As --url. An option goes before a variable, an address before a socket."),
        (SOCKET_VARIABLE, f"As --socket; without one it is {SOCKET}."),
        (TOKEN_VARIABLE, "As --token-file."),
        ("NO_COLOR", "Set to anything: no colours."),
    ):
        yield from roff.item(bold(variable), what)
    yield from _see_also(PROGRAM)


def _backfilld() -> Iterator[str]:
    from .daemon import main

    yield from _head("backfilld", 1, "backfills AT Protocol collections through Tap", main)
    yield roff.section("commands")
    yield from _commands(main, "backfilld")
    yield roff.section("signals")
    yield from roff.item(bold("SIGTERM"), "Stop: commit and acknowledge what was received first.")
    yield from roff.item(bold("SIGHUP"), "Read the configuration again: the keys marked [r].")
    yield roff.section("exit status")
    for code in (2, 6, 7, 8, 130):
        yield from roff.item(bold(str(code)), EXITS[code])
    yield from _see_also("backfilld")


def _toml() -> Iterator[str]:
    yield roff.title("backfilld.toml", 5, __version__)
    yield roff.section("name")
    yield _named("backfilld.toml", "the configuration of backfilld")
    comments: list[str] = []
    begun = False
    for line in [*shipped.text(shipped.CONFIG).splitlines(), ""]:
        heading = re.fullmatch(r"(?:# )?\[+([a-z]+)\]+", line)
        found = _KEY.fullmatch(line)
        if heading or found or not line:
            if comments and not begun:
                yield roff.section("description")
            if comments:
                yield from roff.paragraphs(" ".join(comments), after_items=begun)
            comments = []
        if (heading or found) and not begun:
            yield roff.section("keys")
            begun = True
        if heading:
            yield roff.subsection(heading[1])
        elif found:
            value = f"{bold(found['key'])} = {roff.escaped(found['value'])}"
            yield from roff.item(value, found["about"] or "")
        elif line:
            comments.append(line.removeprefix("#").strip())
    yield from _see_also("backfilld.toml")


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "backfillctl": _backfillctl,
    "backfilld": _backfilld,
    "backfilld.toml": _toml,
}


def _named(name: str, what: str) -> str:
    """The line of the section NAME, by which whatis(1) finds the page."""
    return f"{roff.escaped(name)} \\- {roff.escaped(what)}"


def _head(name: str, number: int, what: str, command: click.Command) -> Iterator[str]:
    yield roff.title(name, number, __version__)
    yield roff.section("name")
    yield _named(name, what)
    yield roff.section("synopsis")
    yield f"{bold(name)} [{roff.escaped('OPTIONS')}] \\fICOMMAND\\fR [\\fIARGS\\fR]..."
    yield roff.section("description")
    yield from roff.paragraphs(command.help or "")


def _commands(group: click.Group, path: str) -> Iterator[str]:
    # with its settings: the first context that asks for -h decides for good how it is spelled
    context = click.Context(group, info_name=path, **group.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(
            command, context, info_name=f"{path} {name}", **command.context_settings
        )
        usage = " ".join(inner.command.collect_usage_pieces(inner))
        yield roff.subsection(f"{path} {name} {usage}".removeprefix(f"{PROGRAM} "))
        yield from roff.paragraphs((command.help or "").replace("\b", ""))
        yield from _options(command, own=True)
        yield from _examples(command, heading=False)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _options(command: click.Command, *, own: bool = False) -> Iterator[str]:
    context = click.Context(command)
    mine = getattr(command, "own", None)
    for param in command.params:
        if not isinstance(param, click.Option) or param.hidden:
            continue
        if own and mine is not None and id(param) not in mine:
            continue  # a global one
        record = param.get_help_record(context)
        if record is not None:
            yield from roff.item(bold(record[0]), record[1])


def _examples(command: click.Command, *, heading: bool = True) -> Iterator[str]:
    examples = getattr(command, "examples", ())
    if examples and heading:
        yield roff.section("examples")
    elif examples:
        yield from roff.paragraphs("Examples:", after_items=True)
    for line, what in examples:
        yield from roff.example(line, what)


def _see_also(name: str) -> Iterator[str]:
    yield roff.section("see also")
    others = [f"{bold(other)}({number})" for other, number in _SEE.items() if other != name]
    yield ",\n".join(others)
