"""The Tap that we run, in words: how it is, and what happens next by itself. Pure."""

import signal

from backfilld_events.folds.child import Child
from backfilld_events.row import utc_text

from ..tapchild.child import Now
from .shapes.reads import ChildShape
from .words import counted, moment

MIB = 2**20


def child_shape(child: Child, now: Now, at: float) -> ChildShape:
    """As of `at`."""
    running = now.pid is not None
    return ChildShape(
        state="running" if running else "waiting" if now.wanted else "idle",
        sentence=_running(child, now, at) if running else _waiting(child, now),
        pid=now.pid,
        since=None if child.since is None else utc_text(child.since),
        again_at=None if now.again_at is None else utc_text(now.again_at),
        memory_bytes=now.memory_bytes,
        cpu_s=now.cpu_s,
        failures=child.failures,
        last_words=child.tail or None,
    )


def _running(child: Child, now: Now, at: float) -> str:
    said = f"We run Tap: process {now.pid}"
    if child.since is not None and child.running:
        said += f" since {moment(child.since)}"
        if now.memory_bytes is not None and now.cpu_s is not None:
            share = now.cpu_s / max(at - child.since, 1.0)
            said += f", {now.memory_bytes / MIB:,.0f} MiB, {share:.0%} of a processor on average"
    if now.lacking and now.again_at is not None:
        said += f". It is started again {moment(now.again_at)} with {', '.join(now.lacking)}"
    return f"{said}."


def _waiting(child: Child, now: Now) -> str:
    again = "" if now.again_at is None else f" Next try {moment(now.again_at)}."
    if not now.wanted:
        return (
            "Tap is not started: there is no record lexicon yet, and without a filter it would "
            "deliver every collection there is."
        )
    if child.obstacle:
        return f"Tap cannot be started: {child.obstacle}.{again}"
    if child.failures and not child.running:
        times = counted(child.failures, "time", "times in a row")
        last = f"Its last words: {child.tail}." if child.tail else "It said nothing."
        last = last.replace("\n", " · ")
        return f"Tap ended by itself, {times}, {_how(child.code)}. {last}{again}"
    return f"Tap is being started.{again}"


def _how(code: int | None) -> str:
    if code is None:
        return "nobody saw how"
    if code == -signal.SIGKILL:
        return "killed by signal 9 (was memory short?)"
    return f"exit code {code}" if code >= 0 else f"by signal {-code}"
