"""A reader finds the number of a DID as the writer would, whatever was written meanwhile."""

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import POSTS, dids, page, started

from backfilld_events import ids
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Did, pack_one
from backfilld_events.log.append import Append
from backfilld_events.log.file import open_reader
from backfilld_events.projections import finder, numbers
from backfilld_events.projections.finder import Finder
from backfilld_events.row import NewEvent

WEB = [Did(f"did:web:host{n}.example") for n in range(20)]
PAGES = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 60), st.lists(st.sampled_from(WEB), max_size=3)),
    max_size=12,
)


@settings(max_examples=60)
@given(PAGES, st.sampled_from([0, 7, 60]), st.integers(1, 3), st.data())
def test_a_reader_finds_the_numbers_that_the_writer_gave(
    pages: list[tuple[int, int, list[Did]]], waiting: int, fan_bits: int, data: st.DataObject
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        closing(EventLog.open(Path(folder) / "events.db")) as log,
        closing(open_reader(Path(folder) / "events.db")) as db,
    ):
        for module in (numbers, finder):
            patch.setattr(module, "WAITING_MAX", waiting)
        patch.setattr(numbers, "FAN_BITS", fan_bits)
        log.append([Append([NewEvent("job/a", started(POSTS), "x")])], 1)
        reader, first, named = Finder(db), 0, set[Did]()
        for start, count, others in pages:
            found = [*dids(start, count), *others]
            event = replace(page(first, len(found)), dids=ids.pack(found))
            log.append([Append([NewEvent("job/a", event, "x")])], 1)
            first += len(found)
            named.update(found)
            if data.draw(st.booleans()):
                keys = [pack_one(one) for one in [*sorted(named), *dids(900, 2)]]
                assert reader.find(keys) == log._projections._numbers.find(keys)
        keys = [pack_one(one) for one in sorted(named)]
        assert reader.find(keys) == log._projections._numbers.find(keys)
        assert None not in reader.find(keys)
