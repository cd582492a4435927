"""What a source delivers, in words that hold for every source. `ack` names it to the source.

Bodies are kept as the bytes that came: nothing is lost by decoding and encoding again. There are
a hundred thousand a second of them, and they hold no cycles: gc=False spares the collector.
"""

from msgspec import Struct

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey


class RecordDelivery(Struct, frozen=True, gc=False):
    """A record as of `rev`; `cid` and `body` None: it was deleted. `live`: from the firehose,
    and whatever follows in its repository waits for its ack."""

    ack: int
    did: Did
    collection: Nsid
    rkey: Rkey
    rev: Rev
    cid: Cid | None
    body: bytes | None
    live: bool


class AccountDelivery(Struct, frozen=True, gc=False):
    """What is known of an account now. `status` is `active`, or why it is not."""

    ack: int
    did: Did
    handle: str
    status: str


class DeadDelivery(Struct, frozen=True, gc=False):
    """A message that cannot be used, with all that could be read of it. `ack` None: not even
    its number could be read. `action` is what happened to the record."""

    ack: int | None
    why: str
    raw: bytes
    did: Did | None
    collection: Nsid | None
    rkey: Rkey | None
    action: str | None = None


Delivery = RecordDelivery | AccountDelivery | DeadDelivery
