"""The daemon's TCP address as a script or a browser asks it."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from support.machine import Machine

JSON = "application/json"


class Heard(NamedTuple):
    """An answer; `body` is what its JSON says."""

    status: int
    headers: Mapping[str, str]
    body: Any


def ask(
    machine: Machine,
    method: str,
    path: str,
    *,
    key: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 20,
) -> Heard:
    """One question on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", machine.port, timeout=timeout_s)
    sent = {} if key is None else {"authorization": f"Bearer {key}"}
    if body is not None:
        sent["content-type"] = JSON
    try:
        connection.request(method, path, body, {**sent, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    is_json = (answer.headers.get("content-type") or "").startswith(JSON)
    return Heard(answer.status, answer.headers, json.loads(text) if is_json else text)


def new_key(machine: Machine, name: str, *permissions: str, **more: Any) -> str:
    """A key that was made over the socket."""
    body = {"name": name, "permissions": list(permissions), **more}
    return str(machine.control.post("/admin/api-keys", json.dumps(body).encode()).body["key"])


def refusals(machine: Machine) -> list[tuple[str, str, str, str]]:
    """The refused commands in the log: actor, command, code, why."""
    rows = machine.control.lines("/admin/log", type="control.refused")
    return [
        (row["actor"], *(row["payload"][part] for part in ("command", "code", "why")))
        for row in rows
    ]
