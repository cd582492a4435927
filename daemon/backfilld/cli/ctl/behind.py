"""Pages of what stands behind a number, one after the other, and who is named by a job or NSID."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .frame import Ctl

PAGE = 100

_JOB = re.compile(r"last|[0-9a-f-]+")


def coverage_path(what: str) -> tuple[str, dict[str, str]]:
    """(path, query) of the coverage of a job or a collection."""
    if _JOB.fullmatch(what):
        return f"/admin/backfill/{quote(what, safe='')}/coverage", {}
    return "/admin/coverage", {"collection": what}


def entries(ctl: Ctl, path: str, name: str, **query: Any) -> Iterator[Any]:
    """All entries of the list `name` in the answers at `path`. Raises as Ctl.ask."""
    cursor: str | None = None
    while True:
        body = ctl.get(path, cursor=cursor, limit=PAGE, **query)
        yield from body[name]
        cursor = body["cursor"]
        if cursor is None:
            return
