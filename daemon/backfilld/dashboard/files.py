"""The files that pages need: our style and scripts, and those of others in `vendor/`.

An address carries the file's digest, so a browser may keep it for good, and a new version of
backfilld is a new address.
"""

import hashlib
from importlib.resources import files
from typing import NamedTuple

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.types import ControllerRouterHandler

PLACE = "/dashboard/static"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEEP = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str
    digest: str


def _read() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for folder in ("static", "vendor"):
        for entry in (files("backfilld.dashboard") / folder).iterdir():
            media_type = _TYPES.get(entry.name.rpartition(".")[2])
            if media_type is not None:
                content = entry.read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                found[entry.name] = Asset(content, f"{media_type}; charset=utf-8", digest)
    return found


ASSETS = _read()


def address(name: str) -> str:
    """Where a file is, digest included. Raises KeyError for one that is not there."""
    return f"{PLACE}/{name}?v={ASSETS[name].digest[:12]}"


def routes() -> list[ControllerRouterHandler]:
    """See the handler."""

    @get("/static/{name:str}", opt={"query": ("v",)}, sync_to_thread=False)
    def asset(name: str, request: Request[object, object, object]) -> Response[bytes]:  # type: ignore[type-var]
        """A style, script or picture; the same for everybody."""
        found = ASSETS.get(name)
        if found is None:
            raise NotFoundException("no such file")
        tag = f'"{found.digest[:32]}"'
        headers = {"etag": tag, "cache-control": _KEEP, "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    return [asset]
