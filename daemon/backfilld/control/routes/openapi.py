"""The API's description for programs."""

from collections.abc import Sequence
from functools import cache

from litestar import get
from litestar.types import ControllerRouterHandler

from ..serving.openapi import Document, document


def route(routes: Sequence[ControllerRouterHandler]) -> ControllerRouterHandler:
    """See the handler; it describes `routes`."""

    @get("/admin/openapi.json")
    async def openapi() -> Document:
        """This document: OpenAPI 3.1."""
        return made()

    @cache
    def made() -> Document:
        return document([*routes, openapi])

    return openapi
