"""What Prometheus reads: measures, and their text. Pure.

The one rule: few series. Labels are collections that somebody asked for, COLLECTIONS_MAX at most,
and fixed words. Source of the format: the Prometheus text exposition format, version 0.0.4.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4"  # the charset is added
COLLECTIONS_MAX = 200  # by name; more are left out, and counted in backfilld_collections
PREFIX = "backfilld_"

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """A metric: its samples, each with its labels."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: Sequence[tuple[Labels, float]]


class OfCollection(NamedTuple):
    """A collection: repositories by class, the age of the longest open one in seconds (None:
    nothing is open), records committed ever (inserted or updated), and how many are here."""

    classes: Mapping[str, int]
    oldest_open_s: float | None
    committed: int
    here: int


class Measured(NamedTuple):
    """All that is measured, at one moment. `stalled` seconds by what stands still; `jobs` that have
    not ended, by state; `verifies`: whether the log does, `verified_s` how long ago all of it did;
    `None`: not known."""

    version: str
    stalled: Mapping[str, float]
    jobs: Mapping[str, int]
    collections: Mapping[str, OfCollection]
    collections_total: int
    unexplained: int
    handed_over: int
    connected: bool
    unacked: int
    outbox: int | None
    dead_letters: int
    position: int
    verifies: bool | None
    verified_s: float | None
    disk_free: int


def text(measured: Measured) -> str:
    """The page."""
    return "".join(line for family in _families(measured) for line in _lines(family))


def escaped(value: str) -> str:
    """A label's value as the format writes it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _families(it: Measured) -> Iterator[Family]:
    yield _one("up", "1 as long as backfilld answers.", 1)
    yield Family("info", "gauge", "Always 1; the version.", [((("version", it.version),), 1)])
    yield Family(
        "stalled_seconds",
        "gauge",
        "For how long something stands still, by what. Absent: it does not.",
        [((("on", on),), seconds) for on, seconds in it.stalled.items()],
    )
    yield Family(
        "jobs",
        "gauge",
        "Jobs that have not ended.",
        [((("state", state),), n) for state, n in it.jobs.items()],
    )
    yield from _of_collections(it.collections)
    yield _one("collections", "Collections that somebody asked for.", it.collections_total)
    yield _one("unexplained", "Repositories in no class, or in two: must be 0.", it.unexplained)
    yield Family(
        "handoff_total",
        "counter",
        "Repositories handed to Tap since backfilld started.",
        [((), it.handed_over)],
    )
    yield _one("channel_connected", "1: the channel to Tap is up.", int(it.connected))
    yield _one("unacked", "Messages received and not yet acknowledged.", it.unacked)
    if it.outbox is not None:
        yield _one("tap_outbox", "Messages in Tap's outbox when it was looked at last.", it.outbox)
    yield _one("dead_letters", "Messages that could not be used.", it.dead_letters)
    yield _one("log_position", "The position of the last event of the log.", it.position)
    if it.verifies is not None:
        yield _one("log_verify_ok", "1: the log has verified since the start.", int(it.verifies))
    if it.verified_s is not None:
        yield _one(
            "log_verify_age_seconds",
            "How long ago it last did so, or the start was.",
            it.verified_s,
        )
    yield _one("disk_free_bytes", "Free on the disk of data_dir.", it.disk_free)


def _of_collections(of: Mapping[str, OfCollection]) -> Iterator[Family]:
    yield Family(
        "repos",
        "gauge",
        "Repositories of a collection, by class; each is in exactly one.",
        [
            ((("collection", name), ("class", kind)), n)
            for name, one in of.items()
            for kind, n in one.classes.items()
        ],
    )
    yield Family(
        "oldest_open_seconds",
        "gauge",
        "How long one of the open repositories has been in its class: the one found first.",
        _by_collection(
            (name, one.oldest_open_s) for name, one in of.items() if one.oldest_open_s is not None
        ),
    )
    yield Family(
        "records_committed_total",
        "counter",
        "Records of a collection that were inserted or updated.",
        _by_collection((name, one.committed) for name, one in of.items()),
    )
    yield Family(
        "records",
        "gauge",
        "Records of a collection in the index.",
        _by_collection((name, one.here) for name, one in of.items()),
    )


def _one(name: str, help_: str, value: float) -> Family:
    return Family(name, "gauge", help_, [((), value)])


def _by_collection(values: Iterable[tuple[str, float]]) -> list[tuple[Labels, float]]:
    return [((("collection", name),), value) for name, value in values]


def _lines(family: Family) -> Iterator[str]:
    name = PREFIX + family.name
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    for labels, value in family.samples:
        shown = ",".join(f'{key}="{escaped(said)}"' for key, said in labels)
        yield f"{name}{{{shown}}} {value:.17g}\n" if shown else f"{name} {value:.17g}\n"
