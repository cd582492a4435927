"""What is asked about dead letters."""

import base64
from typing import Any

import msgspec
from msgspec import Raw, Struct

from backfilld_events.row import utc_text

from ..shapes.dead_letters import LetterDetail, Letters, LetterShape
from .base import ViewsBase

_COLUMNS = (
    "id, did, collection, rkey, action, why, attempts, at, resolved_at, resolution, raw_bytes,"
    " length(raw)"
)


class LetterViews(ViewsBase):
    """The part of the views that knows dead letters."""

    async def dead_letters(self, collection: str | None = None, resolved: str = "false") -> int:
        """How many there are that nobody has settled; with `resolved` "true" those that are, with
        "all" both. Kept, not counted."""
        return await self._worker(self._letter_count, collection, resolved)

    async def letters(
        self, collection: str | None, resolved: str, before: int, limit: int
    ) -> Letters:
        """The next `limit` of them, newest first, with numbers below `before`."""
        return await self._worker(self._letters, collection, resolved, before, limit)

    async def letter(self, number: int) -> LetterDetail | None:
        """One of them, with its bytes. None: there is none with this number."""
        return await self._worker(self._letter, number)

    def _letter_count(self, collection: str | None, resolved: str) -> int:
        what = {"false": "open", "true": "resolved", "all": "open + resolved"}[resolved]
        (count,) = self._records.execute(
            f"SELECT coalesce(sum({what}), 0) FROM dead_count"
            " WHERE :collection IS NULL OR collection = :collection",
            {"collection": collection},
        ).fetchone()
        return int(count)

    def _letters(self, collection: str | None, resolved: str, before: int, limit: int) -> Letters:
        conditions = ["id < :before"]
        if collection is not None:
            conditions.append("collection = :collection")
        # each of the two by an index of its own, so that neither passes over the other's
        wanted = {"false": [1], "true": [0], "all": [0, 1]}[resolved]
        rows: list[tuple[Any, ...]] = []
        for is_open in wanted:
            rows += self._records.execute(
                f"SELECT {_COLUMNS} FROM dead_letter"
                f" WHERE open = {is_open} AND {' AND '.join(conditions)}"
                " ORDER BY id DESC LIMIT :limit",
                {"before": before, "collection": collection, "limit": limit + 1},
            ).fetchall()
        rows.sort(reverse=True, key=lambda row: row[0])
        page = Letters([_shown(row) for row in rows[:limit]])
        if len(rows) > limit:
            page.cursor = str(rows[limit - 1][0])
        return page

    def _letter(self, number: int) -> LetterDetail | None:
        found = self._records.execute(
            f"SELECT {_COLUMNS}, raw FROM dead_letter WHERE id = ?", (number,)
        ).fetchone()
        if found is None:
            return None
        *columns, raw = found
        shape = _shown(columns)
        fields = {name: getattr(shape, name) for name in shape.__struct_fields__}
        return LetterDetail(
            **fields, record=_record(raw), raw_base64=base64.b64encode(raw).decode()
        )


class _Record(Struct, frozen=True):
    record: Raw = Raw(b"null")


class _Message(Struct):
    record: _Record = _Record()


def _record(raw: bytes) -> Raw:
    """What a message holds of its record, if it can be shown as JSON."""
    try:
        found = msgspec.json.decode(raw, type=_Message).record.record
        bytes(found).decode()  # what is passed over is not looked into
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Raw(b"null")
    return found


def _shown(row: Any) -> LetterShape:
    (
        number, did, collection, rkey, action, why, attempts, at, resolved_at, resolution,
        raw_bytes, kept,
    ) = row  # fmt: skip
    has_uri = did is not None and collection is not None and rkey is not None
    shape = LetterShape(
        id=str(number),
        lexicon_id=collection,
        uri=f"at://{did}/{collection}/{rkey}" if has_uri else None,
        did=did,
        collection=collection,
        rkey=rkey,
        action=action,
        error=why,
        attempts=attempts,
        created_at=utc_text(at / 1e6),
        raw_bytes=raw_bytes,
        kept_bytes=kept,
    )
    if resolved_at is not None:
        shape.resolved_at, shape.resolution = utc_text(resolved_at / 1e6), resolution
    return shape
