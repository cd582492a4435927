"""backfillctl log export: the whole log in the form that is to be readable in ten years.

The one rule: a file is whole or not there. What was cut is no export.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from .. import say
from . import text
from .frame import Ctl
from .verbs import verb

PATH = "/admin/log/export"


@verb(
    "export",
    ("backfillctl log export log.jsonl", "FILE is there when it is whole, and not before"),
    ("backfillctl log export - | zstd > log.jsonl.zst", "with pipefail set, or a cut looks whole"),
)
@click.argument("file", metavar="FILE|-", type=click.Path(dir_okay=False, allow_dash=True))
def export(ctl: Ctl, file: str) -> int:
    """Write the whole log to a new file, one event a line, with its hashes. `backfill-audit` reads
    it as it reads the log itself, and can make a log of it again."""
    parts = ctl.control.parts(PATH)
    if file == "-":
        for part in parts:
            say.raw(part)
        sys.stdout.flush()
        return say.OK
    path = Path(file)
    partial = path.with_name(f"{path.name}.partial")
    if path.exists():
        raise click.UsageError(f"{file}: it is there already; name a new file")
    if partial.exists():
        left = "left by a try that did not come to its end; remove it"
        raise click.UsageError(f"{partial}: {left}")
    try:
        size = _written(partial, parts)
        partial.rename(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise click.UsageError(f"{file}: {error.strerror or error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if ctl.as_data:
        ctl.put({"file": file, "bytes": size})
    else:
        say.out(f"Wrote {text.clean(file)}, {size:,} bytes.")
    return say.OK


def _written(path: Path, parts: Iterator[bytes]) -> int:
    """Makes a file that only we can read, and has it on the disk; its size."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()
