"""backfilld: the service and what belongs to it."""

import sys
from pathlib import Path

import click

from .. import __version__
from ..config import BadConfig, Config, flat, load, written
from . import say

config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="BACKFILLD_CONFIG",
    help="The configuration file; without one every key has its default.",
)


_LATE = ("accept-break", "backup", "forget-index", "sandbox", "setup")


class _Commands(click.Group):
    """Some bring their own module, imported when they are asked for: the sandbox is heavy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LATE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        match cmd_name:
            case "accept-break":
                from .accept import accept_break

                return accept_break
            case "backup":
                from .backup import backup

                return backup
            case "forget-index":
                from .forget_index import forget_index

                return forget_index
            case "sandbox":
                from ..sandbox.command import sandbox

                return sandbox
            case "setup":
                from .setup import setup

                return setup
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="backfilld")
def main() -> None:
    """Gets every record of an AT Protocol collection into your database, and proves that none is
    missing. backfillctl talks to the running service."""


@main.command()
@config_option
def run(path: Path | None) -> None:
    """Run the service until SIGTERM; a second SIGTERM ends it at once."""
    settings = loaded(path)
    from .serve import serve  # late: check-config needs no trio

    serve(settings, path)


@main.command("check-config")
@config_option
def check_config(path: Path | None) -> None:
    """Say whether the configuration is right, and what is in force."""
    settings = loaded(path)
    defaults = flat(Config())
    for key, value in flat(settings).items():
        default = "" if value != defaults[key] else "   # default"
        say.out(f"{key} = {written(value)}{default}")


@main.command()
@click.argument("page", type=click.Choice(["backfilld", "backfillctl", "backfilld.toml"]))
def man(page: str) -> None:
    """Print a manual page, for man -l - or a file in /usr/share/man."""
    from . import man as manual  # late: it imports every command
    from .shipped import NotShipped

    try:
        say.out(manual.page(page).rstrip())
    except NotShipped as error:
        say.err(f"error: {error}")
        sys.exit(say.USAGE)


def loaded(path: Path | None) -> Config:
    """The configuration; with one that cannot be used it exits."""
    try:
        return load(path)
    except BadConfig as error:
        say.err(f"error: {error}")
        sys.exit(say.USAGE)


if __name__ == "__main__":
    main()
