"""What a Tap of ours is told: its whole environment. Pure.

The one rule: it gets nothing of our environment but what finds programs, the time zone and the
certificates, so that what it does stands in our configuration. Facts (tap, 1 and 7): TAP_BIND is
`:2480` on all interfaces unless it is set; the filter is a list with commas and no spaces; without
one every collection of the network is delivered; more than one outbox worker swaps events.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from backfilld_events.ids import Nsid

from ..config import Config, Secret

_OURS = ("PATH", "HOME", "TZ")
FILTERS = "TAP_COLLECTION_FILTERS"


def environment(
    settings: Config,
    password: Secret,
    folder: Path,
    filters: Iterable[Nsid],
    ours: Mapping[str, str],
) -> dict[str, str]:
    """The variables of a Tap with these filters, whose database is in `folder` (a whole path);
    `ours` is the environment that we run in.

    The relay of live records is the one that lists repositories, unless tap.env names another:
    relays do both. Raises ValueError when there is no filter.
    """
    wanted = filter_text(filters)
    if not wanted:
        raise ValueError("a Tap without a filter delivers every collection there is")
    told = {name: ours[name] for name in ours if name in _OURS or name.startswith("SSL_")}
    told |= {
        "TAP_DATABASE_URL": f"sqlite://{folder / 'tap.db'}",
        "TAP_RELAY_URL": settings.relay.urls[0].rstrip("/"),
        **settings.tap.env,
        "TAP_BIND": urlsplit(settings.tap.url).netloc,
        "TAP_PLC_URL": settings.identity.plc_url.rstrip("/"),
        "TAP_OUTBOX_PARALLELISM": "1",
        FILTERS: wanted,
    }
    if password:
        told["TAP_ADMIN_PASSWORD"] = password
    return told


def filter_text(filters: Iterable[Nsid]) -> str:
    """The collections as Tap takes them."""
    return ",".join(sorted(filters))
