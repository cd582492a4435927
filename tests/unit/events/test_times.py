"""A time in the log can always be shown."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from backfilld_events.row import utc_text


@given(st.floats())
@example(253402300799.999999)  # the last moment of the year 9999, which rounding moves past it
@example(-62135596800.000001)
@example(float("nan"))
def test_whatever_number_stands_in_the_log_is_shown_as_a_time(seconds: float) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", utc_text(seconds))


def test_a_time_of_any_calendar_is_shown_as_it_is() -> None:
    assert utc_text(1_800_000_000.5) == "2027-01-15T08:00:00.500Z"
