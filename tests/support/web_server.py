"""Web servers on loopback that answer as a test says: as a PLC directory, as a PDS."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

from backfilld_events.ids import Did, Nsid

SCHEMA = "com.atproto.lexicon.schema"
CID = "bafyreifmakho22lbmkhmiy2eeofjjqiedzvbzu5mvutsvyuqmzofzjtpn4"


class Web:
    """What the server says. A path that is not here is 404."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self._held: dict[str, tuple[int, bytes, Mapping[str, str]]] = {}

    @property
    def host(self) -> str:
        """As identity.allow_hosts has it."""
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def says(
        self,
        path: str,
        body: object,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The answer at a path with its query. Bytes are sent as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._held[path] = (status, content, headers or {})

    def knows(self, did: Did, *, pds: str | None = None, handle: str | None = None) -> None:
        """As a PLC directory: the document of an account, by default with its PDS here."""
        self.says(f"/{did}", document(did, pds or self.url, handle))

    def has(self, did: Did, nsid: str, lexicon: object) -> str:
        """As a PDS: the record of a lexicon. Its URI."""
        uri = f"at://{did}/{SCHEMA}/{nsid}"
        value = {"$type": SCHEMA, **lexicon} if isinstance(lexicon, dict) else lexicon
        self.says(record_path(did, nsid), {"uri": uri, "cid": CID, "value": value})
        return uri

    def answer(self, path: str) -> tuple[int, bytes, Mapping[str, str]]:
        self.asked.append(path)
        return self._held.get(path, (404, b'{"message":"nothing here"}', {}))


def document(did: Did, pds: str | None, handle: str | None = None) -> dict[str, object]:
    """A DID document, in the older form that a PLC directory on one's own machine gives."""
    service = {
        "id": "#atproto_pds",
        "type": "AtprotoPersonalDataServer",
        "serviceEndpoint": pds,
    }
    return {
        "id": did,
        "alsoKnownAs": [f"at://{handle}"] if handle else [],
        "service": [service] if pds else [],
    }


def record_path(did: Did, nsid: str | Nsid) -> str:
    query = urlencode({"repo": did, "collection": SCHEMA, "rkey": nsid})
    return f"/xrpc/com.atproto.repo.getRecord?{query}"


@contextmanager
def web_server() -> Iterator[Web]:
    """A running server that knows nothing yet."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content, headers = web.answer(self.path)
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
