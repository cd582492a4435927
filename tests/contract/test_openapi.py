"""What the OpenAPI document says is so, whatever is sent: with a key, and without one."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from contract.doors import Door, key
from contract.rows import PERMISSIONS
from support.machine import BIN, Machine, until

ENDLESS = "/admin/backfill/{job_id}/events"  # goes on as long as the job does


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_port: int) -> Iterator[Machine]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("openapi")
        machine = Machine(folder, stack, faults=0, port=module_port)
        until(lambda: machine.control.get("/admin/health")["channel"]["connected"])
        machine.upload()
        yield machine


@pytest.fixture(scope="module")
def document(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document, without what goes on for ever or as long as it is asked to."""
    said = machine.control.get("/admin/openapi.json")
    del said["paths"][ENDLESS]
    for path, method, name in [
        ("/admin/log", "get", "follow"),
        ("/admin/backfill", "post", "wait"),
        ("/admin/backfill", "post", "Prefer"),
    ]:
        asked = said["paths"][path][method]["parameters"]
        said["paths"][path][method]["parameters"] = [one for one in asked if one["name"] != name]
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(said))
    return path


def test_every_answer_is_one_that_the_document_describes(machine: Machine, document: Path) -> None:
    command = [str(BIN / "schemathesis"), "run", str(document)]
    command += ["--url", f"http://127.0.0.1:{machine.port}", "--seed", "1", "--no-color"]
    command += ["-H", f"Authorization: Bearer {key(machine, *PERMISSIONS)}"]
    command += ["--max-examples", "10", "--phases", "examples,coverage,fuzzing"]
    command += ["--request-timeout", "20"]
    # what is refused may be right by the schema: there is no such job, the NSID is no lexicon; and
    # Litestar's answer to OPTIONS names the methods of one handler alone
    left_out = "positive_data_acceptance,negative_data_rejection,allow_header_conformance"
    command += ["--exclude-checks", left_out]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=document.parent)
    assert ran.returncode == 0, ran.stdout[-6000:]


def test_without_a_key_nothing_is_told_and_nothing_is_done(
    machine: Machine, document: Path
) -> None:
    paths = json.loads(document.read_text())["paths"]
    before = machine.control.get("/admin/log/checkpoint")["position"]
    for path, item in paths.items():
        for method in item:
            status, text = Door(machine.port).ask(method.upper(), path, {"name": "x"})
            assert status == (200 if path == "/health" else 401), (method, path, text)
    assert machine.control.get("/admin/log/checkpoint")["position"] == before
