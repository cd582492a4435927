"""Listens to server-sent events over the real socket, as a browser's EventSource would."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One event; `id` None: it has none of its own."""

    id: int | None
    name: str
    data: dict[str, Any]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, receive_buffer: int) -> None:
        super().__init__("backfilld", timeout=30)
        self._path, self._receive_buffer = path, receive_buffer

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        if self._receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Listening:
    """A request for events, and its answer. `retry` is what it asks for, in milliseconds; `last`
    the last id."""

    def __init__(
        self, socket_path: Path, route: str, last: int | None = None, receive_buffer: int = 0
    ) -> None:
        self._connection = _Connection(socket_path, receive_buffer)
        headers = {"accept": "text/event-stream"}
        if last is not None:
            headers["last-event-id"] = str(last)
        try:
            self._connection.request("GET", route, headers=headers)
            self._answer = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise
        self.status, self.headers = self._answer.status, self._answer.headers
        self.last, self.retry = last, None

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves, in the middle of whatever comes."""
        self._answer.close()
        self._connection.close()

    def body(self) -> bytes:
        """All of an answer that is none of events."""
        return self._answer.read()

    def events(self) -> Iterator[Event]:
        """The events up to the end of the answer. Raises http.client.IncompleteRead or OSError
        when it was cut off."""
        fields: dict[str, str] = {}
        while line := self._answer.readline():
            text = line.decode().rstrip("\r\n")
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
                continue
            if "retry" in fields:
                self.retry = int(fields["retry"])
            if "data" in fields:
                position = int(fields["id"]) if "id" in fields else None
                self.last = self.last if position is None else position
                yield Event(position, fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}
