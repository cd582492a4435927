"""The one client of the API, behind every command. Standard library only, so that it is fast.

A failed call says which of three it is: the daemon is not there, we may not, it refuses.
"""

import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from .address import NotPermitted, Socket, Tcp, Unreachable

__all__ = [
    "Answer", "Control", "NotPermitted", "Refusal", "Socket", "Tcp", "TimedOut", "Unreachable",
    "job_path",
]  # fmt: skip

CHUNK_BYTES = 65_536
ANSWER_BYTES_MAX = 256 * 2**20  # every job ever, as one array
_NEXT = re.compile(r"[?&]cursor=([^&>]+)[^>]*>;\s*rel=\"?next")


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


class Answer(NamedTuple):
    """A body with its status and headers, whose names are in small letters."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def cursor(self) -> str | None:
        """Of the next page, where the answer is a bare array; None: this was the last."""
        found = _NEXT.search(self.headers.get("link") or "")
        return None if found is None else found[1]


class Control:
    """The daemon at `to`, a socket's path or an address. Each call is one connection."""

    def __init__(self, to: str | Socket | Tcp, timeout_s: float = 10.0) -> None:
        self.to = Socket(to) if isinstance(to, str) else to
        self._timeout_s = timeout_s

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`. Raises Unreachable, TimedOut or Refusal."""
        return self.ask(path, **query).body

    def ask(self, path: str, **query: Any) -> Answer:
        """The answer at `path`, with its headers. Raises as `get`."""
        return self._call("GET", _with(path, query))

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Sends JSON. Raises as `get`."""
        return self._call("POST", path, body, headers)

    def delete(self, path: str) -> Answer:
        """Deletes. Raises as `get`."""
        return self._call("DELETE", path)

    def lines(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """One object a line, for as long as they come. Raises as `get`."""
        rest = b""
        for part in self.parts(path, **query):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def parts(self, path: str, **query: Any) -> Iterator[bytes]:
        """An answer as it comes, in parts. One that is cut raises, as `get` does."""
        connection, answer = self._open("GET", _with(path, query), None, {})
        if connection.sock is not None and query.get("follow") is not None:
            connection.sock.settimeout(None)  # the next line may take as long as it likes
        with closing(connection):
            try:
                # not its readline: that takes a cut connection for the end
                while part := answer.read1(CHUNK_BYTES):
                    yield part
            except (OSError, http.client.HTTPException) as error:
                raise self._cut_off(error) from error

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection, answer = self._open(method, path, body, headers or {})
        text = self._whole(connection, answer)
        found = json.loads(text) if text.startswith((b"{", b"[")) else text
        told = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, found, told)

    def _open(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self.to.connection(self._timeout_s)
        sent = {**self.to.headers, **headers}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before it was all sent
                connection.request(method, self.to.prefix + path, body, sent)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._failed(error) from error
        if answer.status >= 400:
            text = self._whole(connection, answer)
            raise self.to.refused(answer.status, text) or Refusal(answer.status, _problem(text))
        return connection, answer

    def _whole(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> bytes:
        until = time.monotonic() + self._timeout_s  # for the whole of it, not for each part
        with closing(connection):
            parts: list[bytes] = []
            size = 0
            try:
                while part := answer.read1(CHUNK_BYTES):
                    parts.append(part)
                    size += len(part)
                    if size > ANSWER_BYTES_MAX:
                        raise Unreachable("the answer is too large to be one", "ask for less: -n")
                    if time.monotonic() > until:
                        raise TimedOut(f"no whole answer within {self._timeout_s:g} s")
                if answer.length:  # read1 takes a cut connection for the end
                    raise http.client.IncompleteRead(b"", answer.length)
            except (OSError, http.client.HTTPException) as error:
                raise self._cut_off(error) from error
            return b"".join(parts)

    def _failed(self, error: Exception) -> Unreachable | TimedOut:
        """Why there is no answer at all."""
        if isinstance(error, TimeoutError):
            return TimedOut(f"no answer within {self._timeout_s:g} s")
        return self.to.failed(error) or self._cut_off(error)

    def _cut_off(self, error: Exception) -> Unreachable | TimedOut:
        if isinstance(error, TimeoutError):
            return TimedOut(f"no whole answer within {self._timeout_s:g} s")
        return Unreachable(
            "backfilld ended the connection before its answer was whole",
            "is it being restarted? try again; journalctl -u backfilld",
        )


def job_path(job: str) -> str:
    """The path of a job that is named by a person."""
    return f"/admin/backfill/{quote(job, safe='')}"


def _with(path: str, query: Mapping[str, Any]) -> str:
    asked = {name: value for name, value in query.items() if value is not None}
    return path + ("?" + urlencode(asked) if asked else "")


def _problem(text: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": "an answer that is not JSON"}
