"""`backfilld sandbox`: a relay and a Tap on loopback, until SIGTERM or SIGINT.

Prints one line of JSON with the addresses when both answer. What it serves follows from its
options and the seed alone.
"""

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import trio

from backfilld_events.ids import BadId, Nsid, parse_nsid

from ..clock import system
from .faults import FaultPlan
from .network import Addresses, SandboxNetwork
from .tap import TapSettings
from .world import World

COLLECTION = "xyz.statusphere.status"


@dataclass(frozen=True)
class Options:
    """What to serve; `faults` is the share of requests that go wrong, at relay and Tap alike."""

    seed: int = 1
    repos: int = 200
    records: tuple[int, int] = (1, 5)
    collections: tuple[Nsid, ...] = (Nsid(COLLECTION),)
    odd_share: float = 0.0
    relay_port: int = 0
    tap_port: int = 0
    outbox_only: bool = False
    faults: float = 0.0
    retry_timeout_s: float = 60.0
    filters: tuple[str, ...] = ()


def network(options: Options) -> SandboxNetwork:
    """The network that `options` describe."""
    world = World(
        options.seed,
        options.repos,
        options.collections,
        options.records,
        odd_share=options.odd_share,
    )
    settings = TapSettings(
        collection_filters=options.filters,
        outbox_only=options.outbox_only,
        retry_timeout_s=options.retry_timeout_s,
    )
    return SandboxNetwork(
        world,
        settings,
        relay_faults=FaultPlan(options.faults, seed=options.seed, clock=system),
        tap_faults=FaultPlan(options.faults, seed=options.seed + 1, clock=system),
    )


async def run(
    options: Options, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            serving = network(options)
            addresses: Addresses = await nursery.start(
                serving.serve, options.relay_port, options.tap_port
            )
            sys.stdout.write(json.dumps(addresses._asdict()) + "\n")
            sys.stdout.flush()
            task_status.started(addresses)
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()


def _range(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    least, _, most = value.partition("-")
    if not least.isdecimal() or (most and not most.isdecimal()):
        raise click.BadParameter(f"{value} is no number and no range such as 1-5")
    found = int(least), int(most or least)
    if found[0] > found[1]:
        raise click.BadParameter(f"{value} runs down")
    return found


def _nsids(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[Nsid, ...]:
    try:
        return tuple(parse_nsid(value) for value in values)
    except BadId as error:
        raise click.BadParameter(str(error)) from error


@click.command("sandbox", context_settings={"show_default": True})
@click.option("--seed", default=1, help="The same seed is the same world.")
@click.option("--repos", default=200, type=click.IntRange(0), help="How many repositories.")
@click.option("--records", default="1-5", callback=_range, help="In each, of each collection.")
@click.option(
    "--collection",
    "collections",
    default=[COLLECTION],
    multiple=True,
    callback=_nsids,
    help="Repeatable.",
)
@click.option(
    "--odd-share", default=0.0, type=click.FloatRange(0, 1), help="Accounts with trouble."
)
@click.option("--relay-port", default=0, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--tap-port", default=0, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--outbox-only", is_flag=True, help="Tap stores DIDs and fetches nothing.")
@click.option("--faults", default=0.0, type=click.FloatRange(0, 1), help="Requests that fail.")
@click.option(
    "--retry-timeout",
    "retry_timeout_s",
    default=60.0,
    type=click.FloatRange(0, min_open=True),
    help="Seconds until Tap sends an event again.",
)
@click.option("--filter", "filters", multiple=True, help="Tap's collection filter. Repeatable.")
def sandbox(**options: Any) -> None:
    """Serve a sandbox network on loopback: a relay with a listing, and a Tap."""
    trio.run(run, Options(**options))


if __name__ == "__main__":
    sandbox()
