"""Which version of a record wins."""

from hypothesis import given
from hypothesis import strategies as st

from backfilld.records.rules import SAME, Held, Judged, Verdict, first, judge
from backfilld_events.ids import Cid, Rev

OLD, MID, NEW = Rev("3aaaaaaaaaaa2"), Rev("3aaaaaaaaaab2"), Rev("3aaaaaaaaaac2")
A, B = Cid("bafyreia"), Cid("bafyreib")


def test_an_older_rev_never_overwrites_a_newer_one() -> None:
    assert judge(Held(NEW, A), OLD, B) == Judged(Verdict.STALE, None)
    assert judge(Held(NEW, A), OLD, None) == Judged(Verdict.STALE, None)
    assert judge(Held(NEW, None), OLD, A) == Judged(Verdict.STALE, None)


def test_a_redelivered_record_changes_nothing() -> None:
    assert judge(Held(MID, A), MID, A) == Judged(Verdict.UNCHANGED, None)


def test_a_newer_rev_with_the_same_content_raises_the_rev() -> None:
    assert judge(Held(OLD, A), NEW, A) == Judged(Verdict.UNCHANGED, Held(NEW, A))


def test_a_deleted_record_does_not_come_back_with_an_old_create() -> None:
    _, held = judge(Held(OLD, A), NEW, None)
    assert held == Held(NEW, None)
    assert judge(held, OLD, A).verdict is Verdict.STALE
    assert judge(held, NEW, A).verdict is Verdict.STALE


def test_a_delete_that_comes_first_is_remembered() -> None:
    assert judge(None, MID, None) == Judged(Verdict.UNCHANGED, Held(MID, None))


def test_a_record_created_again_after_its_delete_counts_as_inserted() -> None:
    assert judge(Held(MID, None), NEW, A) == Judged(Verdict.INSERTED, Held(NEW, A))


versions = st.tuples(st.sampled_from([OLD, MID, NEW]), st.sampled_from([A, B, None]))


@given(st.lists(versions, min_size=1, max_size=12))
def test_the_verdicts_add_up_to_what_is_held(history: list[tuple[Rev, Cid | None]]) -> None:
    held: Held | None = None
    rows = 0
    for rev, cid in history:
        before = held
        verdict, after = judge(held, rev, cid)
        held = after or held
        rows += (verdict is Verdict.INSERTED) - (verdict is Verdict.DELETED)
        assert before is None or (held is not None and held.rev >= before.rev)
        assert after is None or after == Held(rev, cid)
    assert held is not None
    assert rows == (held.cid is not None)
    assert held.rev == max(rev for rev, _ in history), "the newest rev is never lost"


@given(st.lists(versions, min_size=1, max_size=6, unique_by=lambda v: v[0]), st.randoms())
def test_the_end_is_the_same_in_any_order(
    history: list[tuple[Rev, Cid | None]], random: st.DrawFn
) -> None:
    shuffled = list(history) * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ends = []
    for order in (history, shuffled):
        held: Held | None = None
        for rev, cid in order:
            held = judge(held, rev, cid).held or held
        ends.append(held)
    assert ends[0] == ends[1]


@given(st.sampled_from([OLD, MID, NEW]), st.sampled_from([A, B, None]))
def test_what_a_store_may_see_by_itself_is_what_the_law_says(rev: Rev, cid: Cid | None) -> None:
    assert judge(Held(rev, cid), rev, cid) == SAME
    assert judge(None, rev, cid) == Judged(first(cid), Held(rev, cid))
