"""What a job would be, told by earlier ones; every number names the jobs it rests on."""

from statistics import median

from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace
from support.given import LIKES, NOON, POSTS, given, handed_off, page, started

from backfilld.control.jobs import forecast
from backfilld.control.jobs.forecast import Past
from backfilld_events.catalog.job import JobCompleted
from backfilld_events.folds.job import evolve
from backfilld_events.ids import Nsid

Batches = list[tuple[float, int]]


def past(
    repos: int = 18_234,
    batches: Batches | None = None,
    *,
    took_s: float = 600.0,
    collection: Nsid = POSTS,
    job_id: str = "3b0d4f7e-0c58",
) -> Past:
    job = given(started(collection), page(0, 5, None, collection), handed_off(5))
    job = evolve(job, JobCompleted(5, 5, 0, []), NOON + took_s)
    return Past(replace(job, id=job_id), repos, batches or [])


def steady(seconds: int, per_minute: int) -> Batches:
    return [(NOON + at, per_minute // 6) for at in range(0, seconds + 1, 10)]


def test_the_last_job_of_the_same_collections_is_the_estimate_and_is_named_with_its_date() -> None:
    known = forecast.expected(past(), [])
    assert (known.repos, known.how) == (18_234, "estimate")
    assert known.sentence == "About 18,234, as in job 3b0d4f7e of 2027-01-15."
    (source,) = known.sources
    assert (source.job_id, source.completed_at[:10]) == ("3b0d4f7e-0c58", "2027-01-15")


def test_jobs_of_one_collection_each_add_up_to_a_number_that_is_said_to_be_too_high() -> None:
    known = forecast.expected(None, [past(100), past(50, collection=LIKES, job_id="81c2aa01")])
    assert (known.repos, known.how) == (150, "at_most")
    assert "counted once only" in known.sentence


def test_what_no_job_has_listed_is_not_known_and_never_zero() -> None:
    for parts in ([None], [past(100), None], []):
        known = forecast.expected(None, parts)
        assert (known.repos, known.how, known.sources) == (None, "unknown", [])
    unknown = forecast.duration(None, [past(100, steady(600, 600))])
    assert (unknown.low_s, unknown.high_s, unknown.withheld) == (None, None, "unknown")


def test_the_duration_is_by_the_minutes_of_earlier_jobs() -> None:
    one = past(6_000, steady(600, 600))
    known = forecast.duration(12_000, [one])
    assert (known.low_s, known.high_s, known.text) == (1200, 1200, "about 20 min")
    assert [source.job_id for source in known.sources] == [one.job.id]
    both = forecast.duration(12_000, [one, past(3_000, steady(600, 300), job_id="slow")])
    assert both.low_s is not None
    assert both.high_s is not None
    assert both.low_s < both.high_s
    assert len(both.sources) == 2


def test_of_a_job_of_less_than_two_minutes_the_whole_is_taken() -> None:
    assert forecast.paces(past(400, [(NOON + 5, 200), (NOON + 10, 200)], took_s=20)) == [20]


def test_minutes_in_which_an_earlier_job_stood_do_not_count() -> None:
    batches = steady(300, 600) + [(at + 7200, n) for at, n in steady(300, 600)]
    paces = forecast.paces(past(6_000, batches, took_s=7_500))
    assert len(paces) < 12
    assert median(paces) == 10


def test_without_an_earlier_job_no_duration_is_told() -> None:
    for earlier in ([], [past(0)], [past(100, steady(60, 60), took_s=-5)]):
        known = forecast.duration(100, earlier)
        assert (known.low_s, known.high_s, known.withheld) == (None, None, "too_early")
        assert known.sources == []


@for_all(
    st.integers(0, 10**9),
    st.lists(st.tuples(st.floats(NOON, NOON + 1e5), st.integers(1, 3000)), max_size=50),
    st.floats(-1e5, 1e6),
)
def test_whatever_the_past_a_duration_runs_upwards(
    repos: int, batches: Batches, took_s: float
) -> None:
    known = forecast.duration(repos, [past(repos, sorted(batches), took_s=took_s)])
    assert known.text
    if known.withheld is None:
        assert known.low_s is not None
        assert known.high_s is not None
        assert 0 <= known.low_s <= known.high_s
