"""The parts that hold the log against the chain, put together."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..clock import Clock
from ..config import Config
from ..journal import Journal
from ..worker import Worker
from .alarm import Alarm
from .checkpoints import Checkpoints
from .known import Verification
from .verifier import Verifier


class Proof(NamedTuple):
    """What runs, and what it knows."""

    known: Verification
    alarm: Alarm
    verifier: Verifier
    checkpoints: Checkpoints


def proof(
    known: Verification,
    journal: Journal,
    worker: Callable[[], Worker],
    config: Callable[[], Config],
    clock: Clock,
) -> Proof:
    """`known` is what the start found."""
    known.began = clock()
    folder = Path(config().data_dir)
    alarm = Alarm(known, journal, folder, worker(), clock)
    return Proof(
        known,
        alarm,
        Verifier(
            folder / "events.db", known, journal, worker(), lambda: config().log, clock, alarm.sound
        ),
        Checkpoints(known, journal, worker(), lambda: config().log, clock),
    )
