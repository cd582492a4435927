"""From a number to the repositories behind it, to one of them and back; what failed is tried again;
a dead letter is put away."""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from support import jobs
from support.given import did
from support.machine import STATUS, Machine, until
from support.site import Visit

REPOS = 80
ODD_SHARE = 0.4  # servers that are down or limit, accounts that are gone, records without a body

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def job(machine: Machine) -> str:
    """A job of which nothing is open any more."""
    jobs.lexicon(machine)
    job = jobs.started(machine, collection=STATUS)
    until(lambda: machine.control.get(f"/admin/backfill/{job}/coverage")["complete"], 120)
    return job


@pytest.fixture
def plain(visit: Visit, job: str) -> Page:
    return visit(java_script_enabled=False, complaints=["status of 40"])


def coverage(machine: Machine, job: str, **query: Any) -> Any:
    return machine.control.get(f"/admin/backfill/{job}/coverage", **query)


def test_a_segment_opens_its_list_a_list_an_account_and_each_leads_back(
    plain: Page, machine: Machine, job: str
) -> None:
    failed = coverage(machine, job, **{"class": "failed"}, limit=100)["repositories"]
    plain.goto(f"/dashboard/jobs/{job}")
    plain.locator("#class-failed").click()
    expect(plain.locator("#list-title")).to_have_text(f"{len(failed)} of {REPOS}")
    expect(plain.locator("#class")).to_have_value("failed")
    shown = plain.locator("#repos th a").all_inner_texts()
    assert shown == [one["did"] for one in failed]
    row = plain.locator("#repos tr").first
    expect(row).to_contain_text(failed[0]["kind"])
    expect(row).to_contain_text(f"#{failed[0]['position']}")
    expect(row).to_contain_text(failed[0]["sentence"])
    expect(row).to_contain_text(failed[0]["next"])
    row.locator("th a").click()
    expect(plain.locator("#did")).to_have_text(failed[0]["did"])
    expect(plain.locator("main")).to_contain_text(failed[0]["sentence"])
    told = machine.control.get(f"/admin/repos/{failed[0]['did']}")["history"]
    lines = plain.locator("#history li").all_inner_texts()
    assert [line.split()[0] for line in lines] == [f"#{one['position']}" for one in told[::-1]]
    assert all(one["says"] in line for one, line in zip(told[::-1], lines, strict=True))
    plain.get_by_role("link", name=job[:8]).click()
    expect(plain.locator("#job-id")).to_have_text(job[:8])


def test_each_number_of_the_bar_is_that_of_the_list_behind_it(
    plain: Page, machine: Machine, job: str
) -> None:
    plain.goto(f"/dashboard/jobs/{job}")
    classes = {word: n for word, n in coverage(machine, job)["classes"].items() if n}
    shown = plain.locator("#coverage .classes tbody tr")
    expect(shown).to_have_count(len(classes))
    for word, n in classes.items():
        link = plain.locator(f"#class-{word}")
        expect(link).to_contain_text(f"{n}")
        query = parse_qs(urlsplit(link.get_attribute("href") or "").query)
        assert query == {"job": [job], "class": [word]}
        segment = plain.locator(f"#coverage svg.coverage rect.k-{word}").locator("xpath=..")
        assert segment.get_attribute("href") == link.get_attribute("href")
    expect(plain.locator("#unexplained")).to_have_text("0")
    expect(plain.locator("#lost-line")).to_have_text(coverage(machine, job)["lost"])


def test_a_list_goes_page_by_page_and_shows_each_once(plain: Page, job: str) -> None:
    plain.goto(f"/dashboard/repos?job={job}")
    seen: list[str] = plain.locator("#repos th a").all_inner_texts()
    while plain.get_by_role("link", name="next").count():
        plain.get_by_role("link", name="next").click()
        seen += plain.locator("#repos th a").all_inner_texts()
    assert len(seen) == len(set(seen)) == REPOS
    plain.get_by_role("link", name="first").click()
    assert plain.locator("#repos th a").all_inner_texts() == seen[:25]


def test_a_kind_is_chosen_in_the_filter(plain: Page, machine: Machine, job: str) -> None:
    (kind, n) = next((one["kind"], one["count"]) for one in coverage(machine, job)["kinds"])
    plain.goto(f"/dashboard/repos?collection={STATUS}&class=failed")
    plain.locator("#class").select_option(f"failed:{kind}")
    plain.get_by_role("button", name="Show").click()
    expect(plain.locator("#repos tr")).to_have_count(n)
    assert set(plain.locator("#repos .kind").all_inner_texts()) == {kind}


