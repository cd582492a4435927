"""Prometheus reads what the daemon measures, over the real listeners."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from support.machine import STATUS, Machine, until

from backfilld.control.caller.client import Refusal


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        machine = Machine(tmp_path_factory.mktemp("metrics"), stack, faults=0, port=module_port)
        until(lambda: machine.control.get("/admin/health"))
        yield machine


def scraped(port: int, key: str = "") -> tuple[int, str, str]:
    """(status, content type, body) as Prometheus asks."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read().decode()


def key(machine: Machine, *permissions: str) -> str:
    body = json.dumps({"name": "x", "permissions": list(permissions)}).encode()
    return str(machine.control.post("/admin/api-keys", body).body["key"])


def test_a_job_is_measured_from_its_start_to_its_end(machine: Machine) -> None:
    machine.upload()
    scraper = key(machine, "stats:read")

    def synced() -> str | None:
        _, _, text = scraped(machine.port, scraper)
        classes = [line for line in text.splitlines() if line.startswith("backfilld_repos{")]
        is_open = [
            line for line in classes
            if not line.endswith(" 0") and any(
                f'class="{kind}"' in line
                for kind in ("discovered", "handed_off", "arriving", "parked", "held")
            )
        ]  # fmt: skip
        return text if classes and not is_open and 'class="synced"} 0' not in text else None

    text = until(synced)
    label = f'{{collection="{STATUS}"}}'
    stats = machine.control.get("/admin/stats")
    assert f"backfilld_records{label} {stats['total_records']}\n" in text
    assert f"backfilld_records_committed_total{label} {stats['total_records']}\n" in text
    assert "backfilld_up 1\n" in text
    assert "backfilld_unexplained 0\n" in text
    assert "backfilld_handoff_total 400\n" in text
    assert "backfilld_channel_connected 1\n" in text
    assert f"backfilld_oldest_open_seconds{label}" not in text, "nothing is open"


def test_it_comes_in_prometheus_own_content_type_and_takes_one_permission(
    machine: Machine,
) -> None:
    assert scraped(machine.port, key(machine, "stats:read"))[:2] == (
        200, "text/plain; version=0.0.4; charset=utf-8",
    )  # fmt: skip
    assert scraped(machine.port)[0] == 401
    assert scraped(machine.port, key(machine, "backfill:read"))[0] == 403


def test_switched_off_there_is_no_such_route(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack, faults=0, control="metrics = false")
        until(lambda: machine.control.get("/admin/health"))
        with pytest.raises(Refusal) as refused:
            machine.control.get("/metrics")
        assert refused.value.status == 404
