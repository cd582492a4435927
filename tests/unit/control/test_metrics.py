"""What Prometheus reads is in its format whatever the names are, and says nothing it does not
know."""

import re
from pathlib import Path

from hypothesis import given as generated
from hypothesis import strategies as st

from backfilld.backfill import stalls
from backfilld.control import metrics
from backfilld.control.metrics import Measured, OfCollection

ONE = OfCollection({"synced": 7, "failed": 1}, 3.5, 42, 40)
ALL = Measured(
    version="0.1.0",
    stalled={"tap_down": 61.5},
    jobs={"running": 2},
    collections={"net.example.score": ONE},
    collections_total=1,
    unexplained=0,
    handed_over=8,
    connected=True,
    unacked=3,
    outbox=5_120,
    dead_letters=2,
    position=48_213,
    verifies=True,
    verified_s=3_600.5,
    disk_free=2**40,
)
ROOT = Path(__file__).parents[3]
NAMES = {line.split()[2] for line in metrics.text(ALL).splitlines() if line.startswith("# HELP")}
LINE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\n"])*",?)+)\})? (\S+)')


def samples(text: str) -> dict[str, float]:
    """Read as the format says: every line is a comment or a sample."""
    found: dict[str, float] = {}
    for line in text.removesuffix("\n").split("\n"):
        if not line.startswith("#"):
            read = LINE.fullmatch(line)
            assert read is not None, line
            found[f"{read[1]}{{{read[2]}}}" if read[2] else read[1]] = float(read[3])
    return found


def test_each_measure_has_its_line() -> None:
    assert samples(metrics.text(ALL)) == {
        "backfilld_up": 1,
        'backfilld_info{version="0.1.0"}': 1,
        'backfilld_stalled_seconds{on="tap_down"}': 61.5,
        'backfilld_jobs{state="running"}': 2,
        'backfilld_repos{collection="net.example.score",class="synced"}': 7,
        'backfilld_repos{collection="net.example.score",class="failed"}': 1,
        'backfilld_oldest_open_seconds{collection="net.example.score"}': 3.5,
        'backfilld_records_committed_total{collection="net.example.score"}': 42,
        'backfilld_records{collection="net.example.score"}': 40,
        "backfilld_collections": 1,
        "backfilld_unexplained": 0,
        "backfilld_handoff_total": 8,
        "backfilld_channel_connected": 1,
        "backfilld_unacked": 3,
        "backfilld_tap_outbox": 5_120,
        "backfilld_dead_letters": 2,
        "backfilld_log_position": 48_213,
        "backfilld_log_verify_ok": 1,
        "backfilld_log_verify_age_seconds": 3_600.5,
        "backfilld_disk_free_bytes": 2**40,
    }


def test_every_metric_has_its_help_and_type_before_its_samples_and_once() -> None:
    lines = metrics.text(ALL).splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert heads == [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    for name in heads:
        assert name.endswith("_total") == (f"# TYPE {name} counter" in lines)


def test_what_is_not_known_is_not_told_as_0() -> None:
    unknown = ALL._replace(
        outbox=None,
        verifies=None,
        verified_s=None,
        collections={"net.example.score": ONE._replace(oldest_open_s=None)},
    )
    text = metrics.text(unknown)
    assert "tap_outbox" not in text
    assert "oldest_open_seconds{" not in text
    assert "log_verify" not in text


def test_a_log_that_does_not_verify_is_told_though_it_once_did() -> None:
    told = samples(metrics.text(ALL._replace(verifies=False)))
    assert told["backfilld_log_verify_ok"] == 0
    assert told["backfilld_log_verify_age_seconds"] == 3_600.5


@generated(st.text(max_size=20))
def test_a_label_is_one_value_of_one_line_whatever_it_holds(name: str) -> None:
    assert metrics.escaped('a\\b"c\nd') == 'a\\\\b\\"c\\nd'
    text = metrics.text(ALL._replace(collections={name: ONE}))
    assert len(samples(text)) == 20


def test_large_numbers_are_exact() -> None:
    text = metrics.text(ALL._replace(position=9_007_199_254_740_991))
    assert "backfilld_log_position 9007199254740991\n" in text


def test_the_page_about_metrics_has_each_and_no_other() -> None:
    assert set(re.findall(r"`(backfilld_\w+)", (ROOT / "docs/metrics.md").read_text())) == NAMES


def test_the_page_about_metrics_has_each_kind_of_stall() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| \d", page, re.MULTILINE)
    assert sorted(rows) == sorted(stalls.KINDS)


def test_the_shipped_alerts_are_about_metrics_that_there_are() -> None:
    rules = (ROOT / "systemd/backfilld.rules.yml").read_text()
    assert set(re.findall(r"\bbackfilld_\w+", rules)) <= NAMES
    assert rules.count("- alert: ") == rules.count("what_to_do: ") == 9
