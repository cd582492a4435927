"""backfilld setup: writes the configuration and, for a service, the unit and the group.

The one rule: nothing that is there is replaced unless somebody said yes to it.
"""

import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click

from ..config import BadConfig, Config, load
from . import say, shipped

_RUN = "/usr/bin/backfilld run --config /etc/backfilld/config.toml"  # as the unit has it


ETC = Path("/etc")


class Place(NamedTuple):
    """Where things go: those of a service, or of one person. `values` differ from the example."""

    config: Path
    unit: Path | None
    sysusers: Path | None
    values: dict[str, str]


@click.command("setup")
@click.option("--relay", metavar="URL", help="The relay that lists repositories.")
@click.option("--tap", metavar="URL", help="The Tap that fetches them.")
@click.option(
    "--config", "path", type=click.Path(path_type=Path, dir_okay=False),
    help="Where the configuration goes.",
)  # fmt: skip
@click.option("--no-unit", is_flag=True, help="No unit for systemd.")
@click.option("--yes", is_flag=True, help="Ask nothing: defaults, and files that exist are kept.")
def setup(relay: str | None, tap: str | None, path: Path | None, no_unit: bool, yes: bool) -> None:
    """Write the configuration, and as root the unit of the service. Asks for the addresses of relay
    and Tap, replaces no file unasked, and ends with what to do next."""
    place = _place(path, as_service=os.geteuid() == 0 and not no_unit)
    asks = not yes and _on_a_terminal()
    if not yes and not asks:
        say.err("error: it asks, and here is nobody to ask\n  fix: backfilld setup --yes")
        sys.exit(say.USAGE)
    try:
        relay = relay or _asked("Relay that lists repositories", Config().relay.urls[0], asks)
        tap = tap or _asked("Tap that fetches them", Config().tap.url, asks)
        place.values.update({"relay.urls": json.dumps([relay]), "tap.url": json.dumps(tap)})
        kept = _written(place.config, _config(place.values), asks)
        for file, text in _service_files(place):
            _written(file, text, asks)
    except (shipped.NotShipped, BadConfig, OSError) as error:
        say.err(f"error: {error}\n  fix: {_way_out(error)}")
        sys.exit(say.USAGE)
    except click.Abort:
        say.err("\ninterrupted; what was written stays")
        sys.exit(say.INTERRUPTED)
    for line in _next(place, kept):
        say.out(line)


def _place(path: Path | None, *, as_service: bool) -> Place:
    if as_service:
        config = path or ETC / "backfilld" / "config.toml"
        unit = ETC / "systemd" / "system" / "backfilld.service"
        return Place(config, unit, ETC / "sysusers.d" / "backfilld.conf", {})
    home = Path.home()
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "backfilld"
    values = {
        "data_dir": json.dumps(str(data)),
        "control.socket": json.dumps(str(data / "control.sock")),
    }
    return Place(path or config_home / "backfilld" / "config.toml", None, None, values)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()


def _asked(question: str, default: str, asks: bool) -> str:
    return str(click.prompt(question, default=default, err=True)) if asks else default


def _config(values: dict[str, str]) -> str:
    """The example with these values. Raises BadConfig where one of them cannot be."""
    table, lines = "", []
    for line in shipped.text(shipped.CONFIG).splitlines():
        if heading := re.fullmatch(r"\[([a-z]+)\]", line):
            table = heading[1] + "."
        key = re.match(r"([a-z_]+) = ", line)
        value = None if key is None else values.get(table + key[1])
        lines.append(line if key is None or value is None else f"{key[1]} = {value}")
    text = "\n".join(lines) + "\n"
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as draft:
        draft.write(text)
        draft.flush()
        try:
            load(Path(draft.name), {})
        except BadConfig as error:
            raise BadConfig(str(error).partition(": ")[2]) from error
    return text


def _service_files(place: Place) -> Iterator[tuple[Path, str]]:
    if place.unit is not None:
        program = Path(sys.argv[0]).absolute()
        if program.is_relative_to("/home") or program.is_relative_to("/root"):
            say.err(f"warning: the unit shuts out home folders, and {program} is in one")
        run = shlex.join([str(program), "run", "--config", str(place.config)])
        yield place.unit, shipped.text(shipped.UNIT).replace(_RUN, run)
    if place.sysusers is not None:
        yield place.sysusers, shipped.text(shipped.SYSUSERS)


def _written(path: Path, text: str, asks: bool) -> bool:
    """Writes the file, whole or not at all; whether one that was there is kept."""
    with suppress(FileNotFoundError):
        if path.read_text() == text:
            say.err(f"{path} is there, and as it should be.")
            return False
        if not asks or not click.confirm(f"{path} is there. Replace it?", err=True):
            say.err(f"{path} is there, and kept.")
            return True
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as new:
        new.write(text)
        Path(new.name).chmod(0o644)
    Path(new.name).replace(path)
    say.err(f"Wrote {path}.")
    return False


def _way_out(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "sudo backfilld setup, or as yourself: backfilld setup --no-unit --config FILE"
    return "correct it and run backfilld setup again"


def _next(place: Place, kept: bool) -> Iterator[str]:
    yield "Next:"
    if kept:
        yield f"  backfilld check-config --config {place.config}   # what is in force"
    if place.unit is not None:
        me = os.environ.get("SUDO_USER", "YOU")
        yield "  sudo systemd-sysusers && sudo systemctl daemon-reload"
        yield "  sudo systemctl enable --now backfilld"
        yield f"  sudo usermod -aG backfilld {me}             # then log in again"
    else:
        config = load(place.config, {})
        yield f"  backfilld run --config {place.config}"
        yield f"  export BACKFILLD_SOCKET={config.control.socket}"
    yield "  backfillctl doctor                          # is all as it should be?"
    yield "  backfillctl lexicon add LEXICON.json        # starts its backfill"
