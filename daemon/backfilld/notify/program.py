"""Runs a program that tells somebody: the letter on its standard input, its end is the answer.

The one rule: a program that is not done when its time is over, or when the daemon ends, is killed
with all its children: it has a process group of its own.
"""

import os
import signal
import subprocess
from contextlib import suppress
from functools import partial

import trio

from ..failures import clean
from .letter import Letter, NotTaken

WITHIN_S = 30.0
OUTPUT_BYTES_MAX = 4096  # the end of what it says: the reason, if it fails
LAST_WORDS_S = 0.5  # for what it said before it ended; a child of its own may hold the pipe open
CHUNK_BYTES = 65_536

# ours holds secrets and what systemd told us alone
_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR")


async def run(command: tuple[str, ...], letter: Letter) -> None:
    """Runs the program to its end. Raises NotTaken unless that is exit 0, within WITHIN_S."""
    process = await _begun(command, letter)
    output = bytearray()
    try:
        with trio.move_on_after(WITHIN_S) as limit:
            async with trio.open_nursery() as pipes:
                pipes.start_soon(_tell, process, letter.body + b"\n")
                pipes.start_soon(_hear, process, output)
                await process.wait()
                pipes.cancel_scope.deadline = trio.current_time() + LAST_WORDS_S
    finally:
        await _ended(process)
    if process.returncode == 0:
        return
    if limit.cancelled_caught:
        raise NotTaken(f"did not end within {WITHIN_S:g} s, and was killed")
    code = process.returncode or 0
    how = f"exit {code}" if code > 0 else f"ended by signal {-code}"
    lines = output.decode(errors="replace").strip().splitlines()
    raise NotTaken(clean(f"{how}: {lines[-1]}" if lines else how))


async def _begun(command: tuple[str, ...], letter: Letter) -> trio.Process:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {
        "BACKFILLD_EVENT": letter.kind,
        "BACKFILLD_JOB": letter.job,
        "BACKFILLD_STATE": letter.state,
    }
    begin = partial(
        trio.lowlevel.open_process,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment,
    )
    try:
        return await begin(list(command))
    except OSError as error:
        raise NotTaken(clean(f"cannot be run: {(error.strerror or str(error)).lower()}")) from error


async def _tell(process: trio.Process, body: bytes) -> None:
    """It may end without reading all of it, or anything."""
    if process.stdin is not None:
        with suppress(trio.BrokenResourceError):
            await process.stdin.send_all(body)
        await process.stdin.aclose()


async def _hear(process: trio.Process, output: bytearray) -> None:
    if process.stdout is not None:
        while chunk := await process.stdout.receive_some(CHUNK_BYTES):
            output += chunk
            del output[:-OUTPUT_BYTES_MAX]


async def _ended(process: trio.Process) -> None:
    """Kills it if it still runs, with its children, and lets go of its pipes."""
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                await pipe.aclose()
