"""What a seed says of each repository: names, host, fate, records. Pure, and stored nowhere."""

from collections.abc import Sequence
from typing import Literal, get_args

from backfilld_events.ids import Did, Nsid, Rev, Rkey

from .bodies import body_of
from .changes import Record, Status
from .naming import DidMap, cid_of, mix, tid

_BASE_MICROS = 1_700_000_000_000_000  # 2023-11-14; every record of the seed is older than its rev
_YEAR = 365 * 24 * 3600 * 1_000_000
_REVS_MICROS = _BASE_MICROS + _YEAR
LATER_MICROS = _BASE_MICROS + 2 * _YEAR  # after everything a seed says
_RECORD_STEP_MICROS = 61_000_000

Trouble = Literal[
    "not_on_plc",
    "pds_down",
    "rate_limited_once",
    "undecodable",  # its first record cannot be read; the others are fine
    # not among ODD_FATES:
    "identity_hangs",  # looking it up never ends, and holds a worker for good
    "empty_bytes",  # a record holds {"$bytes":""}: Tap cannot write the repository at all
    "no_pds",  # its DID document names none
    "pds_hangs",
    "pds_resets",
    "pds_500",
    "pds_502",
    "bad_signature",
    "cut_car",
    "empty_car",
    "missing_block",  # its first record is not in the CAR: dropped, and the others are fine
    "other_did",  # the commit names another account, which nobody notices
]
Fate = Status | Trouble
"""What meets whoever fetches a repository; `active` is a plain one."""

ODD_FATES: tuple[Fate, ...] = (
    "deactivated",
    "takendown",
    "deleted",
    "not_on_plc",
    "pds_down",
    "rate_limited_once",
    "undecodable",
)
EVERY_FATE: tuple[Fate, ...] = tuple(
    fate
    for fate in (*get_args(Status), *get_args(Trouble))
    if fate not in ("active", "identity_hangs")
)
"""All that one account can have without stopping the others."""


class Seeded:
    """Repositories 0 .. repos - 1.

    Every repository holds the first of `collections`; each further one is held by every second.
    `records_per_repo` counts for each of them: a number, or the least and the most. Of all
    repositories, `odd_share` has one of `odd_fates`, and `empty_share` is listed but holds nothing
    any more. With `large_text_chars` the first record of all has a text of that size.
    """

    def __init__(
        self,
        seed: int,
        repos: int,
        collections: Sequence[Nsid],
        records_per_repo: int | tuple[int, int] = (1, 5),
        *,
        odd_share: float = 0.0,
        odd_fates: Sequence[Fate] = ODD_FATES,
        empty_share: float = 0.0,
        hosts: int = 3,
        large_text_chars: int = 0,
    ) -> None:
        self.seed, self.repos, self.collections = seed, repos, tuple(collections)
        self._counts = (
            (records_per_repo, records_per_repo)
            if isinstance(records_per_repo, int)
            else records_per_repo
        )
        self._odd_fates = tuple(odd_fates)
        self._odd, self._empty = int(odd_share * 2**20), int(empty_share * 2**20)
        self._hosts, self._large_chars = hosts, large_text_chars
        self._dids = DidMap(seed)
        self._salt = mix(seed)
        self._by_path = sorted(enumerate(self.collections), key=lambda pair: pair[1] + "/")

    def did(self, ordinal: int) -> Did:
        return self._dids.did(ordinal)

    def dids(self, ordinals: Sequence[int]) -> list[Did]:
        return self._dids.dids(ordinals)

    def handle(self, ordinal: int) -> str:
        """A quarter of the handles do not resolve back, and are shown as `handle.invalid`."""
        return "handle.invalid" if self._chance(ordinal, 1) & 3 == 0 else f"r{ordinal}.example.com"

    def host(self, ordinal: int) -> str:
        """The PDS of an account, as its DID document has it."""
        if self.fate(ordinal) == "pds_down":
            return "http://down.pds.test"
        return f"http://pds{self._chance(ordinal, 2) % self._hosts}.pds.test"

    def fate(self, ordinal: int) -> Fate:
        chance = self._chance(ordinal, 0)
        if ordinal >= self.repos or chance & 0xFFFFF >= self._odd:
            return "active"
        return self._odd_fates[(chance >> 20) % len(self._odd_fates)]

    def holds(self, ordinal: int, position: int) -> bool:
        """Whether a repository ever held the collection at `position`."""
        return position == 0 or (ordinal + position) % 2 == 0

    def rev(self, ordinal: int) -> Rev:
        return tid(_REVS_MICROS + ordinal, 0)

    def records(self, ordinal: int) -> list[Record]:
        """What the repository holds, ordered by path, as a fetch finds it."""
        chance = self._chance(ordinal, 3)
        if ordinal >= self.repos or chance >> 44 < self._empty:
            return []
        least, most = self._counts
        count = least + (chance >> 8) % (most - least + 1)
        unreadable = self.fate(ordinal) == "undecodable"
        start = _BASE_MICROS + chance % (_YEAR // 2)
        found: list[Record] = []
        for position, collection in self._by_path:
            if not self.holds(ordinal, position):
                continue
            for k in range(count):
                number = mix(chance + (position << 32) + k)
                large = self._large_chars if ordinal == k == position == 0 else 0
                body = body_of(collection, number, large)
                rkey = Rkey(tid(start + k * _RECORD_STEP_MICROS, number >> 40))
                shown = None if unreadable and not found else body
                found.append(Record(collection, rkey, cid_of(body), shown))
        return found

    def _chance(self, ordinal: int, purpose: int) -> int:
        return mix(self._salt ^ (ordinal << 4 | purpose))
