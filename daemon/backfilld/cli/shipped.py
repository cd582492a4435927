"""The files that come with us: the example configuration, the unit, the group."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

CONFIG = "config.example.toml"
UNIT = "systemd/backfilld.service"
SYSUSERS = "systemd/backfilld.sysusers.conf"

_SOURCES = Path(__file__).resolve().parents[3]  # a checkout has them at its root


class NotShipped(Exception):
    """The file is not where an installation has it."""


def text(name: str) -> str:
    """What is in the file. Raises NotShipped."""
    beside = _SOURCES / name
    if (_SOURCES / "pyproject.toml").is_file() and beside.is_file():
        return beside.read_text()
    wanted = ("share", "backfilld", *Path(name).parts)
    try:
        installed = files("backfilld") or []
    except PackageNotFoundError:
        installed = []
    for file in installed:
        if file.parts[-len(wanted) :] == wanted:
            return Path(str(file.locate())).read_text()
    raise NotShipped(f"{name} did not come with this installation; it is in the source archive")
