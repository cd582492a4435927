"""The two doors of the daemon, as a script sees them."""

import http.client
import json
from typing import Any

import msgspec
from support.machine import Machine


class Door:
    """The daemon over TCP, with a key."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self._port, self._key = port, key

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {} if self._key is None else {"authorization": f"Bearer {self._key}"}
        sent = None
        if body is not None:
            sent = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def key(machine: Machine, *permissions: str) -> str:
    """A new key with these permissions."""
    body = msgspec.json.encode({"name": "contract", "permissions": list(permissions)})
    made = machine.control.post("/admin/api-keys", body).body["key"]
    assert isinstance(made, str)
    return made
