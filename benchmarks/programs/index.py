"""The index as it grows: new records into an empty one, and into one of five million rows."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median

from backfilld.config import IndexConfig
from backfilld.deliveries import RecordDelivery
from backfilld.records.sqlite import SqliteStore
from backfilld.records.store import Group
from backfilld_events.ids import Cid, Did, Rev, Rkey

from .. import channel_frames
from ..channel_peer import Spec, started
from ..channel_whole import run_whole
from ..result import Line

ABOUT = "records a second into an index of 5 million rows, beside an empty one"

ROWS, REPO_RECORDS = 5_000_000, 100
TURNS = 5  # by turns, so that the machine's mood meets both
STEP = 200_000  # records to a turn of the store alone
PASS = 200_000  # and of the whole channel
LONE_ROWS, LONE_STEP = 500_000, 50_000  # the worst case: a repository for each record


def run(*, quick: bool) -> tuple[list[Line], list[str]]:
    """Fills one index with repositories of `REPO_RECORDS`, then feeds it and fresh ones."""
    share = 10 if quick else 1
    with tempfile.TemporaryDirectory(prefix="backfilld-bench-") as name:
        full, lone = Path(name) / "full", Path(name) / "lone"
        full.mkdir()
        lone.mkdir()
        filled = ROWS // share / _fill(full, ROWS // share, REPO_RECORDS)
        _fill(lone, LONE_ROWS // share, 1)
        alone, whole, strangers = [], [], []
        for turn in range(TURNS):
            fresh = Path(name) / str(turn)
            fresh.mkdir()
            groups = list(_groups(STEP // share, 100 + turn, REPO_RECORDS))
            alone.append((_committed(full, groups), _committed(fresh, groups)))
            spec = Spec(records=PASS // share, seed=200 + turn, repo_records=REPO_RECORDS)
            whole.append((_through(full, spec), _through(fresh, spec)))
            fresh = Path(name) / f"lone {turn}"
            fresh.mkdir()
            groups = list(_groups(LONE_STEP // share, 300 + turn, 1))
            strangers.append((_committed(lone, groups), _committed(fresh, groups)))
        size = (full / "records.db").stat().st_size
    return [
        _line("store alone", STEP // share, alone),
        _line("whole channel", PASS // share, whole),
        _line("each of another DID", LONE_STEP // share, strangers, asked=False),
    ], [
        f"{ROWS // share:,} rows in repositories of {REPO_RECORDS} with random DIDs, taken in at "
        f"{filled:,.0f}/s on the way; {size / 2**30:.1f} GiB.",
        f"median of {TURNS} turns each; a fresh index has at most two turns' rows.",
        f"each of another DID: after {LONE_ROWS // share:,} such rows; the index of DIDs is in no "
        "order of arrival, and pays for each new one with a page.",
    ]


def _line(what: str, count: int, seconds: list[tuple[float, float]], *, asked: bool = True) -> Line:
    figure, rival = (count / median(column) for column in zip(*seconds, strict=True))
    return Line(
        what=f"new records, {what}", figure=figure, unit="/s",
        rival="into an empty index", rival_figure=rival,
        goal="within 10 %" if asked else None, met=figure >= 0.9 * rival if asked else None,
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


def _through(folder: Path, spec: Spec) -> float:
    (folder / "events.db").unlink(missing_ok=True)  # the log's own growth is not the question,
    with closing(SqliteStore.open(folder / "records.db", 0)) as store:
        store.forget_receipts(2**62)  # and it must not look for what an index was told before it
    with started(spec) as peer:
        return run_whole(peer, folder).passes[0].seconds


def _groups(count: int, seed: int, repo_records: int) -> Iterator[Group]:
    made = (
        RecordDelivery(
            1, Did(one.did.decode()), channel_frames.COLLECTION, Rkey(one.rkey.decode()),
            Rev(channel_frames.REV), Cid(one.cid.decode()), one.body, False,
        )
        for one in channel_frames.records(count, seed=seed, repo_records=repo_records)
    )  # fmt: skip
    while records := list(islice(made, IndexConfig().group_max)):
        yield Group(records, [], [], [])
