"""Jobs for pages to show."""

import json
from typing import Any

from support.machine import LEXICON, STATUS, Machine, until


def lexicon(machine: Machine) -> None:
    """The lexicon is there; no job starts by it."""
    body = json.dumps({"lexicon_json": LEXICON, "backfill": False}).encode()
    until(lambda: machine.control.post("/admin/lexicons", body))


def started(machine: Machine, **body: Any) -> str:
    """A job; its id."""
    answer = machine.control.post("/admin/backfill", json.dumps(body).encode())
    return str(answer.body["id"])


def paused(machine: Machine, **body: Any) -> str:
    """A job that was begun and paused before it came far."""
    job = started(machine, **{"collection": STATUS, **body})
    do(machine, job, "pause")
    until(lambda: state(machine, job) == "paused")
    return job


def do(machine: Machine, job: str, verb: str, **body: Any) -> None:
    """Pause, resume or cancel."""
    machine.control.post(f"/admin/backfill/{job}/{verb}", json.dumps(body).encode())


def state(machine: Machine, job: str) -> str:
    """Its state."""
    return str(machine.control.get(f"/admin/backfill/{job}")["state"])


def a_did(machine: Machine) -> str:
    """A DID that the relay lists."""
    rows = machine.control.lines("/admin/log", after=0, type="job.page-discovered", limit=1)
    return str(next(iter(rows))["payload"]["dids"][0])


def events(machine: Machine, job: str) -> list[dict[str, Any]]:
    """What the log has of a job."""
    return list(machine.control.lines("/admin/log", after=0, stream=f"job/{job}"))
