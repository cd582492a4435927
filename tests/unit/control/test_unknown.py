"""A path that is not there says why, or which one was meant."""

import pytest

from backfilld.control.serving.unknown import NOT_OURS, not_found


@pytest.mark.parametrize("name", sorted(NOT_OURS))
@pytest.mark.parametrize("more", ["", "/", "/17", "/17/run"])
def test_what_happyview_has_and_we_have_not_says_why(name: str, more: str) -> None:
    found = not_found(f"/admin/{name}{more}")
    assert found.error == "not part of backfilld"
    assert found.hint == NOT_OURS[name]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/admin/backfil/status", "/admin/backfill/status"),
        ("/admin/lexicon", "/admin/lexicons"),
        ("/healthz", "/health"),
        ("/admin/tap/stat", "/admin/tap/stats"),
        ("/backfill/status", "/admin/backfill/status"),
    ],
)
def test_a_slip_is_told_which_path_was_meant(path: str, meant: str) -> None:
    assert not_found(path).hint == f"did you mean {meant}?"


@pytest.mark.parametrize("path", ["/", "", "//", "/" + "x" * 100_000, "/\x1b[31m", "/wp-login.php"])
def test_any_other_path_is_told_where_all_are(path: str) -> None:
    found = not_found(path)
    assert (found.error, found.code) == ("Not Found", "not-found")
    assert found.hint == "all paths: GET /admin/openapi.json"
