"""What the types of the keys cannot refuse."""

import grp
from collections.abc import Callable
from urllib.parse import urlsplit

from .checkpoints import checkpoint_fault
from .hosts import allowed_host, dns_server, loopback
from .keys import Config, ControlConfig, IdentityConfig, flat
from .notify import notify_fault
from .supervised import supervised_fault

_DURATIONS = (
    ("relay.timeout", 0.1, 3600.0),
    ("relay.backoff_max", 0.0, 3600.0),
    ("tap.stats_interval", 0.0, 86_400.0),
    ("jobs.rediscover", 0.0, 366 * 86_400.0),
    ("index.group_wait", 0.0, 60.0),
    ("log.verify_every", 0.0, 366 * 86_400.0),
    ("log.replay_every", 0.0, 366 * 86_400.0),
    ("log.checkpoint_every", 0.0, 366 * 86_400.0),
)
_AGAIN = ("jobs.rediscover", "log.verify_every", "log.replay_every", "log.checkpoint_every")
_AGAIN_S_MIN = 60.0  # unless it is 0: never


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
    for key in _AGAIN:
        if 0 < float(str(flat(config)[key])) < _AGAIN_S_MIN:
            return key, f"must be 0s, which is never, or {_AGAIN_S_MIN:g}s or more"
    return (
        supervised_fault(config.tap)
        or _control(config.control)
        or _identity(config.identity)
        or notify_fault(config.notify)
        or checkpoint_fault(config)
    )


def _control(control: ControlConfig) -> tuple[str, str] | None:
    if not control.socket:
        return "control.socket", "is empty; without a socket nobody could control the service"
    for key in ("socket_group", "read_group"):
        group: str = getattr(control, key)
        if group and not _is(grp.getgrnam, group):
            return f"control.{key}", f"there is no group {group}"
    if control.read_group and not int(control.socket_mode, 8) & 0o002:
        return "control.read_group", (
            f"the socket's mode {control.socket_mode} lets only one group in; with a read_group "
            'set socket_mode = "0666": whoever is in neither group is refused all the same'
        )
    if control.listen and not _is(loopback, control.listen):
        return "control.listen", (
            f"{control.listen!r} is no address of loopback; write 127.0.0.1:8410 or [::1]:8410. "
            "For other machines put a proxy with TLS before it, and name its host in "
            "control.allowed_hosts"
        )
    for host in control.allowed_hosts:
        if not _is(allowed_host, host if ":" in host else f"{host}:443"):
            return "control.allowed_hosts", f"{host!r} is no host; write NAME or NAME:PORT"
    for origin in control.cors_origins:
        fault = _address_fault(origin)
        if fault is not None or origin != origin.lower().rstrip("/"):
            return "control.cors_origins", (
                f"{origin!r} is no origin; write it as browsers do: https://app.example"
            )
    return None


def _identity(identity: IdentityConfig) -> tuple[str, str] | None:
    if (fault := _address_fault(identity.plc_url)) is not None:
        return "identity.plc_url", fault
    for server in identity.dns_servers:
        if not _is(dns_server, server):
            return "identity.dns_servers", f"{server!r} is no address; write IP or IP:PORT"
    for host in identity.allow_hosts:
        if not _is(allowed_host, host):
            return "identity.allow_hosts", f"{host!r} is no host with a port; write HOST:PORT"
    return None


def _is(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except (ValueError, KeyError):
        return False
    return True


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
