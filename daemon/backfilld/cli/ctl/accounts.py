"""Lists of accounts of any length, one a line, cut into parts that one request can carry.

The one rule: nothing is left out in silence. A line that names no account ends it, with its number.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

import click

from . import text

PART_DIDS_MAX = 100_000  # the API's limits of one request
PART_HANDLES_MAX = 500
PART_BYTES_MAX = 6 * 2**20
LINE_BYTES_MAX = 4096
BAD_SHOWN = 10

# the shapes alone: the daemon looks closer. https://atproto.com/specs/did and /specs/handle
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]{1,2000}")
_HANDLE = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{0,62}")


def parts(named: Iterable[str], file: BinaryIO | None) -> Iterator[list[str]]:
    """Those that are named and those in the file, in parts. A file that can be read twice is
    checked whole before the first part. Raises click.UsageError."""
    if file is not None and file.seekable():
        start = file.tell()
        for _ in _from_file(file):
            pass
        file.seek(start)
    part: list[str] = []
    handles = size = 0
    for account in chain(named, () if file is None else _from_file(file)):
        is_handle = not account.startswith("did:")
        full = len(part) == PART_DIDS_MAX or size > PART_BYTES_MAX
        if full or (is_handle and handles == PART_HANDLES_MAX):
            yield part
            part, handles, size = [], 0, 0
        part.append(account)
        handles += is_handle
        size += len(account) + 3  # two quotes and a comma
    if part:
        yield part


def _from_file(file: BinaryIO) -> Iterator[str]:
    """The accounts of a list: one a line; what follows a # is a comment."""
    bad: list[str] = []
    number = 0
    while raw := file.readline(LINE_BYTES_MAX):
        number += 1
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
        account = line.partition("#")[0].strip().removeprefix("@")
        if not account:
            continue
        if _DID.fullmatch(account) or _HANDLE.fullmatch(account):
            if not bad:
                yield account
        else:
            bad.append(f"line {number}: {text.clean(account[:60])!r}")
            if len(bad) == BAD_SHOWN:
                break
    if bad:
        more = ", and perhaps more" if len(bad) == BAD_SHOWN else ""
        raise click.UsageError(f"neither a DID nor a handle: {', '.join(bad)}{more}")
