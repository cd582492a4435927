"""WebSocket frames in bulk: whole text frames out of a stream, masked text frames into one.

The one rule: only what is beyond doubt is done here, an unmasked text frame in one piece. All
else (control frames, fragments, frames too large, whatever breaks the protocol) goes byte by byte
to the library, which knows what to do with it; frame boundaries are all the two share.
"""

import os
from collections.abc import Sequence
from itertools import groupby

_TEXT = 0x81  # FIN and the opcode for text; a reserved bit makes it another byte
_FIN, _OPCODE, _MASKED = 0x80, 0x0F, 0x80
_CONTROL = 0x08  # and above: control frames, which may stand between fragments
_KEY_BYTES = 4


class Splitter:
    """Cuts what the peer sends into texts, and pieces that are not for us.

    `add` what came, then call `texts` and `others` in turn until neither has anything.
    """

    def __init__(self, frame_max: int) -> None:
        self._frame_max = frame_max
        self._buffer, self._at = b"", 0
        self._needed = 0  # bytes of the frame that comes next, if it is ours and not whole; what
        self._later = bytearray()  # comes of it waits here, or each read would copy all before
        self._passing = 0  # bytes still to come of a frame that is the library's
        self._in_fragments = False

    def add(self, data: bytes) -> None:
        """What came next."""
        rest = len(self._buffer) - self._at
        if rest + len(self._later) + len(data) < self._needed:
            self._later += data
            return
        self._buffer, self._at = b"".join((self._buffer[self._at :], self._later, data)), 0
        self._later.clear()
        self._needed = 0

    def texts(self) -> list[bytes]:
        """The text messages that come next, up to the first frame that is none."""
        found: list[bytes] = []
        if self._passing or self._in_fragments:  # in between, a text breaks the protocol
            return found
        # the hot loop: locals, and an IndexError in place of a test for each byte of a header
        buffer, at, end, take = self._buffer, self._at, len(self._buffer), found.append
        try:
            while buffer[at] == _TEXT:
                size = buffer[at + 1]
                start = at + 2
                if size == 126:
                    size = buffer[at + 2] << 8 | buffer[at + 3]
                    start = at + 4
                elif size > 126:
                    if size & _MASKED:
                        break
                    start = at + 10
                    size = int.from_bytes(buffer[at + 2 : start])
                    if start > end or size > self._frame_max:
                        break
                stop = start + size
                if stop > end:
                    self._needed = stop - at
                    break
                take(buffer[start:stop])
                at = stop
        except IndexError:
            pass  # it ends within a header
        self._at = at
        return found

    def others(self) -> bytes:
        """The bytes that come next and are the library's, up to the end of one frame at most."""
        if not self._passing:
            self._passing = self._foreign()
        piece = self._buffer[self._at : self._at + self._passing]
        self._at += len(piece)
        self._passing -= len(piece)
        return piece

    def _foreign(self) -> int:
        """The length of the frame that comes next if it is the library's; 0: not known, or ours."""
        head = self._buffer[self._at : self._at + 10]
        if len(head) < 2:
            return 0
        code = head[1] & 0x7F
        wide = {126: 2, 127: 8}.get(code, 0)
        if len(head) < 2 + wide:
            return 0
        size = int.from_bytes(head[2 : 2 + wide]) if wide else code
        masked = head[1] & _MASKED
        ours = head[0] == _TEXT and not masked and size <= self._frame_max
        if ours and not self._in_fragments:
            return 0
        if head[0] & _OPCODE < _CONTROL:
            self._in_fragments = not head[0] & _FIN
        return 2 + wide + (_KEY_BYTES if masked else 0) + size


def masked(messages: Sequence[bytes]) -> bytes:
    """Each message as a client's text frame, masked with a fresh random key of its own."""
    return b"".join(_masked(size, list(same)) for size, same in groupby(messages, len))


def _masked(size: int, messages: list[bytes]) -> bytes:
    """The same for messages of one size: acks mostly are. Then all frames have one layout, and
    the keys are laid over them by slices with a stride, and applied with one XOR of big numbers;
    a call for each message would cost ten times as much."""
    head = _client_head(size)
    blank = head + bytes(_KEY_BYTES)
    plain = b"".join((blank, blank.join(messages)))
    stride, first = len(blank) + size, len(head)
    keys = os.urandom(_KEY_BYTES * len(messages))
    lanes = [keys[n::_KEY_BYTES] for n in range(_KEY_BYTES)]
    cover = bytearray(len(plain))
    for n in range(_KEY_BYTES + size):  # the key itself over zeros, then over the message
        cover[first + n :: stride] = lanes[n % _KEY_BYTES]
    both = int.from_bytes(plain, "little") ^ int.from_bytes(cover, "little")
    return both.to_bytes(len(plain), "little")


def _client_head(size: int) -> bytes:
    if size < 126:
        return bytes((_TEXT, _MASKED | size))
    if size < 2**16:
        return bytes((_TEXT, _MASKED | 126)) + size.to_bytes(2)
    return bytes((_TEXT, _MASKED | 127)) + size.to_bytes(8)
