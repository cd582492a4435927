"""What the types cannot refuse of the [[notify]] tables, and the secrets they name."""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from .keys import NotifyConfig
from .units import Secret

_SECRET_CHARS_MAX = 4096


def notify_fault(tables: Sequence[NotifyConfig]) -> tuple[str, str] | None:
    """The first value that cannot be used: (key with the table's number, what is so and what to
    do)."""
    for n, table in enumerate(tables):
        if (found := _fault(table)) is not None:
            key, what = found
            return f"notify[{n}].{key}", what
        if any(_same(table, other) for other in tables[:n]):
            return f"notify[{n}].on", "another table has the same kinds and the same target"
    return None


def secret_in(path: Path) -> Secret:
    """The secret that a file holds, without the white space around it. Raises OSError, and
    ValueError for a file that holds none."""
    secret = path.read_text(encoding="utf-8").strip()
    if not 0 < len(secret) <= _SECRET_CHARS_MAX:
        raise ValueError(f"it should hold 1 to {_SECRET_CHARS_MAX} characters")
    return Secret(secret)


def _fault(table: NotifyConfig) -> tuple[str, str] | None:
    if table.exec and table.url:
        return "url", "stands beside exec; make two tables of it, one for each"
    if not table.url:
        return _program_fault(table)
    if (what := _url_fault(table.url)) is not None:
        return "url", what
    if not table.secret_file:
        return "secret_file", "is missing: what is posted to a url is signed"
    try:
        secret_in(Path(table.secret_file))
    except (OSError, ValueError) as error:
        return "secret_file", f"{table.secret_file} cannot be read: {error}"
    return None


def _program_fault(table: NotifyConfig) -> tuple[str, str] | None:
    if not table.exec:
        return "exec", "is missing, and so is url: one of them says where the news go"
    if not table.exec[0].startswith("/"):
        return "exec", f"{table.exec[0]!r} is no whole path; write one, such as /usr/local/bin/page"
    if any("\0" in part for part in table.exec):
        return "exec", "has a NUL character in it"
    if table.secret_file:
        return "secret_file", "stands beside exec; a program is not signed"
    return None


def _url_fault(url: str) -> str | None:
    # the address itself is not shown: some hold a secret
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
        host = parts.hostname or ""
        host.encode("idna")
    except (ValueError, UnicodeError):
        port_is_right, parts, host = False, urlsplit(""), ""
    plain = url.isascii() and url.isprintable() and " " not in url
    if not host or not port_is_right or not plain or parts.scheme not in ("http", "https"):
        return "is no address; write https://HOST/PATH"
    if parts.username is not None or parts.password is not None:
        return "has a user or password in it; the signature says who we are"
    if parts.fragment:
        return "has a fragment (#…); leave it away"
    if parts.scheme == "http" and not _is_loopback(host):
        return "is plain http; write https, or http to this machine alone (127.0.0.1, [::1])"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _same(one: NotifyConfig, other: NotifyConfig) -> bool:
    return (set(one.on), one.exec, one.url) == (set(other.on), other.exec, other.url)
