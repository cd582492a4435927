"""Bodies about notifications."""

from msgspec import Struct


class Sampled(Struct):
    """What became of a sample: `why` the target did not take it. `on` are the kinds it wants."""

    target: str
    to: str
    on: list[str]
    ok: bool
    why: str | None


class Samples(Struct):
    """POST /admin/notify/test: every target of the configuration."""

    targets: list[Sampled]
