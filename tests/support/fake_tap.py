"""Starts and stops as Tap does: for tests that run it as a child, as a script of its own.

Facts (tap, 0: 11 and 1; seen in runs): JSON lines on standard output, plain text from a panic; a
port that is taken is an error line and exit code 0; SIGTERM ends it in order.
"""

import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn


def say(level: str, msg: str, **fields: Any) -> None:
    line = {"time": "2026-11-27T06:46:21.8872Z", "level": level, "msg": msg, **fields}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def stopped(*_: object) -> NoReturn:
    say("INFO", "shutting down")
    sys.exit(0)


def main(behaviour: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else stopped)
    say("INFO", "creating tap service")
    if behaviour == "panics":
        sys.stderr.write("panic: non-positive interval for NewTicker\n\ngoroutine 73 [running]:\n")
        sys.exit(2)
    host, _, port = os.environ["TAP_BIND"].rpartition(":")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
    except OSError:
        taken = f"listen tcp {host}:{port}: bind: address already in use"
        say("ERROR", "service error", error=taken)
        stopped()
    listener.listen()
    say("INFO", "starting HTTP server", addr=f"{host}:{port}")
    if behaviour == "fails":
        say("ERROR", "service error", error="disk I/O error")
        stopped()
    while True:
        connection, _ = listener.accept()
        connection.close()
        request = {"id": "", "method": "GET", "uri": "/info/x", "status": 404, "error": ""}
        sys.stdout.write(json.dumps(request) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
