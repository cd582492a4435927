"""The page lives: what happens to a job is seen without a reload."""

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect
from support import jobs
from support.machine import STATUS, Machine, until
from support.site import WITHIN_MS, Visit
from support.tunnel import tunnel


@pytest.fixture(scope="module", autouse=True)
def _lexicon(machine: Machine) -> None:
    jobs.lexicon(machine)


@pytest.fixture
def job(machine: Machine) -> Iterator[str]:
    """A job that is paused near its beginning."""
    job = jobs.paused(machine)
    yield job
    if machine.control.get(f"/admin/backfill/{job}")["completed_at"] is None:
        jobs.do(machine, job, "cancel")


def loaded_once(page: Page) -> None:
    """Notes in the page itself that it was loaded: a reload forgets it."""
    page.evaluate("window.here = true")


def still_the_same(page: Page) -> bool:
    return bool(page.evaluate("window.here === true"))


def test_a_job_moves_on_the_page_by_itself(visit: Visit, machine: Machine, job: str) -> None:
    page = visit()
    row = page.locator(f"#job-{job}")
    expect(row).to_contain_text("paused")
    loaded_once(page)
    before = row.locator("[data-label='Handed off']").inner_text()
    jobs.do(machine, job, "resume")
    expect(row).to_contain_text("running")
    expect(row.locator("[data-label='Handed off']")).not_to_have_text(before)
    expect(row).to_contain_text("All 400 repositories are handed to Tap.", timeout=60_000)
    expect(row.locator("progress")).to_have_attribute("value", "400")
    assert still_the_same(page)


def test_one_job_s_page_follows_it_to_its_end(visit: Visit, machine: Machine, job: str) -> None:
    page = visit(f"/dashboard/jobs/{job}")
    expect(page.locator("#banner")).to_contain_text("Nothing, until somebody resumes it.")
    lane = page.locator("#lanes progress").first
    assert lane.get_attribute("value") is None, "no bar has an end that is not known"
    loaded_once(page)
    jobs.do(machine, job, "resume")
    expect(page.locator("#banner")).to_contain_text("completed", timeout=60_000)
    expect(page.locator("#lanes progress").nth(1)).to_have_attribute("value", "400")
    expect(page.locator("#events")).to_contain_text("job.completed")
    expect(page.locator("#do-pause")).to_have_attribute("aria-disabled", "true")
    assert still_the_same(page)