def test_the_list_can_be_taken_along(plain: Page, machine: Machine, job: str) -> None:
    wanted = coverage(machine, job, **{"class": "synced"}, limit=100)["repositories"]
    plain.goto(f"/dashboard/repos?job={job}&class=synced")
    with plain.expect_download() as download:
        plain.locator("#download").click()
    assert download.value.suggested_filename == f"{job[:8]}-synced.txt"
    assert download.value.path().read_text().splitlines() == [one["did"] for one in wanted]


def test_a_collection_is_covered_over_all_jobs(plain: Page, machine: Machine, job: str) -> None:
    whole = machine.control.get("/admin/coverage", collection=STATUS)
    plain.goto("/dashboard")
    plain.get_by_role("link", name=STATUS).click()
    expect(plain.locator("#coverage")).to_contain_text(whole["sentence"])
    expect(plain.locator("#unexplained")).to_have_text("0")
    kind = whole["kinds"][0]
    plain.locator(f"#kind-{kind['kind']} a").click()
    expect(plain.locator("#repos tr")).to_have_count(kind["count"])
    plain.locator("#back").click()
    expect(plain.locator("h1")).to_contain_text(STATUS)


def test_errors_are_grouped_with_what_to_do_and_opened_one_by_one(
    plain: Page, machine: Machine, job: str
) -> None:
    told = machine.control.get(f"/admin/backfill/{job}/errors", limit=100)
    plain.goto(f"/dashboard/jobs/{job}")
    for one in told["counts"]:
        row = plain.locator(f"#kind-{one['kind']}")
        expect(row).to_contain_text(one["what_to_do"])
        expect(row).to_contain_text("may help" if one["retryable"] else "final")
    of = Counter(one["kind"] for one in told["errors"])
    kind, n = of.most_common(1)[0]
    plain.locator(f"#kind-{kind} a").click()
    expect(plain.locator("tbody tr")).to_have_count(n)
    one = next(one for one in told["errors"] if one["kind"] == kind)
    expect(plain.locator("tbody tr").first).to_contain_text(one["message"])
    plain.get_by_role("link", name=one["did"]).click()
    expect(plain.locator("#did")).to_have_text(one["did"])


def test_retry_these_starts_a_linked_job_for_that_kind_alone(
    plain: Page, machine: Machine, job: str
) -> None:
    kind = next(one for one in coverage(machine, job)["kinds"] if not one["retryable"])
    plain.goto(f"/dashboard/jobs/{job}")
    plain.locator(f"#retry-{kind['kind']}").click()
    again = urlsplit(plain.url).path.rpartition("/")[2]
    made = machine.control.get(f"/admin/backfill/{again}")
    assert (made["retries"], made["kinds"]) == (job, [kind["kind"]])
    assert made["total_repos"] == kind["count"]
    expect(plain.locator("#note")).to_contain_text(f"event #{made['position']}, job.started")
    plain.locator("#retries").click()
    expect(plain.locator("#job-id")).to_have_text(job[:8])
    expect(plain.get_by_role("link", name=again[:8])).to_be_visible()
    until(lambda: machine.control.get(f"/admin/backfill/{again}/coverage")["complete"], 120)
    until(lambda: coverage(machine, job)["complete"], 120)


def test_retry_all_takes_what_another_try_may_help(
    visit: Visit, machine: Machine, job: str
) -> None:
    kinds = [one for one in coverage(machine, job)["kinds"] if one["retryable"]]
    many = sum(one["count"] for one in kinds)
    page = visit(f"/dashboard/jobs/{job}")
    expect(page.locator("#retry-all")).to_contain_text(f"Retry all {many}")
    page.locator("#retry-all").click()
    expect(page.locator("#note")).to_contain_text("job.started")
    again = urlsplit(page.url).path.rpartition("/")[2]
    assert machine.control.get(f"/admin/backfill/{again}")["total_repos"] == many
    until(lambda: machine.control.get(f"/admin/backfill/{again}/coverage")["complete"], 120)
    until(lambda: coverage(machine, job)["complete"], 120)


def test_an_account_that_nobody_has_seen_is_offered_a_backfill(
    plain: Page, machine: Machine
) -> None:
    plain.goto("/dashboard/repos")
    plain.locator("#name").fill(f"  {did(77)} ")
    plain.locator("#find-go").click()
    expect(plain.locator("main")).to_contain_text("No job has ever seen this account.")
    plain.locator("#backfill").click()
    expect(plain.locator("#note")).to_contain_text("job.started")
    made = machine.control.get("/admin/backfill/last")
    assert (made["did"], made["collections"]) == (did(77), [STATUS])


