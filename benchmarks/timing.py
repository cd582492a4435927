"""Times contenders in turn, so that a noisy minute of a shared machine hits all of them."""

import resource
import time
from collections.abc import Callable, Mapping

from msgspec import Struct


class Took(Struct, frozen=True):
    """The best of some rounds: seconds by the clock, and seconds of processors, children's too."""

    wall: float
    cpu: float


def in_turn(
    contenders: Mapping[str, Callable[[], Callable[[], object]]], rounds: int
) -> dict[str, Took]:
    """Each contender prepares (untimed) and gives what is timed; `rounds` times, one by one."""
    took: dict[str, list[Took]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, prepare in contenders.items():
            work = prepare()
            wall, cpu = time.perf_counter(), _cpu()
            work()
            took[name].append(Took(time.perf_counter() - wall, _cpu() - cpu))
    return {
        name: Took(min(one.wall for one in all_), min(one.cpu for one in all_))
        for name, all_ in took.items()
    }


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
