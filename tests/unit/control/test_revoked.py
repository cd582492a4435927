"""A key that is revoked while an answer goes on: what is cut does not look whole."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from litestar import Litestar

from backfilld.control.door import Asked, Door
from backfilld.control.jobs.holding import until_ended
from backfilld.control.problems import BadRequest
from backfilld.control.routes import backfill, log


class Views:
    """A history without end, and jobs without end."""

    async def log(self, after: int, *_: object) -> SimpleNamespace:
        return SimpleNamespace(events=[(after + 1, b"{}")], last=after + 1, more=True)

    async def page(self, _: object, before: int | None) -> SimpleNamespace:
        return SimpleNamespace(jobs=[{"id": "x"}], before=(before or 1_000) - 1)


class Revoked:
    """A door for somebody who is revoked when so many parts were sent."""

    def __init__(self, parts: int) -> None:
        self.left, self.views, self.log_views, self.stop = parts, Views(), Views(), trio.Event()
        self.journal = SimpleNamespace(
            freezing=trio.Event(),
            state=SimpleNamespace(position=1, jobs={}),
            watch=lambda *_: trio.Event(),
        )

    def still_allowed(self, _: object) -> bool:
        return self.left > 0


async def heard(door: Revoked, path: str) -> list[dict[str, Any]]:
    """What an application says that is asked for `path`, up to where it breaks."""
    routes = [*log.routes(cast(Door, door)), *backfill.routes(cast(Door, door))]
    said: list[dict[str, Any]] = []

    async def receive() -> Any:
        await trio.sleep_forever() if said else None
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)
        door.left -= bool(message.get("body"))

    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "headers": [], "state": {}, "client": None, "server": None,
    }  # fmt: skip
    app: Any = Litestar(routes, openapi_config=None, logging_config=None)
    with trio.fail_after(5), pytest.raises(Exception, match="after response started|NoLonger"):
        await app(scope, receive, send)
    return said


@pytest.mark.parametrize("path", ["/admin/log", "/admin/backfill/status"])
async def test_a_revoked_key_reads_no_further_and_the_answer_does_not_look_whole(
    path: str,
) -> None:
    said = await heard(Revoked(3), path)
    assert [bool(one["body"]) for one in said[1:]] == [True] * 3
    assert all(one["more_body"] for one in said[1:])


async def test_whoever_was_revoked_while_they_waited_does_not_hear_how_the_job_ended() -> None:
    async def receive() -> Any:
        await trio.sleep_forever()

    request = cast(Asked, SimpleNamespace(receive=receive))
    await until_ended(cast(Door, Revoked(1)), request, "over", 5)
    with pytest.raises(BadRequest) as refused:
        await until_ended(cast(Door, Revoked(0)), request, "over", 5)
    assert refused.value.status == 401