def test_a_search_for_nonsense_says_so_and_keeps_what_was_written(plain: Page) -> None:
    plain.goto("/dashboard/repos")
    plain.locator("#name").fill("<b>nonsense!</b>")
    plain.locator("#find-go").click()
    expect(plain.locator("#find-problem")).to_contain_text("neither a DID nor a handle")
    expect(plain.locator("#name")).to_have_value("<b>nonsense!</b>")


def test_an_account_is_fetched_anew_from_its_page(plain: Page, machine: Machine, job: str) -> None:
    one = coverage(machine, job, **{"class": "synced"}, limit=1)["repositories"][0]
    plain.goto(f"/dashboard/repos/{one['did']}")
    plain.locator("#refetch").click()
    expect(plain.locator("#note")).to_contain_text("job.started")
    made = machine.control.get("/admin/backfill/last")
    assert (made["did"], made["mode"]) == (one["did"], "refetch")
    until(lambda: machine.control.get(f"/admin/backfill/{made['id']}/coverage")["open"] == 0, 120)


def test_what_needs_somebody_stands_on_the_first_page_and_leads_there(
    plain: Page, machine: Machine, job: str
) -> None:
    letters = machine.control.get("/admin/health")["dead_letters"]
    plain.goto("/dashboard")
    needs = plain.locator("#needs")
    expect(needs).to_contain_text("repositories have failed")
    expect(needs).to_contain_text(f"{letters} dead letters are open")
    needs.get_by_role("link", name="Errors").click()
    expect(plain.locator("#class")).to_have_value("failed")
    plain.go_back()
    needs.get_by_role("link", name="Open").click()
    expect(plain.locator("#letters tr")).to_have_count(letters)


def test_a_dead_letter_is_read_and_dismissed_and_the_log_says_by_whom(
    plain: Page, machine: Machine, job: str
) -> None:
    letter = machine.control.get("/admin/dead-letters")["dead_letters"][0]
    plain.goto(f"/dashboard/dead-letters?collection={STATUS}")
    plain.locator(f"#letter-{letter['id']} th a").click()
    expect(plain.locator("main")).to_contain_text(letter["error"])
    expect(plain.locator("main")).to_contain_text(letter["uri"])
    expect(plain.locator("#bytes")).to_contain_text('"type":"record"')
    plain.locator("#retry").click()
    expect(plain.locator("#problem")).to_contain_text("reindex")
    plain.goto(f"/dashboard/dead-letters/{letter['id']}")
    plain.locator("#dismiss").click()
    event = list(machine.control.lines("/admin/log", after=0, type="dead-letters.handled"))[-1]
    assert event["payload"] == {"action": "dismiss", "ids": [int(letter["id"])], "failed": []}
    expect(plain.locator("#note")).to_contain_text(f"event #{event['position']}")
    expect(plain.locator("main")).to_contain_text("settled: dismiss")
    plain.goto("/dashboard/dead-letters?resolved=true")
    expect(plain.locator(f"#letter-{letter['id']}")).to_contain_text("settled: dismiss")


def test_tap_s_page_says_what_it_should_be_set_to(plain: Page) -> None:
    plain.goto("/dashboard/tap")
    expect(plain.locator("#filters .line")).to_have_text(f"TAP_COLLECTION_FILTERS={STATUS}")
    expect(plain.locator("#filters tbody tr")).to_contain_text("sent")
    expect(plain.locator("#stalls")).to_have_text("Nothing stands still.")
    expect(plain.locator("#work")).to_contain_text("nothing is taken out of Tap or put back now")
    expect(plain.locator("#child")).to_contain_text("We do not run it")


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/overview",
        "/dashboard/jobs/{job}",
        "/dashboard/jobs/{job}/errors",
        f"/dashboard/coverage/{STATUS}",
        "/dashboard/repos?class=failed",
        "/dashboard/repos/{did}",
        "/dashboard/dead-letters?resolved=all",
        "/dashboard/dead-letters/1",
        "/dashboard/tap",
    ],
)
def test_axe_finds_nothing_where_there_is_much_to_show(
    visit: Visit, machine: Machine, job: str, path: str
) -> None:
    failed = coverage(machine, job, **{"class": "failed"}, limit=1)["repositories"][0]
    page = visit(path.format(job=job, did=failed["did"]))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options={"runOnly": TAGS})
        assert found.response["violations"] == [], found.generate_report()
    for width in (320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_page_moves_by_itself(visit: Visit, machine: Machine, job: str) -> None:
    page = visit("/dashboard/overview")
    page.evaluate("window.here = true")
    made = jobs.started(machine, collection="net.example.nowhere")
    expect(page.locator("#jobs")).to_contain_text(made[:8])
    assert page.evaluate("window.here === true")
