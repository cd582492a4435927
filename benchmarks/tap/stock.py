"""What one would write first: trio-websocket as it comes, into the same store, acks one by one.

    python -m benchmarks.tap.stock http://127.0.0.1:2480 FOLDER

The store, the decoder and the size of a group are backfilld's, so that the difference is the
channel. It keeps no log. It says `open` once it is connected.
"""

import sys
from pathlib import Path
from typing import Final

import trio
from trio_websocket import open_websocket_url

from backfilld.clock import system
from backfilld.config import Config
from backfilld.delivery.group import group
from backfilld.records.sqlite import SqliteStore
from backfilld.sources.tap import frames
from backfilld_events.ids import Nsid

from .world import COLLECTION

_FRAME_BYTES_MAX: Final = 64 * 2**20


async def consume(url: str, store: SqliteStore) -> None:
    """Runs until the channel ends."""
    limits, wanted = Config().index, frozenset({Nsid(COLLECTION)})
    address = "ws" + url.removeprefix("http") + "/channel"
    async with open_websocket_url(address, max_message_size=_FRAME_BYTES_MAX) as channel:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        while True:
            messages = [await channel.get_message()]
            with trio.move_on_after(float(limits.group_wait)):
                while len(messages) < limits.group_max:
                    messages.append(await channel.get_message())
            deliveries = [frames.decode(str(message).encode()) for message in messages]
            now_us = round(system() * 1e6)
            await trio.to_thread.run_sync(store.commit, group(deliveries, wanted), now_us)
            for delivery in deliveries:
                if delivery.ack is not None:
                    await channel.send_message(frames.ack(delivery.ack).decode())


def main() -> None:
    """Opens the store and consumes."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    store = SqliteStore.open(folder / "records.db", int(Config().index.dead_letter_max))
    trio.run(consume, url, store)


if __name__ == "__main__":
    main()
