"""A network in memory for the real Tap: N signed repositories, their PLC directory, PDS and relay.

    python -m benchmarks.tap.world --repos 600 --records 700

Builds everything, then says one line of JSON about itself and serves until its stdin ends; so it
does not outlive whoever started it.
"""

import argparse
import base64
import hashlib
import random
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import msgspec
from msgspec import Struct

from .limits import Limit, OneRefusal, Window
from .repository import Repository, document, key_of, signed, tid
from .world_server import Answers, Server

COLLECTION = "net.example.score"
NOTE_CHARS = 205  # makes frames of 600 bytes
_FIRST_US = 1_700_000_000_000_000
_TEXT = (
    "the river runs past seven old mills and nobody counts the geese that sleep under the bridge "
    "when winter comes early they leave in one long line toward the sea and the children of the "
    "village write down the day in a book that is older than the church itself"
)


class Facts(Struct, frozen=True):
    """What a world says of itself. `truth` is `digest_of` all its records."""

    url: str
    dids: list[str]
    records: int
    car_bytes: int
    truth: str


def did_of(seed: str, number: int) -> str:
    """The DID of repository `number`."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return "did:plc:" + base64.b32encode(digest).decode().lower()[:24]


def digest_of(records: Iterable[tuple[str, str, str]]) -> str:
    """One short text for a set of (DID, rkey, CID), whatever their order."""
    digest = hashlib.sha256()
    for record in sorted(records):
        digest.update(" ".join(record).encode() + b"\n")
    return digest.hexdigest()


def digest_of_all(digests: Iterable[str]) -> str:
    """The same for a set of repositories, from theirs."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def repository(seed: str, number: int, records: int) -> Repository:
    """Repository `number`. A record makes a frame of about 600 bytes in Tap's channel."""
    chance = random.Random(f"{seed}/{number}")
    story = " ".join(chance.choices(_TEXT.split(), k=600))
    did = did_of(seed, number)

    def all_records() -> Iterator[tuple[str, object]]:
        at = _FIRST_US + number * 1_000_003
        for n in range(records):
            at += 1_000_000 + int(chance.random() * 9e7)
            yield f"{COLLECTION}/{tid(at, number % 1024)}", record(n, story, chance)

    return signed(did, tid(_FIRST_US + 10**15), all_records(), key_of(did))


def record(number: int, story: str, chance: random.Random) -> dict[str, object]:
    """One record, with a piece of the repository's story."""
    at = int(chance.random() * (len(story) - NOTE_CHARS))
    return {
        "$type": COLLECTION,
        "score": int(chance.random() * 1e6),
        "note": story[at : at + NOTE_CHARS],
        "rank": number,
        "createdAt": "2024-05-01T12:00:00.000Z",
    }


def _build(seed: str, number: int, records: int) -> tuple[bytes, str]:
    """(CAR, digest) of repository `number`; in a process of the pool."""
    made = repository(seed, number, records)
    did = did_of(seed, number)
    return made.car, digest_of(
        (did, leaf.key.decode().partition("/")[2], str(leaf.value)) for leaf in made.leaves
    )


def _limit(refuse_at: int | None, most: int | None) -> Limit:
    if refuse_at is not None:
        return OneRefusal(refuse_at)
    return Limit() if most is None else Window(most)


def main() -> None:
    """Builds, with all cores, for nothing is measured yet; then serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repos", type=int, default=600)
    parser.add_argument("--records", type=int, default=700, help="of each repository")
    parser.add_argument("--seed", default="world")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--refuse-at", type=int, help="answer this getRepo, counted from 1, with 429"
    )
    limit.add_argument("--most", type=int, help="so many getRepo in 10 s, and 429 to the rest")
    asked = parser.parse_args()
    server, answers = Server(), Answers(COLLECTION, _limit(asked.refuse_at, asked.most))
    seed, numbers = repeat(asked.seed), range(asked.repos)
    dids, digests, car_bytes = list(map(did_of, seed, numbers)), [], 0
    with ProcessPoolExecutor() as pool:
        built = pool.map(_build, seed, numbers, repeat(asked.records), chunksize=8)
        for did, (car, digest) in zip(dids, built, strict=True):
            answers.add(did, document(did, key_of(did).public_key(), server.url), car)
            digests.append(digest)
            car_bytes += len(car)
    truth = digest_of_all(digests)
    facts = Facts(server.url, dids, asked.repos * asked.records, car_bytes, truth)
    server.start(answers)
    sys.stdout.buffer.write(msgspec.json.encode(facts) + b"\n")
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
