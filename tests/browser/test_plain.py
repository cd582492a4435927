"""The page is whole without JavaScript: forms, links, and what they wrote."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support import jobs
from support.machine import STATUS, Machine, until
from support.site import Visit

REPOS = 4000  # no job for all of them ends while a page is looked at


@pytest.fixture(scope="module", autouse=True)
def did(machine: Machine) -> str:
    """A DID of the network; a first job has listed it."""
    jobs.lexicon(machine)
    jobs.paused(machine)
    return jobs.a_did(machine)


@pytest.fixture
def plain(visit: Visit) -> Page:
    return visit(java_script_enabled=False, complaints=["status of 400"])


def start(page: Page, *, button: str = "#start-go", **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"#start-{name}").fill(value)
    with page.expect_navigation():
        page.locator(button).click()


def shown_job(page: Page, machine: Machine) -> dict[str, Any]:
    """The job whose page this is, as the API tells it."""
    found: dict[str, Any] = machine.control.get(
        f"/admin/backfill/{page.url.split('/')[-1].partition('?')[0]}"
    )
    return found


def test_a_backfill_for_a_collection_starts_and_names_its_event(
    plain: Page, machine: Machine
) -> None:
    start(plain, collection=STATUS, reason="the nightly one")
    job = shown_job(plain, machine)
    assert (job["collection"], job["scope"], job["why"]) == (STATUS, "network", "the nightly one")
    expect(plain.locator("#note")).to_have_text(
        f"Written: event #{job['position']}, job.started, by {job['actor']}."
    )
    jobs.do(machine, job["id"], "cancel")


def test_a_backfill_for_a_did_starts(plain: Page, machine: Machine, did: str) -> None:
    start(plain, dids=did)
    job = shown_job(plain, machine)
    assert (job["collection"], job["did"], job["scope"]) == (None, did, "accounts")
    until(lambda: jobs.state(machine, job["id"]) == "completed")
    plain.reload()
    expect(plain.locator("#banner")).to_contain_text("completed")


def test_a_backfill_for_a_did_of_a_collection_starts(
    plain: Page, machine: Machine, did: str
) -> None:
    start(plain, collection=STATUS, dids=f"  {did}\n")
    job = shown_job(plain, machine)
    assert (job["collection"], job["did"]) == (STATUS, did)


def test_a_blank_form_is_an_error_and_never_everything(plain: Page, machine: Machine) -> None:
    before = len(machine.control.get("/admin/backfill/status"))
    start(plain)
    expect(plain.locator("#start-problem")).to_contain_text("nothing is named")
    assert len(machine.control.get("/admin/backfill/status")) == before


def test_what_was_filled_in_stays_when_something_is_wrong(plain: Page) -> None:
    start(plain, collection="not an nsid", dids="did:plc:x nonsense!", reason="why")
    expect(plain.locator("#start-problem")).to_contain_text("Nothing was started.")
    expect(plain.locator("#start-collection")).to_have_value("not an nsid")
    expect(plain.locator("#start-collection")).to_have_attribute("aria-invalid", "true")
    expect(plain.locator("#start-dids")).to_have_value("did:plc:x nonsense!")
    expect(plain.locator("#start-reason")).to_have_value("why")


def test_a_preview_says_what_would_happen_and_starts_nothing(
    plain: Page, machine: Machine, did: str
) -> None:
    before = len(machine.control.get("/admin/backfill/status"))
    start(plain, button="#start-preview", collection=STATUS, dids=did)
    expect(plain.locator("#plan")).to_contain_text("nothing is started yet")
    expect(plain.locator("#plan")).to_contain_text(STATUS)
    expect(plain.locator("#plan")).to_contain_text("1 account is named.")
    expect(plain.locator("#start-collection")).to_have_value(STATUS)
    assert len(machine.control.get("/admin/backfill/status")) == before


def test_an_equal_job_is_joined_and_the_page_says_so(plain: Page, machine: Machine) -> None:
    first = jobs.paused(machine, reason="first")
    jobs.do(machine, first, "resume")
    start(plain, collection=STATUS)
    expect(plain.locator("#note")).to_contain_text("An equal job was under way already")
    assert shown_job(plain, machine)["id"] == first
    jobs.do(machine, first, "cancel")


def test_pause_and_resume_take_a_reason_and_name_their_event(plain: Page, machine: Machine) -> None:
    job = jobs.paused(machine, reason="to be resumed")
    plain.goto(f"/dashboard/jobs/{job}")
    expect(plain.locator("#do-pause")).to_have_attribute("aria-disabled", "true")
    expect(plain.locator("#why-pause")).to_have_text("Pause: it is paused")
    plain.locator("#reason").fill("maintenance is over")
    plain.locator("#do-resume").click()
    resumed = jobs.events(machine, job)
    event = next(one for one in resumed if one["type"] == "job.resumed")
    assert event["payload"]["reason"] == "maintenance is over"
    expect(plain.locator("#note")).to_contain_text(f"event #{event['position']}, job.resumed")
    plain.locator("#do-pause").click()
    until(lambda: jobs.state(machine, job) == "paused")
    expect(plain.locator("#note")).to_contain_text("job.paused")
    jobs.do(machine, job, "cancel")


def test_cancel_says_first_what_it_will_not_undo(plain: Page, machine: Machine) -> None:
    job = jobs.paused(machine, reason="to be cancelled")
    plain.goto(f"/dashboard/jobs/{job}")
    plain.locator("#do-cancel").click()
    handed = machine.control.get(f"/admin/backfill/{job}")["processed_repos"]
    many = f"{handed} repositor{'y is' if handed == 1 else 'ies are'} with Tap"
    expect(plain.locator("main")).to_contain_text(many)
    expect(plain.locator("main")).to_contain_text("cannot be resumed")
    assert jobs.state(machine, job) == "paused", "nothing happened yet"
    plain.locator("#reason").fill("wrong collection")
    plain.locator("#cancel-go").click()
    expect(plain.locator("#note")).to_contain_text("job.cancel-asked")
    until(lambda: jobs.state(machine, job) == "cancelled")
    asked = next(one for one in jobs.events(machine, job) if one["type"] == "job.cancel-asked")
    assert asked["payload"]["reason"] == "wrong collection"


def test_the_list_s_own_buttons_do_the_same(plain: Page, machine: Machine) -> None:
    job = jobs.paused(machine, reason="in the list")
    plain.reload()
    plain.locator(f"#resume-{job}").click()
    expect(plain.locator("#note")).to_contain_text("job.resumed")
    jobs.do(machine, job, "cancel")


def test_colours_are_chosen_before_the_first_paint(plain: Page) -> None:
    assert plain.locator("html").get_attribute("data-theme") is None
    plain.get_by_role("button", name="Dark").click()
    expect(plain.locator("html")).to_have_attribute("data-theme", "dark")
    expect(plain.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert "/dashboard/jobs" in plain.url
    plain.get_by_role("button", name="System").click()
    assert plain.locator("html").get_attribute("data-theme") is None


def test_filters_and_pages_work_as_links_and_forms(plain: Page, machine: Machine) -> None:
    for n in range(27):
        jobs.started(machine, collection=f"net.example.none{n}")
    plain.reload()
    plain.locator("#state").select_option("failed")
    plain.get_by_role("button", name="Show", exact=True).click()
    expect(plain.locator("#jobs tr")).to_have_count(25)
    newest = plain.locator("#jobs tr").first.inner_text()
    assert "net.example.none26" in newest
    plain.get_by_role("link", name="older").click()
    expect(plain.locator("#jobs")).to_contain_text("net.example.none0")
    expect(plain.locator("#state")).to_have_value("failed")
    plain.get_by_role("link", name="newest").click()
    expect(plain.locator("#jobs tr").first).to_contain_text("net.example.none26")
    plain.locator("#collection").fill("net.example.none3")
    plain.get_by_role("button", name="Show", exact=True).click()
    expect(plain.locator("#jobs tr")).to_have_count(1)
