"""Everybody can use it: screen readers, keyboards, small screens, light and dark."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from support import jobs
from support.given import did
from support.machine import STATUS, Machine
from support.site import Visit

Opens = Callable[[Page], object]


@pytest.fixture(scope="module")
def job(machine: Machine) -> str:
    """A job that is paused near its beginning; beside it one that failed."""
    jobs.lexicon(machine)
    jobs.started(machine, collection="net.example.nowhere")
    return jobs.paused(machine, reason="so that there is one")


def _wrong(page: Page) -> Page:
    page.locator("#start-go").click()
    return page


def _planned(page: Page) -> Page:
    page.locator("#start-collection").fill(STATUS)
    page.locator("#start-preview").click()
    return page


def _keys(page: Page) -> Page:
    page.locator("#keys-open").click()
    return page


VIEWS: dict[str, tuple[str, Opens]] = {
    "the list": ("/dashboard/jobs", lambda page: page),
    "an empty list": ("/dashboard/jobs?state=stalled", lambda page: page),
    "a form that is wrong": ("/dashboard/jobs", _wrong),
    "a plan": ("/dashboard/jobs", _planned),
    "a job": ("/dashboard/jobs/{job}", lambda page: page),
    "its errors": ("/dashboard/jobs/{job}/errors", lambda page: page),
    "the overview": ("/dashboard/overview", lambda page: page),
    "a collection": (f"/dashboard/coverage/{STATUS}", lambda page: page),
    "repositories": ("/dashboard/repos?job={job}", lambda page: page),
    "an account that is not known": (f"/dashboard/repos/{did(0)}", lambda page: page),
    "a search that is wrong": ("/dashboard/repos?name=nonsense!", lambda page: page),
    "Tap": ("/dashboard/tap", lambda page: page),
    "no dead letters": ("/dashboard/dead-letters", lambda page: page),
    "the log": ("/dashboard/log", lambda page: page),
    "the question before a cancellation": ("/dashboard/jobs/{job}/cancel", lambda page: page),
    "the keys": ("/dashboard/jobs", _keys),
    "a page that is not there": ("/dashboard/nowhere", lambda page: page),
    "the sign-in": ("/dashboard/login?ticket=used", lambda page: page),
}


def opened(visit: Visit, job: str, name: str) -> Page:
    path, then = VIEWS[name]
    page = visit(path.format(job=job), complaints=["status of 40"])
    then(page)
    return page


@pytest.mark.parametrize("name", VIEWS)
def test_axe_finds_nothing_in_light_in_dark_and_on_a_small_screen(
    visit: Visit, job: str, name: str
) -> None:
    page = opened(visit, job, name)
    _finds_nothing(page)
    page.emulate_media(color_scheme="dark")
    _finds_nothing(page)
    page.set_viewport_size({"width": 320, "height": 640})
    _finds_nothing(page)
    for width in (320, 768, 1240, 1280):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert _too_wide(page, width) == []


def test_axe_finds_nothing_while_the_numbers_are_old(visit: Visit, job: str) -> None:
    page = opened(visit, job, "a job")
    page.evaluate(
        "document.getElementById('lost').hidden = false;"
        "document.getElementById('lost-says').textContent = 'Numbers from 14:53:24 UTC.';"
        "document.body.classList.add('stale')"
    )
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        _finds_nothing(page)


def _finds_nothing(page: Page) -> None:
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": tags})
    assert found.response["violations"] == [], found.generate_report()


def _too_wide(page: Page, width: int) -> list[str]:
    found: list[str] = page.evaluate(
        """(width) => [...document.querySelectorAll('main *')]
          .filter((one) => one.getBoundingClientRect().right > width + 1)
          .map((one) => one.outerHTML.slice(0, 80))""",
        width,
    )
    return found


def test_a_job_is_started_resumed_and_cancelled_with_the_keyboard_alone(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit()
    _tab_to(page, "start-collection")
    page.keyboard.type("net.example.nowhere")
    _tab_to(page, "start-go")
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("job.started")
    page.goto(f"/dashboard/jobs/{jobs.paused(machine, reason='for the keyboard')}")
    _tab_to(page, "do-cancel")
    page.keyboard.press("Enter")
    _ready(page, "Cancel job")
    _tab_to(page, "reason")
    page.keyboard.type("no hands")
    _tab_to(page, "cancel-go")
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("job.cancel-asked")
    page.goto(f"/dashboard/jobs/{jobs.paused(machine, reason='for the keyboard again')}")
    _tab_to(page, "do-resume")
    page.keyboard.press("Space")
    expect(page.locator("#note")).to_contain_text("job.resumed")


def _tab_to(page: Page, target: str) -> None:
    """Tab, and nothing else; where it stands can be seen."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == target:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"Tab never comes to {target}")


def test_the_first_tab_offers_to_skip_to_the_content(visit: Visit, job: str) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_single_keys_go_where_they_say(visit: Visit, job: str) -> None:
    page = visit(f"/dashboard/jobs/{job}")
    _ready(page, "Job ")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("h")
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("g")
    page.keyboard.press("r")
    _ready(page, "Repositories")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "name"
    page.goto(f"/dashboard/jobs/{job}")
    _ready(page, "Job ")
    page.keyboard.press("Escape")
    _ready(page, "Backfill jobs")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    _ready(page, "Job ")
    page.keyboard.press("g")
    page.keyboard.press("j")
    _ready(page, "Backfill jobs")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "state"


def _ready(page: Page, title: str) -> None:
    """Waits until a page is there and hears keys."""
    expect(page.locator("h1")).to_contain_text(title)
    expect(page.locator("#keys-open")).to_be_visible()


def test_single_keys_do_nothing_in_a_field_and_can_be_switched_off(visit: Visit, job: str) -> None:
    page = visit()
    page.locator("#start-collection").focus()
    page.keyboard.type("h?/gj")
    expect(page.locator("#start-collection")).to_have_value("h?/gj")
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "false")
    page.locator("#keys-open").click()
    page.locator("#keys-on").uncheck()
    page.locator("#keys-close").click()
    page.reload()
    _ready(page, "Backfill jobs")
    page.keyboard.press("h")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "false")


def test_a_bar_says_how_far_in_words_and_no_end_that_is_not_known(visit: Visit, job: str) -> None:
    page = visit(f"/dashboard/jobs/{job}")
    bars = page.get_by_role("progressbar")
    expect(bars).to_have_count(4)
    for bar in bars.all():
        assert "paused" in (bar.get_attribute("aria-valuetext") or "")
        assert bar.get_attribute("value") is None
    expect(page.get_by_role("status")).to_have_count(1)