def test_a_state_that_changes_is_said_to_who_listens(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit()
    expect(page.locator("#said")).to_be_empty()
    page.wait_for_function("document.getElementById('as-of-time') !== null")
    watched(page)
    jobs.do(machine, job, "resume")
    expect(page.locator("#said")).to_contain_text(f"Job {job[:8]} is running.")


def watched(page: Page) -> None:
    """Waits until the stream has brought its first message."""
    first = page.locator("#as-of-time").get_attribute("datetime")
    expect(page.locator("#as-of-time")).not_to_have_attribute("datetime", first or "")


def test_rows_never_jump_a_new_job_waits_to_be_shown(visit: Visit, machine: Machine) -> None:
    page = visit()
    shown = page.locator("#jobs th a").all_inner_texts()
    jobs.started(machine, collection="net.example.nowhere")
    new = page.locator("#new a")
    expect(new).to_have_text("1 new · show")
    assert page.locator("#jobs th a").all_inner_texts() == shown
    new.click()
    expect(page.locator("#jobs tr").first).to_contain_text("net.example.nowhere")


def test_hold_stops_the_numbers_and_lets_them_go_on(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit(f"/dashboard/jobs/{job}")
    watched(page)
    hold = page.locator("#hold")
    hold.click()
    expect(hold).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#held")).to_be_visible()
    page.wait_for_function("!document.getElementById('live')._htmx.sse")
    at = page.locator("#as-of-time").get_attribute("datetime")
    jobs.do(machine, job, "resume")
    until(lambda: jobs.state(machine, job) == "completed")
    expect(page.locator("#banner")).to_contain_text("paused")
    assert page.locator("#as-of-time").get_attribute("datetime") == at
    hold.click()
    expect(page.locator("#banner")).to_contain_text("completed")
    expect(page.locator("#held")).to_be_hidden()


def test_an_update_moves_no_focus_and_empties_no_field(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit()
    page.locator("#start-collection").fill("net.example.half-writ")
    button = page.locator(f"#cancel-{job}")
    button.focus()
    jobs.do(machine, job, "resume")
    expect(page.locator(f"#job-{job}")).to_contain_text("running")
    watched(page)
    assert page.evaluate("document.activeElement.id") == f"cancel-{job}"
    expect(page.locator("#start-collection")).to_have_value("net.example.half-writ")


def test_a_hidden_tab_asks_for_nothing_and_catches_up_when_it_is_seen(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit(f"/dashboard/jobs/{job}")
    watched(page)
    _seen(page, hidden=True)
    page.wait_for_function("document.getElementById('live')._htmx.sse?.reader === null")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    jobs.do(machine, job, "resume")
    until(lambda: jobs.state(machine, job) == "completed")
    expect(page.locator("#banner")).to_contain_text("paused")
    assert asked == []
    _seen(page, hidden=False)
    expect(page.locator("#banner")).to_contain_text("completed")


def _seen(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        """(value) => {
          Object.defineProperty(document, 'hidden', {configurable: true, value});
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def test_a_page_outlives_the_daemon_and_goes_on_where_it_was(
    visit: Visit, machine: Machine, job: str
) -> None:
    with tunnel(machine.folder / "control.sock") as port:
        complaints = ["Failed to load resource", "net::ERR", "htmx"]
        page = visit(
            f"/dashboard/jobs/{job}", base=f"http://127.0.0.1:{port}", complaints=complaints
        )
        watched(page)
        loaded_once(page)
        machine.daemon.send_signal(signal.SIGTERM)
        machine.daemon.wait(30)
        expect(page.locator("#lost")).to_be_visible()
        expect(page.locator("#lost-says")).to_contain_text("Numbers from")
        expect(page.locator("#lost-says")).to_contain_text("Trying again in")
        expect(page.locator("#do-resume")).to_have_attribute("aria-disabled", "true")
        expect(page.locator("#banner")).to_contain_text("paused"), "nothing is cleared"
        with page.expect_request(_says_what_it_has_seen, timeout=WITHIN_MS):
            machine.start()
            until(lambda: machine.control.get("/admin/health"))
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#do-resume")).not_to_have_attribute("aria-disabled", "true")
        jobs.do(machine, job, "resume")
        expect(page.locator("#banner")).to_contain_text("running")
        assert still_the_same(page)


def _says_what_it_has_seen(sent: Request) -> bool:
    return sent.headers.get("last-event-id", "").isdecimal()


def test_a_page_whose_session_ended_says_how_to_come_back(visit: Visit, machine: Machine) -> None:
    page = visit(complaints=["401", "Failed to load resource", "net::ERR", "htmx"])
    watched(page)
    machine.stop()
    machine.start()
    until(lambda: machine.control.get("/admin/health"))
    expect(page.locator("#lost-says")).to_contain_text("backfillctl dashboard")


def test_a_page_whose_stream_does_not_get_through_asks_again_and_again(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit("/dashboard/login", complaints=["net::ERR", "Failed to load", "htmx"])
    page.route(
        "**/dashboard/live/**",
        lambda route: route.continue_() if "once" in route.request.url else route.abort(),
    )
    page.goto(f"/dashboard/jobs/{job}")
    jobs.do(machine, job, "resume")
    until(lambda: jobs.state(machine, job) == "completed")
    expect(page.locator("#banner")).to_contain_text("completed")
    expect(page.locator("#lost")).to_be_hidden()


def test_the_list_shows_a_job_for_one_collection_and_its_numbers(
    visit: Visit, machine: Machine, job: str
) -> None:
    page = visit(f"/dashboard/jobs?collection={STATUS}&state=paused")
    expect(page.locator("#jobs tr")).to_have_count(1)
    expect(page.locator(f"#job-{job}")).to_contain_text(STATUS)
    jobs.do(machine, job, "cancel")
    expect(page.locator(f"#job-{job}")).to_contain_text("Cancelled by uid:")
