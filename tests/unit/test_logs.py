"""What is told on stderr has the reason of an error, and no secret."""

from collections.abc import Iterator

import pytest
import structlog

from backfilld import logs


@pytest.fixture(autouse=True)
def reset() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("style", ["text", "json", "auto"])
def test_a_traceback_names_the_place_and_not_what_the_variables_held(
    style: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    logs.configure("info", style)

    secret = bytes(range(16)).hex()

    def breaks(header: str) -> None:
        raise ValueError("a reason")

    try:
        breaks(f"Bearer hv_{secret}")
    except ValueError as error:
        structlog.get_logger("control").error("request failed", exc_info=error)
    said = capsys.readouterr().err
    assert "request failed" in said
    assert "a reason" in said
    assert "breaks" in said
    assert secret not in said
