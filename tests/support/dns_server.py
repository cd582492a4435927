"""A DNS server on loopback, over UDP and TCP, that answers as a test says, faults included."""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

TTL_S = 60


class Zone:
    """What the server says. A name that is not here does not exist."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, str, str]] = []  # (name, type, "udp" or "tcp")
        self.fails: set[str | tuple[str, str]] = set()  # SERVFAIL: names, or (name, type)
        self.silent: set[str] = set()  # no answer at all
        self.truncates: set[str] = set()  # over UDP: ask again over TCP
        self._held: dict[tuple[str, str], list[list[dns.rdata.Rdata]]] = {}

    @property
    def address(self) -> str:
        """As identity.dns_servers has it."""
        return f"127.0.0.1:{self.port}"

    def texts(self, name: str, *values: str | Sequence[str]) -> None:
        """TXT records; a value of several strings is one record that is split."""
        parts = [(value,) if isinstance(value, str) else value for value in values]
        self._held[name, "TXT"] = [
            [
                dns.rdtypes.ANY.TXT.TXT(
                    dns.rdataclass.IN, dns.rdatatype.TXT, [text.encode() for text in strings]
                )
                for strings in parts
            ]
        ]

    def hosts(self, name: str, *answers: Sequence[str], kind: str = "A") -> None:
        """Addresses: the first answer the first time, and so on; the last one from then on."""
        self._held[name, kind] = [
            [dns.rdata.from_text("IN", kind, address) for address in answer] for answer in answers
        ]

    def alias(self, name: str, target: str) -> None:
        """A CNAME."""
        self._held[name, "CNAME"] = [[dns.rdata.from_text("IN", "CNAME", target + ".")]]

    def reply(self, wire: bytes, over: str) -> bytes | None:
        """The answer to one message, or silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, over))
        if name in self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if not self.fails.isdisjoint((name, (name, kind))):
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.truncates and over == "udp":
            response.flags |= dns.flags.TC
        elif not any(held == name for held, _ in self._held):
            response.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._answer(response, name, kind)
        return response.to_wire()

    def _answer(self, response: dns.message.Message, name: str, kind: str) -> None:
        if (name, "CNAME") in self._held:
            (alias,) = self._held[name, "CNAME"][0]
            response.answer.append(_rrset(name, [alias]))
            name = alias.to_text().rstrip(".")
        answers = self._held.get((name, kind), [[]])
        rdatas = answers.pop(0) if len(answers) > 1 else answers[0]
        if rdatas:
            response.answer.append(_rrset(name, rdatas))


def _rrset(name: str, rdatas: Sequence[dns.rdata.Rdata]) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(dns.name.from_text(name), TTL_S, list(rdatas))


@contextmanager
def dns_server() -> Iterator[Zone]:
    """A running server with an empty zone."""
    zone = Zone()

    class OverUdp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, sock = self.request
            if (answer := zone.reply(wire, "udp")) is not None:
                sock.sendto(answer, self.client_address)

    class OverTcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(size := self.rfile.read(2)) == 2:
                answer = zone.reply(self.rfile.read(int.from_bytes(size, "big")), "tcp")
                if answer is None:
                    return
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    udp, tcp = _same_port(OverUdp, OverTcp)
    zone.port = udp.server_address[1]
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in (udp, tcp)]
    for thread in threads:
        thread.start()
    try:
        yield zone
    finally:
        for one, thread in zip((udp, tcp), threads, strict=True):
            one.shutdown()
            thread.join()
            one.server_close()


def _same_port(
    over_udp: type[socketserver.BaseRequestHandler],
    over_tcp: type[socketserver.BaseRequestHandler],
) -> tuple[socketserver.UDPServer, socketserver.TCPServer]:
    for _ in range(50):
        udp = socketserver.UDPServer(("127.0.0.1", 0), over_udp)
        try:
            return udp, socketserver.TCPServer(("127.0.0.1", udp.server_address[1]), over_tcp)
        except OSError:  # somebody else has that port over TCP
            udp.server_close()
    raise AssertionError("no port is free over both UDP and TCP")
