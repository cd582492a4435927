"""A [[notify]] table that cannot work stops the start, and says where and what to do."""

from pathlib import Path

import pytest

from backfilld.config import BadConfig, load
from backfilld.config.keys import NotifyConfig
from backfilld.notify import targets


def written(folder: Path, *tables: str) -> Path:
    (folder / "secret").write_text("s3cret of ours\n")
    (folder / "empty").write_text(" \n")
    path = folder / "c.toml"
    path.write_text("\n".join(tables).replace("FOLDER", str(folder)))
    return path


FIRST = "[[notify]]\non = ['job.failed']\nexec = ['/bin/true']\n"
SIGNED = "secret_file = 'FOLDER/secret'\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("exec = ['/bin/true']\nurl = 'https://a.example'\n", r":8: notify\[1\].url: .* exec"),
        ("", r":5: notify\[1\].exec: is missing, and so is url"),
        ("exec = ['page']\n", r":7: notify\[1\].exec: 'page' is no whole path"),
        ("exec = ['/a', \"\\u0000\"]\n", r":7: notify\[1\].exec: has a NUL"),
        ("exec = ['/a']\nsecret_file = 'x'\n", r":8: notify\[1\].secret_file: .* exec"),
        ("url = 'https://a.example/x'\n", r":5: notify\[1\].secret_file: is missing: .* signed"),
        (
            "url = 'https://a.example/x'\nsecret_file = '/nope'\n",
            r":8: .*: /nope cannot",
        ),
        ("url = 'https://a.example/x'\nsecret_file = 'FOLDER/empty'\n", r":8: .* hold 1 to 4096"),
        ("url = 'http://a.example/x'\n" + SIGNED, r":7: notify\[1\].url: is plain http"),
        ("url = 'http://10.0.0.1/x'\n" + SIGNED, r":7: notify\[1\].url: is plain http"),
        ("url = 'ftp://a.example/x'\n" + SIGNED, r":7: notify\[1\].url: is no address"),
        ("url = 'https://'\n" + SIGNED, r":7: notify\[1\].url: is no address"),
        ("url = 'https://[::1/'\n" + SIGNED, r":7: notify\[1\].url: is no address"),
        ("url = 'https://a.example/a b'\n" + SIGNED, r":7: notify\[1\].url: is no address"),
        ("url = 'https://u:pw1234@a.example'\n" + SIGNED, r":7: notify\[1\].url: has a user"),
        ("url = 'https://a.example/x#y'\n" + SIGNED, r":7: notify\[1\].url: has a fragment"),
    ],
)
def test_an_error_names_the_table_and_the_key(tmp_path: Path, text: str, error: str) -> None:
    path = written(tmp_path, FIRST, "[[notify]]\non = ['job.stalled']\n" + text)
    with pytest.raises(BadConfig, match=r"c\.toml" + error) as refused:
        load(path, {})
    assert "pw1234" not in str(refused.value)


def test_a_kind_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="notify.on: Invalid enum value 'job.done'"):
        load(written(tmp_path, "[[notify]]\non = ['job.done']\nexec = ['/bin/true']\n"), {})


def test_two_tables_for_the_same_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r":6: notify\[1\].on: another table has the same"):
        load(written(tmp_path, FIRST, FIRST), {})


@pytest.mark.parametrize(
    "url",
    ["https://a.example/x?y=z", "http://127.0.0.1:8000/x", "http://[::1]/", "https://10.1.2.3"],
)
def test_an_address_with_tls_or_of_this_machine_is_taken(tmp_path: Path, url: str) -> None:
    text = f"[[notify]]\non = ['job.failed']\nurl = '{url}'\n{SIGNED}"
    (table,) = load(written(tmp_path, text), {}).notify
    assert table.url == url


def test_rediscovery_is_never_or_at_most_every_minute(tmp_path: Path) -> None:
    for text in ("0s", "1m", "7d"):
        load(written(tmp_path, f"[jobs]\nrediscover = '{text}'\n"), {})
    with pytest.raises(BadConfig, match=r"c\.toml:2: jobs.rediscover: must be 0s, which is never"):
        load(written(tmp_path, "[jobs]\nrediscover = '59s'\n"), {})


def test_a_target_keeps_its_name_while_it_wants_and_is_the_same() -> None:
    base = NotifyConfig(on=("job.failed", "job.synced"), url="https://a.example/t0ken")
    same = NotifyConfig(on=("job.synced", "job.failed"), url=base.url, secret_file="/new")
    assert targets.name(base) == targets.name(same)
    others = [
        NotifyConfig(on=("job.failed",), url=base.url),
        NotifyConfig(on=base.on, url="https://a.example/other"),
        NotifyConfig(on=base.on, exec=("/bin/a",)),
        NotifyConfig(on=base.on, exec=("/bin/a", "-x")),
    ]
    assert len({targets.name(one) for one in (base, *others)}) == 5
    assert targets.to(base) == "https://a.example", "a path may hold a secret"
    assert targets.to(others[3]) == "/bin/a"
