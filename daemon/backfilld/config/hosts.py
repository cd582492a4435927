"""Hosts with ports, as the configuration writes them. Pure."""

from ipaddress import ip_address

DNS_PORT = 53
_PORT_MAX = 65_535


def dns_server(text: str) -> tuple[str, int]:
    """The address and port of `IP`, `IP:PORT` or `[IP]:PORT`. Raises ValueError."""
    try:
        return str(ip_address(text)), DNS_PORT
    except ValueError:
        host, port = _split(text)
        return str(ip_address(host)), port


def allowed_host(text: str) -> str:
    """`HOST:PORT`, with the host in lower case. Raises ValueError."""
    host, port = _split(text)
    if not host or any(c in "/?#@ " for c in host):
        raise ValueError(f"{host!r} is no host")
    return f"{host.lower()}:{port}"


def loopback(text: str) -> tuple[str, int]:
    """The address and port of `127.0.0.1:PORT` or `[::1]:PORT`. Raises ValueError, also for an
    address that other machines could reach."""
    host, port = _split(text)
    if not ip_address(host).is_loopback:
        raise ValueError(f"{host} is not loopback")
    return str(ip_address(host)), port


def _split(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address with a port has brackets")
    if not colon or not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= _PORT_MAX):
        raise ValueError(f"{text!r} has no port from 1 to {_PORT_MAX}")
    return host, int(port)
