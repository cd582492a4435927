"""A configuration that is not right says where and what to do."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from backfilld import config
from backfilld.cli.daemon import main
from backfilld.config import BadConfig, Config, Duration, Size, load, units

ROOT = Path(__file__).parents[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text)
    return path


def test_no_file_is_every_default() -> None:
    assert load(None, {}) == Config()


def test_the_example_has_every_key_with_its_default() -> None:
    path = ROOT / "config.example.toml"
    assert load(path, {}) == Config()
    data = tomllib.loads(path.read_text())
    said = {
        f"{table}.{key}" if isinstance(value, dict) else table
        for table, value in data.items()
        for key in (value if isinstance(value, dict) else [table])
    }
    assert said | {"notify"} == set(config.flat(Config()))


def test_the_examples_way_to_be_told_of_something_can_be_used_as_it_is(tmp_path: Path) -> None:
    text = (ROOT / "config.example.toml").read_text()
    sample = text[text.index("# [[notify]]") : text.index("\n\n[logging]")]
    path = written(tmp_path, sample.replace("# ", "", 1).replace("\n# ", "\n"))
    (told,) = load(path, {}).notify
    assert told.exec == ("/usr/local/bin/page", "--low")


def test_the_example_marks_what_a_reload_brings_into_force() -> None:
    table, marked = "", set()
    for line in (ROOT / "config.example.toml").read_text().splitlines():
        if header := re.match(r"\[(\w+)\]", line):
            table = header[1]
        elif (key := re.match(r"(\w+) =", line)) and "[r]" in line:
            marked.add(f"{table}.{key[1]}")
    assert marked == config.RELOADABLE


SOME = """
data_dir = 'a "b" \\ c'
[relay]
urls = ["https://a.example", "https://b.example"]
timeout = "1500ms"
[tap.env]
TAP_RESYNC_PARALLELISM = "10"
[index]
dead_letter_max = "1536KiB"
[jobs]
rediscover = "36h"
[[notify]]
on = ["job.failed"]
exec = ["/usr/bin/page", "\\u007f\\u00e4"]
"""


@pytest.mark.parametrize("text", ["", SOME])
def test_what_check_config_shows_can_be_used_as_a_configuration(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    ran = CliRunner().invoke(main, ["check-config", "--config", str(path)])
    assert ran.exit_code == 0
    shown = written(tmp_path, ran.output)
    assert load(shown, {}) == load(written(tmp_path, text), {})
    if not text:
        assert 'relay.timeout = "30s"   # default\n' in ran.output
        assert 'jobs.rediscover = "0s"   # default\n' in ran.output


@given(st.integers(0, 10**9 - 1))
def test_durations_and_sizes_are_shown_as_they_are_written(n: int) -> None:
    for value in (Duration(n / 1000), Size(n)):
        read = tomllib.loads(f"x = {config.written(value)}")["x"]
        assert units.parse(type(value), read) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("data_dir = 1\n", r"c.toml:1: data_dir: Expected `str`, got `int`"),
        ("\n[tap]\nbatch_size = 0\n", r"c.toml:3: tap.batch_size: Expected `int` >= 1"),
        ("[tap]\n\nbatsh_size = 5\n", r"c.toml:3: tap.batsh_size: .*did you mean tap.batch_size"),
        ("[tapp]\nurl = 'x'\n", r"c.toml:1: tapp: there is no such key"),
        ("[relay]\nurls = []\n", r"c.toml:2: relay.urls: .* length >= 1"),
        ("[relay]\nurls = ['https://a.example', 'ftp://x']\n", r"c.toml:2: relay.urls: 'ftp://x'"),
        ("[relay]\ntimeout = 30\n", r"c.toml:2: relay.timeout: Expected a duration such as"),
        ("[index]\ndead_letter_max = '5 apples'\n", r"c.toml:2: index.dead_letter_max: .* size"),
        ("[control]\nsocket_mode = '999'\n", r"c.toml:2: control.socket_mode: "),
        ("[tap]\nurl = 'http://127.0.0.1:99999'\n", r"c.toml:2: tap.url: .* is no address; write"),
        ("[tap]\nurl = 'http://[::1'\n", r"c.toml:2: tap.url: .* is no address"),
        ("[tap]\nurl = 'http://ex\u00e4mple..com'\n", r"c.toml:2: tap.url: .* is no address"),
        ("[tap]\nurl = 'http://a.example?x=y#z'\n", r"c.toml:2: tap.url: .* leave the rest away"),
        ("[tap]\nurl = 'http://u:secretpw@a.example'\n", r"c.toml:2: tap.url: .*password_file$"),
        ("[tap]\npassword_file = '/nope'\n", r"tap.password_file: cannot be read"),
        ("['relay']\n'timeout' = '0s'\n", r"c.toml:2: relay.timeout: must be from 0.1s"),
        ("[tap]\nstats_interval = '999999999d'\n", r"c.toml:2: tap.stats_interval: must be"),
        ("data_dir = ''\n", r"c.toml:1: data_dir: is empty"),
        ("[control]\nsocket = ''\n", r"c.toml:2: control.socket: is empty"),
        ("[control]\nsocket_group = 'nosuchgroup'\n", r"c.toml:2: control.socket_group: there is"),
        ("[control]\nread_group = 'nosuch'\n", r"c.toml:2: control.read_group: there is no group"),
        (
            "[control]\nread_group = 'root'\n",
            r"c.toml:2: control.read_group: .*'?socket_mode = \"0666",
        ),
        (
            "[control]\nlisten = '0.0.0.0:8410'\n",
            r"c.toml:2: control.listen: .*no .* loopback.*TLS",
        ),
        ("[control]\nlisten = '[::]:8410'\n", r"c.toml:2: control.listen: .* no address of loop"),
        ("[control]\nlisten = '8410'\n", r"c.toml:2: control.listen: .* write 127.0.0.1:8410"),
        ("[control]\nlisten = 'localhost:1'\n", r"c.toml:2: control.listen: .* write 127.0.0.1"),
        ("[control]\nallowed_hosts = ['a/b']\n", r"c.toml:2: control.allowed_hosts: 'a/b' is no"),
        ("[control]\ncors_origins = ['*']\n", r"c.toml:2: control.cors_origins: '\*' is no origin"),
        ("[control]\ncors_origins = ['https://a.b/']\n", r"c.toml:2: control.cors_origins: "),
        ("[identity]\ndns_servers = ['a.b:53']\n", r"c.toml:2: identity.dns_servers: .* IP:PORT"),
        ("[identity]\nallow_hosts = ['a.b']\n", r"c.toml:2: identity.allow_hosts: .*HOST:PORT"),
        ("[[notify]]\non = ['job.failed']\n", r"c.toml:1: notify\[0\].exec: is missing, .*url"),
        (
            "[[notify]]\non = ['job.failed']\nurl = 'ftp://a'\n",
            r"c.toml:3: notify\[0\].url: .* https",
        ),
        ("[tap\n", r"c.toml: .*line 1"),
        ("data_dir = 'a'\ndata_dir = 'b'\n", r"c.toml: .*line 2"),
    ],
)
def test_an_error_names_file_line_key_and_remedy(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(BadConfig, match=error):
        load(written(tmp_path, text), {})


def test_loopback_addresses_may_be_listened_on(tmp_path: Path) -> None:
    for listen in ("127.0.0.1:8410", "127.0.0.2:1", "[::1]:65535"):
        found = load(written(tmp_path, f"[control]\nlisten = '{listen}'\n"), {})
        assert found.control.listen == listen


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="nothere.toml"):
        load(tmp_path / "nothere.toml", {})


def test_the_environment_comes_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[tap]\nbatch_size = 5\n[relay]\nurls = ['https://a.example']\n")
    environment = {
        "BACKFILLD_TAP__BATCH_SIZE": "7",
        "BACKFILLD_RELAY__URLS": "http://b.example, http://c.example",
        "BACKFILLD_INDEX__GROUP_WAIT": "5ms",
        "BACKFILLD_SOCKET": "is the command line's",
        "OTHER": "x",
    }
    found = load(path, environment)
    assert (found.tap.batch_size, found.index.group_wait) == (7, 0.005)
    assert found.relay.urls == ("http://b.example", "http://c.example")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("BACKFILLD_TAP__BATCH_SIZE", "4000", "BACKFILLD_TAP__BATCH_SIZE: Expected `int` <= 3000"),
        ("BACKFILLD_TAP__BATCH_SIZE", "many", "BACKFILLD_TAP__BATCH_SIZE: Expected `int`"),
        ("BACKFILLD_TAP__BATSH", "4", "BACKFILLD_TAP__BATSH: there is no key tap.batsh"),
    ],
)
def test_an_error_of_the_environment_names_the_variable(name: str, value: str, error: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(error)):
        load(None, {name: value})


def test_a_password_is_read_from_its_file_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    path = written(tmp_path, f"[tap]\npassword_file = '{tmp_path}/password'\n")
    secret = config.password(load(path, {}))
    assert secret == "hunter2"
    assert "hunter2" not in repr(secret)


SUPERVISED = "[tap]\nsupervise = true\ncommand = ['/bin/true']\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("url = 'http://tap.example:2480'", r"c.toml:4: tap.url: .* not where we could run Tap"),
        ("url = 'http://127.0.0.1'", r"c.toml:4: tap.url: .* http://127.0.0.1:2480"),
        ("url = 'https://127.0.0.1:2480'", r"c.toml:4: tap.url: "),
        ("env = { TAP_BIND = ':1' }", r"c.toml:4: tap.env: has TAP_BIND; set tap.url"),
        ("env = { TAP_ADMIN_PASSWORD = 'x' }", r"c.toml:4: tap.env: .* tap.password_file"),
        ("env = { TAP_DISABLE_ACKS = '1' }", r"c.toml:4: tap.env: .*lost"),
        ("env = { TAP_DATABASE_URL = 'postgres://u:pw@h/x' }", r"c.toml:4: tap.env: .* PGPASSFILE"),
        ("env = { tap = '1' }", r"c.toml:4: tap.env: 'tap' is no name .* in capitals"),
        ("env = { TAP_X = 1 }", r"c.toml:4: tap.env: Expected `str`, got `int`"),
    ],
)
def test_a_tap_that_we_could_not_run_is_refused(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(BadConfig, match=error):
        load(written(tmp_path, f"{SUPERVISED}{line}\n"), {})
    if "Expected" not in error:
        off = SUPERVISED.replace("true\n", "false\n", 1)
        assert load(written(tmp_path, f"{off}{line}\n"), {}), "it is no matter unless we run it"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("['/nope/tap']", r"tap.command: there is no program '/nope/tap'.*install Tap"),
        ("['/bin/true', '--admin-password=x']", r"has the option --admin-password; .*_file$"),
        ("['/bin/true', 'run', '--collection-filters', 'a']", r"--collection-filters; leave it"),
        ("['/bin/true', '-bind', ':1']", r"tap.command: has the option -bind; set tap.url"),
    ],
)
def test_a_command_that_would_undo_what_we_set_is_refused(
    tmp_path: Path, command: str, error: str
) -> None:
    text = SUPERVISED.replace("['/bin/true']", command)
    with pytest.raises(BadConfig, match=f"c.toml:3: .*{error}"):
        load(written(tmp_path, text), {})


def test_a_tap_of_ours_takes_more_variables_and_options(tmp_path: Path) -> None:
    line = "env = { TAP_RELAY_URL = 'https://a.example', PGPASSFILE = '/x' }\n"
    text = SUPERVISED.replace("'/bin/true'", "'/bin/true', 'run', '--no-replay'") + line
    found = load(written(tmp_path, text), {}).tap
    assert found.env == {"TAP_RELAY_URL": "https://a.example", "PGPASSFILE": "/x"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("verify_every = '59s'", r"c.toml:3: log.verify_every: must be 0s, which is never, or 60s"),
        ("replay_every = '59s'", r"c.toml:3: log.replay_every: must be 0s, which is never, or 60s"),
        ("verify_every = '367d'", r"c.toml:3: log.verify_every: must be from 0s to"),
        ("checkpoint_every = '1s'", r"c.toml:3: log.checkpoint_every: must be 0s, which is never"),
        ("verify_rate = 99", r"c.toml:3: log.verify_rate: Expected `int` >= 100"),
        ("verify_at_start = 'head'", r"c.toml:3: log.verify_at_start: Invalid enum value 'head'"),
        ("checkpoint_file = 'a'", r"c.toml:3: log.checkpoint_file: a is no whole path; write one"),
        ("checkpoint_file = '{folder}/no/a'", r"checkpoint_file: .* there is no folder .*make it$"),
        ("checkpoint_file = '{folder}/link'", r"link is a symbolic link; name the file itself$"),
        ("checkpoint_file = '{folder}'", r"c.toml:3: log.checkpoint_file: .* is no file$"),
        ("checkpoint_file = '{folder}/data/a'", r"checkpoint_file: .* is in data_dir: whoever"),
        ("checkpoint_file = '{folder}/elsewhere/a'", r"checkpoint_file: .* is in data_dir"),
    ],
)
def test_what_the_log_cannot_be_verified_or_kept_by_is_refused(
    tmp_path: Path, line: str, error: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data" / "events.db")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "data")
    line = line.format(folder=tmp_path)
    with pytest.raises(BadConfig, match=error):
        load(written(tmp_path, f"data_dir = '{tmp_path}/data'\n[log]\n{line}\n"), {})


def test_a_file_that_we_may_not_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backfilld.config.checkpoints.os.access", lambda *_: False)
    for _ in range(2):
        with pytest.raises(BadConfig, match=r"log.checkpoint_file: .*/a cannot be written by us"):
            load(written(tmp_path, f"[log]\ncheckpoint_file = '{tmp_path}/a'\n"), {})
        (tmp_path / "a").write_text("")


def test_checkpoints_are_kept_in_a_file_that_is_there_or_will_be(tmp_path: Path) -> None:
    for line in (f"checkpoint_file = '{tmp_path}/a'", "verify_every = '0s'"):
        assert load(written(tmp_path, f"[log]\n{line}\n"), {})
    (tmp_path / "a").write_text("")
    assert load(written(tmp_path, f"[log]\ncheckpoint_file = '{tmp_path}/a'\n"), {})
