"""Where the daemon is: a socket of this machine, or an address that wants a key.

Each knows how it is dialled, and in which words it cannot be reached. Standard library only, so
that it is fast.
"""

import http.client
import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from .absent import NotPermitted, Unreachable, socket_failed

__all__ = ["BadAddress", "NotPermitted", "Socket", "Tcp", "Unreachable", "tcp"]

PROBE_S = 2.0
_KEY = re.compile(r"[\x21-\x7e]{1,512}")


class BadAddress(ValueError):
    """The address or the key cannot be used as it is."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("backfilld", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Socket(NamedTuple):
    """The daemon's socket on this machine. The kernel tells it who we are."""

    path: str

    @property
    def prefix(self) -> str:
        """As `Tcp.prefix`."""
        return ""

    @property
    def headers(self) -> Mapping[str, str]:
        """As `Tcp.headers`."""
        return {}

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """One connection, not yet dialled."""
        return _UnixConnection(self.path, timeout_s)

    def failed(self, error: Exception) -> Unreachable | None:
        """Why it could not be dialled, in words; None if that is not what went wrong."""
        if isinstance(error, OSError) and not isinstance(error, ConnectionResetError):
            return socket_failed(self.path, error)
        return None

    def refused(self, status: int, body: bytes) -> Unreachable | None:
        """What an error says about the address itself."""
        return None


class Tcp(NamedTuple):
    """The daemon's address; `key` is what it knows us by."""

    url: SplitResult
    key: str = ""

    @property
    def prefix(self) -> str:
        """What stands before every path, where a proxy serves the API beside others."""
        return self.url.path.rstrip("/")

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def shown(self) -> str:
        """The address for people."""
        return self.url.geturl()

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """One connection, not yet dialled."""
        secure = self.url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self.url.hostname or "", self.url.port, timeout=timeout_s)

    def failed(self, error: Exception) -> Unreachable | None:
        """As `Socket.failed`."""
        import ssl  # http.client has it already

        where, other = f"cannot reach backfilld at {self.shown}", "https"
        match error:
            case ssl.SSLCertVerificationError():
                return Unreachable(
                    f"{where}: its certificate is not trusted: {error.verify_message}",
                    "is it the right host? For a certificate of your own: SSL_CERT_FILE=ca.pem",
                    "tls",
                )
            case ssl.SSLError():
                other = "http"
            case ConnectionResetError() | http.client.BadStatusLine():
                if self.url.scheme == "https" or not self._speaks_tls():
                    return None
            case ConnectionRefusedError():
                return Unreachable(
                    f"{where}: connection refused",
                    "is it running there, and is its control.listen that address? "
                    "On its own machine the socket needs no address: leave --url out",
                    "not-running",
                )
            case socket.gaierror():
                return Unreachable(f"{where}: no such host", "correct the host in --url")
            case OSError():
                reason = error.strerror or error
                return Unreachable(f"{where}: {reason}", "is the way there open? a firewall, a VPN")
            case _:
                return None
        return self._mismatch(other)

    def refused(self, status: int, body: bytes) -> Unreachable | None:
        """As `Socket.refused`: servers of TLS answer plain HTTP with such a 400."""
        if status == 400 and self.url.scheme == "http" and b"HTTPS" in body:
            return self._mismatch("https")
        if status == 401 and not self.key:
            return NotPermitted(
                f"{self.shown} wants a key, and none was given",
                "name the file that holds it: --token-file FILE. "
                "Where backfilld runs: backfillctl key create NAME",
                "unauthorized",
            )
        return None

    def _speaks_tls(self) -> bool:
        """Whether a handshake gets through: servers of TLS just hang up on plain HTTP."""
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
        address = (self.url.hostname or "", self.url.port or 80)
        try:
            with (
                socket.create_connection(address, PROBE_S) as plain,
                context.wrap_socket(plain, server_hostname=address[0]),
            ):
                return True
        except OSError:
            return False

    def _mismatch(self, other: str) -> Unreachable:
        speaks = "plain HTTP, not TLS" if other == "http" else "TLS, not plain HTTP"
        return Unreachable(
            f"cannot reach backfilld at {self.shown}: it speaks {speaks}",
            f"--url {other}://{self.url.netloc}{self.url.path}",
            "tls",
        )


def tcp(url: str, key: str = "") -> Tcp:
    """The address, checked. Raises BadAddress: also where the key would cross a network in
    plain."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadAddress(f"{url!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise BadAddress(f"{url!r} is no address: write http://127.0.0.1:8410 or https://HOST")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadAddress("an address has a host and a port; the key comes from --token-file")
    if key and not _KEY.fullmatch(key):
        raise BadAddress("the token file holds no key: it is one word, such as hv_1234abcd…")
    if key and parts.scheme == "http" and not _is_loopback(host):
        raise BadAddress(
            f"the key would go to {host} unencrypted, for everybody on the way to read: "
            "use https, or a tunnel (ssh -L 8410:127.0.0.1:8410)"
        )
    return Tcp(parts, key)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
