"""backfillctl relay: the relays, as the jobs that are under way know them."""

from ...control.shapes.reads import RelayShape
from .. import say
from . import text, words
from .frame import Ctl, read
from .verbs import verb


@verb("relay", ("backfillctl relay", "exit 7 if a job waits for one"))
def relay(ctl: Ctl) -> int:
    """Tell how the relays are: their last answer, who waits for them, until when."""
    body = ctl.get("/admin/relay")
    relays = read(body, list[RelayShape])
    if ctl.as_data:
        ctl.put(body)
    else:
        for one in relays:
            _tell(ctl, one)
    return say.HONEST_NO if any(one.waiting for one in relays) else say.OK


def _tell(ctl: Ctl, one: RelayShape) -> None:
    mark = ctl.paint("✗", "red") if one.waiting else "✓"
    answered = "no job that is under way has asked it yet"
    if one.last_answer_at is not None:
        answered = f"answered last {text.since(one.last_answer_at)}"
    left = "" if one.configured else "; no longer in relay.urls"
    say.out(f"{mark} {one.url} {answered}{left}")
    if one.cooling_down_until is not None:
        say.out(f"    it limits our rate: asked again {text.moment(one.cooling_down_until)}")
    for wait in one.waiting:
        say.out(
            f"    job {words.short(wait.job_id)} waits since {text.since(wait.since)}:"
            f" {wait.message} ({wait.kind}, try {wait.attempt}); next try"
            f" {text.moment(wait.retry_at)}"
        )
