"""Makes a backup: both files as they were at one moment, copied, verified, and put in place.

The one rule: the log's moment comes before the index's. So the index is never older than the log,
and what it has written since is taken in by the log's next start; receipts that the log does not
have are kept (`delivery.ledger`), and between the two moments there are a few.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from backfilld_events.audit.checkpoint import Checkpoint

from .checked import Checked, check
from .folder import CHECKPOINT, INDEX, LOG, Folder, Unfit, begun
from .snapshot import Snapshot, mark

_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))

Progress = Callable[[str], None]
"""What is being done, for people."""


class Made(NamedTuple):
    """A backup at `path`: the sizes of its files in bytes, and what was found in it."""

    path: Path
    sizes: dict[str, int]
    found: Checked

    @property
    def is_whole(self) -> bool:
        """Whether all of it verifies; else it is at a name that says that it does not."""
        return not self.found.log and not self.found.index


def make(
    source: Path,
    target: Path,
    kept: Sequence[Checkpoint],
    now: float,
    progress: Progress = lambda _: None,
    *,
    log_only: bool = False,
) -> Made:
    """Backs up the data_dir `source` to the folder `target`. `kept` are checkpoints of its log.
    Raises Unfit, BadFile; whatever is raised, nothing is left behind."""
    with begun(target) as folder, ExitStack() as held:
        try:
            names = [LOG] if log_only else [LOG, INDEX]
            files = [held.enter_context(closing(Snapshot(source / name))) for name in names]
            _check_room(folder, sum(file.size for file in files))
            for file in files:
                _copy(file, folder, progress)
            held.close()
            progress("verifying the copies")
            index = None if log_only else folder.path / INDEX
            found = check(folder.path / LOG, index, kept, now)
            if found.checkpoint is not None:
                folder.write(CHECKPOINT, found.checkpoint.line)
            whole = not found.log and not found.index
            if whole and index is not None:
                mark(index, now)
            sizes = {name: (folder.path / name).stat().st_size for name in names}
            folder.finish() if whole else folder.fail()
        except OSError as error:
            raise Unfit(f"{folder.path}: {error.strerror}", "choose another place") from error
        except sqlite3.DatabaseError as error:
            raise Unfit(f"the copy was broken off: {error}", "see to it, and try again") from error
    return Made(folder.target if whole else folder.broken, sizes, found)


def _copy(file: Snapshot, folder: Folder, progress: Progress) -> None:
    name = file.path.name

    def told(done: int, whole: int) -> None:
        progress(f"copying {name}: {100 * done // max(whole, 1)} % of {size(whole)}")

    file.copy(folder.path / name, told)


def _check_room(folder: Folder, needed: int) -> None:
    if (free := folder.free) < needed:
        raise Unfit(
            f"{folder.target.parent}: {size(needed)} are needed, and {size(free)} are free",
            "make room, or name a folder on another disk",
        )


def size(n: int) -> str:
    """Bytes for people."""
    if n < 2**10:
        return f"{n} B"
    unit, name = next(one for one in _UNITS if n >= one[0])
    return f"{n / unit:,.1f} {name}"
