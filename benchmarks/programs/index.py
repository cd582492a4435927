"""The index as it grows: new records into an empty one, and into one of five million rows."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path

from backfilld.config.keys import IndexConfig
from backfilld.deliveries import RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.ids import Cid, Did, Rev, Rkey

from .. import channel_frames
from ..channel_peer import Spec, started
from ..channel_whole import run_whole
from ..result import Line

ABOUT = "records a second into an index of 5 million rows, beside an empty one"

ROWS = 5_000_000
TURNS = 5  # by turns, so that the machine's mood meets both
STEP = 200_000  # records to a turn
# beside it, with smaller repositories: (records of each, rows before, records to a turn)
SMALLER = ((20, 1_000_000, 100_000), (1, 500_000, 50_000))


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Fills indexes, then feeds them and fresh ones by turns."""
    share = 10 if quick else 1
    rows, step = ROWS // share, STEP // share
    with tempfile.TemporaryDirectory(prefix="backfilld-bench-") as name:
        folders = (Path(tempfile.mkdtemp(dir=name)) for _ in count())
        folder = next(folders)
        rate = rows / _fill(folder, rows, channel_frames.REPO_RECORDS)
        alone = [_both(folder, next(folders), step, turn) for turn in range(TURNS)]
        whole = [
            (_through(folder, step, turn), _through(next(folders), step, turn))
            for turn in range(TURNS)
        ]
        size = (folder / "records.db").stat().st_size
        lines = [
            _line("store alone", step, alone),
            _line("whole channel", step, whole),
            _again(next(folders), step),
        ]
        for of, before, few in SMALLER:
            folder = next(folders)
            _fill(folder, before // share, of)
            turns = [_both(folder, next(folders), few // share, n, of) for n in range(TURNS)]
            lines.append(_line(f"repositories of {of}", few // share, turns, asked=False))
    return lines, [
        f"{rows:,} rows in repositories of {channel_frames.REPO_RECORDS} with random DIDs, taken "
        f"in at {rate:,.0f}/s on the way; {size / 2**30:.1f} GiB. The best of {TURNS} turns each.",
        "repositories of 20 and of 1: after a million and half a million such rows. DIDs come in",
        "no order, and each new one costs a page of their index.",
    ]


def _both(
    full: Path, fresh: Path, records: int, turn: int, of: int = channel_frames.REPO_RECORDS
) -> tuple[float, float]:
    groups = list(_groups(records, 100 + turn, of))
    return _committed(full, groups), _committed(fresh, groups)


def _line(
    what: str, records: int, seconds: list[tuple[float, float]], *, asked: bool = True
) -> Line:
    figure, rival = (records / min(column) for column in zip(*seconds, strict=True))
    return Line(
        what=f"new records, {what}", figure=figure, unit="/s",
        rival="into an empty index", rival_figure=rival,
        goal="within 10 %" if asked else None, met=figure >= 0.9 * rival if asked else None,
    )  # fmt: skip


def _again(folder: Path, records: int) -> Line:
    turns = []
    for turn in range(TURNS):
        groups = list(_groups(records, 400 + turn, channel_frames.REPO_RECORDS))
        turns.append((_committed(folder, groups), _committed(folder, groups)))
    new, again = (records / min(column) for column in zip(*turns, strict=True))
    return Line(
        what="delivered again, store alone", figure=again, unit="/s",
        rival="new records", rival_figure=new, goal=">= 2 x", met=again >= 2 * new,
    )  # fmt: skip


def _fill(folder: Path, rows: int, repo_records: int) -> float:
    """The seconds it took, without those to make the records up."""
    spent = 0.0
    with closing(SqliteStore.open(folder / "records.db", 0)) as store:
        for group in _groups(rows, 1, repo_records):
            began = time.perf_counter()
            store.commit(group, 1)
            spent += time.perf_counter() - began
    return spent


def _committed(folder: Path, groups: list[Group]) -> float:
    """Its own checkpoints counted, the last one too: else a fresh index may get by without any."""
    with closing(SqliteStore.open(folder / "records.db", 0)) as store:
        began = time.perf_counter()
        for group in groups:
            store.commit(group, 1)
    return time.perf_counter() - began


def _through(folder: Path, records: int, turn: int) -> float:
    (folder / "events.db").unlink(missing_ok=True)  # the log's own growth is not the question,
    with closing(SqliteStore.open(folder / "records.db", 0)) as store:
        store.forget_receipts(2**62)  # and it must not look for what an index was told before it
    with started(Spec(records=records, seed=200 + turn)) as peer:
        return run_whole(peer, folder).passes[0].seconds


def _groups(records: int, seed: int, repo_records: int) -> Iterator[Group]:
    made = (
        RecordDelivery(
            1, Did(one.did.decode()), channel_frames.COLLECTION, Rkey(one.rkey.decode()),
            Rev(channel_frames.REV), Cid(one.cid.decode()), one.body, False,
        )
        for one in channel_frames.records(records, seed=seed, repo_records=repo_records)
    )  # fmt: skip
    while group := list(islice(made, IndexConfig().group_max)):
        yield Group(group, [], [], [])
