"""What the cursor of a collectiondir says: a place in time, in one collection's listing.

Source: indigo's collectiondir, as it was run. Its key is "A", the collection's number in 4 bytes,
the millisecond of the first sight in 8, and the DID; a cursor is the key and NUL, in URL-safe
base64. The numbers are those of one database: after a rebuild they name other collections.
"""

import base64
import binascii

from backfilld_events import ids

_NUMBER = slice(1, 5)
_HEAD_BYTES = 1 + 4 + 8


def collection_number(cursor: str) -> bytes | None:
    """The number of the collection in which the cursor is a place; None: it is no such cursor."""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        did = key[_HEAD_BYTES:-1].decode("ascii")
    except (ValueError, binascii.Error):
        return None
    is_place = key[:1] == b"A" and key[-1:] == b"\0" and ids.is_did(did)
    return key[_NUMBER] if is_place else None
