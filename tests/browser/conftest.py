"""A real browser before a real daemon. Without a chromium these tests are skipped, unless
TEST_BROWSER=1 says that there must be one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.machine import Machine, until
from support.site import WITHIN_MS, Visit, way_in

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("TEST_BROWSER") == "1":
            pytest.fail("TEST_BROWSER=1, and there is no chromium: apt-get install chromium")
        pytest.skip("there is no chromium: apt-get install chromium")
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, module_port: int
) -> Iterator[Machine]:
    """A daemon whose jobs take some seconds: a page and a batch for each repository. A module that
    needs them to take longer has REPOS; ODD_SHARE of its repositories are not as they should be."""
    wanted = {"--repos": "REPOS", "--odd-share": "ODD_SHARE"}
    given = {name: getattr(request.module, word, None) for name, word in wanted.items()}
    with ExitStack() as stack:
        machine = Machine(
            tmp_path_factory.mktemp("browser"),
            stack,
            faults=0,
            options=[part for name, n in given.items() if n for part in (name, str(n))],
            config={"page_size": 1, "batch_size": 1},
            port=module_port,
        )
        until(lambda: machine.control.get("/admin/health"))
        yield machine


@pytest.fixture
def visit(browser: Browser, machine: Machine) -> Iterator[Visit]:
    """Opens a page as somebody who signed in. What the browser complains of, and every request to
    another host, fails the test."""
    with ExitStack() as stack:
        faults: list[str] = []
        expected: list[str] = []

        def visiting(
            path: str = "/dashboard/jobs",
            *,
            base: str = "",
            complaints: list[str] | None = None,
            **options: Any,
        ) -> Page:
            """`base`: another way to the daemon, which needs no sign-in; `complaints` are parts of
            what the browser will say and may."""
            expected.extend(complaints or [])
            base_url = base or f"http://127.0.0.1:{machine.port}"
            context = stack.enter_context(browser.new_context(base_url=base_url, **options))
            page = context.new_page()
            page.set_default_timeout(WITHIN_MS)
            home = urlsplit(base_url).netloc
            page.on("console", lambda said: said.type == "error" and faults.append(said.text))
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on(
                "request",
                lambda sent: urlsplit(sent.url).netloc == home or faults.append(sent.url),
            )
            if not base:
                page.goto(way_in(machine))
            page.goto(path)
            return page

        yield visiting
        unexpected = [one for one in faults if not any(part in one for part in expected)]
        assert unexpected == []
