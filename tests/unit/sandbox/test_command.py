"""`python -m backfilld.sandbox.command`, as a process."""

import json
import re
import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from backfilld.sandbox.command import sandbox
from backfilld.sandbox.relay import PATH

COMMAND = [sys.executable, "-m", "backfilld.sandbox.command"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_its_addresses_in_one_line_serves_and_ends_when_told(stop: signal.Signals) -> None:
    options = ["--repos", "1000000", "--outbox-only", "--collection", "net.example.score"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert addresses.keys() == {"relay", "tap"}
        params = {"collection": "net.example.score", "limit": "1000"}
        page = httpx.get(addresses["relay"] + PATH, params=params).json()
        dids = [repo["did"] for repo in page["repos"]]
        assert len(dids) == 1000
        assert httpx.post(addresses["tap"] + "/repos/add", json={"dids": dids}).status_code == 200
        count = httpx.get(addresses["tap"] + "/stats/repo-count").json()
        assert count == {"repo_count": 1000}
        process.send_signal(stop)
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--records", "5-1"], "runs down"),
        (["--records", "few"], "no number and no range"),
        (["--collection", "foo"], "is not an NSID"),
        (["--odd-share", "2"], "0<=x<=1"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(sandbox, arguments)
    assert result.exit_code == 2
    assert says in re.sub(r"\s+", " ", result.output)
