"""Where pages are. Pure."""

from urllib.parse import quote, urlencode

OVERVIEW = "/dashboard/overview"
JOBS = "/dashboard/jobs"
COVERAGE = "/dashboard/coverage"
REPOS = "/dashboard/repos"
DIDS = "/dashboard/repos.txt"
TAP = "/dashboard/tap"
LETTERS = "/dashboard/dead-letters"
LOG = "/dashboard/log"


def job(job_id: str) -> str:
    """A job's page."""
    return f"{JOBS}/{job_id}"


def coverage(nsid: str) -> str:
    """Where the coverage of a collection stands."""
    return f"{COVERAGE}/{nsid}"


def account(did: str) -> str:
    """An account's page."""
    return f"{REPOS}/{quote(did, safe=':')}"


def letter(number: str) -> str:
    """A dead letter's page."""
    return f"{LETTERS}/{number}"


def asked(path: str, **query: object) -> str:
    """A page with a question; what is not asked is left out."""
    given = urlencode({name: value for name, value in query.items() if value}, safe=":")
    return f"{path}?{given}" if given else path
