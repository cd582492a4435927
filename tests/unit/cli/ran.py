"""What a command line came to."""

import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct


class Ran(Struct):
    """Its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """stdout, as the one JSON document it is."""
        return json.loads(self.out)

    @property
    def fault(self) -> Any:
        """stderr, as the one JSON document it is."""
        assert self.out == ""
        return json.loads(self.err)


Ctl = Callable[..., Ran]
