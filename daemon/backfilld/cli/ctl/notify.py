"""backfillctl notify: try the targets that are told when something happens."""

import click

from ...control.shapes.notify import Sampled, Samples
from .. import say
from .frame import Ctl, read
from .verbs import Verbs, verb

SAMPLES_S = 120.0  # a program has 30 s, and there may be several


@click.group(
    "notify",
    cls=Verbs,
    examples=[("backfillctl notify test", "does everybody hear us?")],
)
def notify() -> None:
    """Try the targets of [[notify]]."""


@verb("test", ("backfillctl notify test", "exit 7 if one did not take it"), group=notify)
def test(ctl: Ctl) -> int:
    """Send a sample to each target. It stands in the log, as every delivery does."""
    body = ctl.patient(SAMPLES_S).post("/admin/notify/test")
    samples = read(body, Samples)
    if ctl.as_data:
        ctl.put(body)
    elif not samples.targets:
        say.out("Nobody is told of anything. Name a target: [[notify]] in config.toml")
    for one in samples.targets if not ctl.as_data else ():
        say.out(_line(ctl, one))
    return say.OK if all(one.ok for one in samples.targets) else say.HONEST_NO


def _line(ctl: Ctl, one: Sampled) -> str:
    mark = ctl.paint("✓", "green") if one.ok else ctl.paint("✗", "red")
    outcome = "took it" if one.ok else f"did not take it: {one.why}"
    return f"{mark} {one.target} {one.to} {outcome} (told of {', '.join(one.on)})"
