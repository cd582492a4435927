"""backfillctl report: what a maintainer needs to know of a bug, and nothing that is secret."""

import io
import json
import os
import platform
import sqlite3
import tarfile
import time
from collections.abc import Sized
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ... import __version__
from ...config import BadConfig, flat, load
from ...control.caller.client import Refusal, TimedOut, Unreachable, job_path
from .. import say
from . import doctor, text
from .frame import HEALTH, Ctl
from .redact import Redactor
from .verbs import verb

EVENTS = 500
JOBS = 50
DETAILS = 5
_ASKED = {
    "version": "/admin/version",
    "whoami": "/admin/whoami",
    "health": HEALTH,
    "tap": "/admin/tap",
    "relay": "/admin/relay",
    "stats": "/admin/stats",
    "checkpoint": "/admin/log/checkpoint",
}


@verb(
    "report",
    ("backfillctl report", "a .tar.gz in this folder; look into it before you send it"),
    ("backfillctl report - | less", "as JSON, to read"),
    ("backfillctl report bug.json --accounts", "with the DIDs, where they matter"),
)
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--accounts", is_flag=True, help="Name the accounts; else each has a stand-in.")
@click.option(
    "--config", "config", type=click.Path(path_type=Path, dir_okay=False),
    envvar="BACKFILLD_CONFIG", help="The configuration, to be told of too.",
)  # fmt: skip
def report(ctl: Ctl, file: str | None, accounts: bool, config: Path | None) -> int:
    """Write a report for a bug: versions, health, jobs, the last events. No keys, no passwords, no
    records, no words of people's own; accounts have stand-ins."""
    redactor = Redactor(accounts=accounts)
    parts = {name: redactor(part) for name, part in _gathered(ctl, config).items()}
    if file == "-" or (file is None and ctl.as_data):
        say.out(json.dumps(parts, indent=2))
        return say.OK
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = Path(file or f"backfilld-report-{stamp}.tar.gz")
    whole = json.dumps(parts, indent=2).encode()
    try:
        _write(path, whole if path.suffix == ".json" else _packed(path, parts))
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror or error}") from error
    if ctl.as_data:
        ctl.put({"file": str(path)})
    else:
        say.out(f"Wrote {path}.")
        ctl.aside("Look into it before you send it: " + _look(path))
    return say.OK


def _gathered(ctl: Ctl, config: Path | None) -> dict[str, Any]:
    parts: dict[str, Any] = {"about": _about()}
    if config is not None:
        parts["config"] = _config(config)
    parts["doctor"] = [check.as_data() for check in doctor.checks(ctl)]
    for name, path in _ASKED.items():
        parts[name] = _asked(ctl, path)
    jobs = _asked(ctl, "/admin/backfill/status", limit=JOBS)
    parts["jobs"] = jobs
    if isinstance(jobs, list):
        going = [job["id"] for job in jobs if job.get("completed_at") is None]
        parts["job_details"] = [_asked(ctl, job_path(one)) for one in going[:DETAILS]]
    parts["events"] = _events(ctl)
    return parts


def _about() -> dict[str, str]:
    return {
        "version": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "zone": time.strftime("%z"),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
    }


_COUNTED = ("notify", "tap.env")


def _config(path: Path) -> dict[str, Any]:
    try:
        known = flat(load(path))
    except BadConfig:
        return {"error": "the configuration is not right: backfilld check-config"}
    kept: dict[str, Any] = {}
    for key, value in known.items():
        table, _, name = key.rpartition(".")
        part = kept.setdefault(table, {}) if table else kept
        # these hold command lines, addresses and secrets of others: only how many
        part[name] = len(value) if key in _COUNTED and isinstance(value, Sized) else value
    return kept


def _asked(ctl: Ctl, path: str, **query: Any) -> Any:
    try:
        return ctl.health() if path == HEALTH else ctl.get(path, **query)
    except (Refusal, Unreachable, TimedOut) as error:
        return {"error": str(error), "code": getattr(error, "code", "timeout")}


def _events(ctl: Ctl) -> Any:
    try:
        return list(ctl.control.lines("/admin/log", tail=EVENTS))
    except (Refusal, Unreachable, TimedOut) as error:
        return [{"error": str(error)}]


def _packed(path: Path, parts: dict[str, Any]) -> bytes:
    folder = path.name.removesuffix(".tar.gz")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, part in parts.items():
            content = json.dumps(part, indent=2).encode()
            entry = tarfile.TarInfo(f"{folder}/{name}.json")
            entry.size, entry.mtime = len(content), int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Makes a file that only we can read; never replaces one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _look(path: Path) -> str:
    shown = text.clean(str(path))
    return f"less {shown}" if path.suffix == ".json" else f"tar -xzOf {shown} | less"
