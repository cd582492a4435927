"""What a verb is: a command that is imported when it is asked for, with help that begins with
examples and one suggestion for a typo."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from . import text
from .frame import Ctl
from .options import global_options
from .suggest import meant

Examples = Sequence[tuple[str, str]]
_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Verb(click.Command):
    """A command that takes the global options too; its help begins with examples."""

    def __init__(self, *args: Any, examples: Examples = (), **rest: Any) -> None:
        rest.setdefault("context_settings", _SETTINGS)
        super().__init__(*args, **rest)
        self.examples = examples
        self.own = {id(param) for param in self.params}
        self.params += global_options()

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        _write_examples(self.examples, formatter)
        super().format_help(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options, then the global ones."""
        _write_options(ctx, formatter, self.own)


class Verbs(click.Group):
    """A group of verbs. `late` names those that wait in a module until they are asked for: a
    command line uses one of them."""

    def __init__(
        self,
        *args: Any,
        examples: Examples = (),
        late: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> None:
        rest.setdefault("context_settings", _SETTINGS)
        super().__init__(*args, **rest)
        self.examples, self.late = examples, late or {}
        self.own = {id(param) for param in self.params}
        self.params += global_options()

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples first."""
        _write_examples(self.examples, formatter)
        super().format_help(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs, then the options."""
        self.format_commands(ctx, formatter)
        _write_options(ctx, formatter, self.own)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        return list(dict.fromkeys([*self.late, *self.commands]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports it if need be."""
        if cmd_name in self.late and cmd_name not in self.commands:
            module = import_module(f".{self.late[cmd_name]}", __package__)
            self.add_command(getattr(module, cmd_name.replace("-", "_")))
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the verb, or says which one was meant."""
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"no such command: {text.clean(name)}{meant(name, names)}", ctx)
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
