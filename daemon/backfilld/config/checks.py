"""What the types of the keys cannot refuse."""

import grp
from urllib.parse import urlsplit

from .keys import Config, flat

_DURATIONS = (
    ("relay.timeout", 0.1, 3600.0),
    ("relay.backoff_max", 0.0, 3600.0),
    ("tap.stats_interval", 0.0, 86_400.0),
    ("index.group_wait", 0.0, 60.0),
)


def wrong(config: Config) -> tuple[str, str] | None:
    """The first value that its type alone cannot refuse: (key, what is so and what to do)."""
    for key, urls in (("relay.urls", config.relay.urls), ("tap.url", (config.tap.url,))):
        for url in urls:
            if (fault := _address_fault(url)) is not None:
                return key, fault
    for key, least, most in _DURATIONS:
        value = flat(config)[key]
        if not least <= float(str(value)) <= most:
            return key, f"must be from {least:g}s to {most:g}s"
    if not config.data_dir:
        return "data_dir", "is empty; name a folder, such as /var/lib/backfilld"
    if not config.control.socket:
        return "control.socket", "is empty; without a socket nobody could control the service"
    if config.control.socket_group:
        try:
            grp.getgrnam(config.control.socket_group)
        except KeyError:
            return "control.socket_group", f"there is no group {config.control.socket_group}"
    return None


def _address_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
        host = (parts.hostname or "").encode("idna")
    except (ValueError, UnicodeError):
        port_is_right, host = False, b""
    if not host or not port_is_right or parts.scheme not in ("http", "https"):
        return f"{url!r} is no address; write http://HOST:PORT or https://HOST"
    if parts.username is not None or parts.password is not None:
        return "has a user or password in it; a secret belongs into a file: tap.password_file"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return f"{url!r} has more than a host and a port; leave the rest away"
    return None
