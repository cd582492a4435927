"""The one client of the API, behind every command. Standard library only, so that it is fast.

A failed call says which of three it is: the daemon is not there, we may not, it refuses.
"""

import getpass
import grp
import http.client
import json
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import Struct

CHUNK_BYTES = 65_536


class Unreachable(Exception):
    """Nobody answers at the socket; `hint` says what to do."""

    def __init__(self, error: str, hint: str) -> None:
        super().__init__(error)
        self.hint = hint


class NotPermitted(Unreachable):
    """The socket is there, and we may not use it."""


class TimedOut(Exception):
    """The daemon did not answer in time."""


class Refusal(Exception):
    """The daemon answered with an error."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("error", f"answered {status}")))
        self.status = status
        self.code = str(body.get("code", "unknown"))
        self.hint = str(body.get("hint") or "")
        self.field = body.get("field")
        self.body = body


class Answer(Struct, frozen=True):
    """A body, and its status."""

    status: int
    body: Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("backfilld", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control:
    """The daemon at `path`. Each call is one connection."""

    def __init__(self, path: str, timeout_s: float = 10.0) -> None:
        self._path, self._timeout_s = path, timeout_s

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`. Raises Unreachable, TimedOut or Refusal."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", path + ("?" + urlencode(asked) if asked else "")).body

    def post(self, path: str, body: bytes) -> Answer:
        """Sends JSON. Raises as `get`."""
        return self._call("POST", path, body)

    def delete(self, path: str) -> Answer:
        """Deletes. Raises as `get`."""
        return self._call("DELETE", path)

    def lines(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """One object a line, for as long as they come. Raises as `get`."""
        asked = {name: value for name, value in query.items() if value is not None}
        connection, answer = self._open("GET", f"{path}?{urlencode(asked)}", None)
        if connection.sock is not None and "follow" in asked:
            connection.sock.settimeout(None)  # the next line may take as long as it likes
        with closing(connection):
            rest = b""
            try:
                # not its readline: that takes a cut connection for the end
                while chunk := answer.read1(CHUNK_BYTES):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield json.loads(line)
            except (OSError, http.client.HTTPException) as error:
                raise self._cut_off(error) from error

    def _call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection, answer = self._open(method, path, body)
        text = self._whole(connection, answer)
        return Answer(answer.status, json.loads(text) if text.startswith((b"{", b"[")) else text)

    def _open(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, self._timeout_s)
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before it was all sent
                connection.request(method, path, body, headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise TimedOut(f"no answer within {self._timeout_s:g} s") from error
            if isinstance(error, http.client.HTTPException | ConnectionResetError):
                raise self._cut_off(error) from error
            raise self._unreachable(error) from error
        if answer.status >= 400:
            raise Refusal(answer.status, _problem(self._whole(connection, answer)))
        return connection, answer

    def _whole(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> bytes:
        with closing(connection):
            try:
                return answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._cut_off(error) from error

    def _unreachable(self, error: OSError) -> Unreachable:
        start = "systemctl start backfilld, or backfilld run --config FILE"
        if isinstance(error, FileNotFoundError):
            return Unreachable(
                f"cannot reach backfilld: there is no socket {self._path}",
                f"is it running? {start}. Another place: --socket PATH or BACKFILLD_SOCKET",
            )
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(
                f"cannot reach backfilld: nobody answers at {self._path}",
                f"it is not running, or not ready yet: {start}",
            )
        if isinstance(error, PermissionError):
            return NotPermitted(
                f"cannot reach backfilld: permission denied on {self._path}", self._who_may()
            )
        return Unreachable(f"cannot reach backfilld: {self._path}: {error}", start)

    def _cut_off(self, error: Exception) -> Unreachable | TimedOut:
        if isinstance(error, TimeoutError):
            return TimedOut(f"no whole answer within {self._timeout_s:g} s")
        return Unreachable(
            "backfilld ended the connection before its answer was whole",
            "is it being restarted? try again; journalctl -u backfilld",
        )

    def _who_may(self) -> str:
        try:
            me = getpass.getuser()
        except (OSError, KeyError):  # a uid without a name
            me = f"uid {os.getuid()}"
        # a folder that is closed to us hides the socket: then its group is the one to join
        for path, bit in (
            (Path(self._path), stat.S_IWGRP),
            (Path(self._path).parent, stat.S_IXGRP),
        ):
            try:
                found = path.stat()
                group = grp.getgrgid(found.st_gid).gr_name
            except (OSError, KeyError):
                continue
            if found.st_mode & bit and os.getuid() and group != "root":
                return (
                    f"the socket is for group {group}; you are {me}. "
                    f"sudo usermod -aG {group} {me}, then log in again; for this once: sudo"
                )
            return f"the socket is for its owner alone; you are {me}. Use sudo"
        return f"you are {me}; ask whoever runs backfilld, or use sudo"


def job_path(job: str) -> str:
    """The path of a job that is named by a person."""
    return f"/admin/backfill/{quote(job, safe='')}"


def _problem(text: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": "an answer that is not JSON"}
