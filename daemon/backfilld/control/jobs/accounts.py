"""The accounts that a request names, as DIDs: all, or one refusal that names every bad one."""

from collections.abc import Sequence
from typing import Protocol

import trio

from backfilld_events import ids
from backfilld_events.ids import Did

from ...failures import Busy
from ..problems import BadRequest, network_busy

HANDLES_MAX = 500  # each costs a look-up on the network
DIDS_MAX = 100_000
AT_ONCE = 5_000  # entries looked at before others have their turn: 5 ms
NAMED_MAX = 20  # bad entries that are spelled out; the rest is counted

_HINT = "correct or leave out these entries and send all again: nothing was started"


class Handles(Protocol):
    """Looks handles up: (handle -> DID, "handle: why not" of each of the others). Raises
    failures.Busy."""

    async def resolve_all(self, names: Sequence[str]) -> tuple[dict[str, Did], list[str]]: ...


async def accounts(handles: Handles, did: str | None, dids: list[str] | None) -> tuple[Did, ...]:
    """The accounts in the order given, each once; blank entries are passed over. Raises
    BadRequest."""
    field = "did" if dids is None else "dids"
    names, others, wanted = await _told_apart([*([] if did is None else [did]), *(dids or [])])
    if not names and (did is not None or dids is not None):
        raise BadRequest(
            400, "no valid accounts given: every entry was blank", "bad-accounts",
            f"name DIDs or handles, or leave {field} out to ask the relay", field,
        )  # fmt: skip
    _few_enough(len(wanted), HANDLES_MAX, "handles are looked up one by one; send DIDs", field)
    _few_enough(len(names), DIDS_MAX, "start several jobs", field)
    try:
        found, why = await handles.resolve_all([*wanted]) if wanted else ({}, [])
    except Busy as error:
        raise network_busy() from error
    bad = [name for name in others if name not in found]
    if bad:
        neither = [name for name in bad if name not in wanted][:NAMED_MAX]
        named = [f"{ids.shown(name)}: neither a DID nor a handle" for name in neither]
        named = [*named, *why][:NAMED_MAX]
        if len(bad) > len(named):
            named.append(f"and {len(bad) - len(named):,} more")
        text = f"could not resolve {len(bad)} account(s): {'; '.join(named)}"
        raise BadRequest(400, text, "bad-accounts", _HINT, field)
    return tuple(dict.fromkeys(found.get(name) or Did(name) for name in names))


async def _told_apart(given: Sequence[str]) -> tuple[dict[str, None], list[str], dict[str, None]]:
    """The names, each once; those that are no DIDs; of these the handles. In pieces, so that
    everybody else goes on meanwhile."""
    names: dict[str, None] = {}
    others: list[str] = []
    wanted: dict[str, None] = {}
    for at in range(0, len(given), AT_ONCE):
        piece = dict.fromkeys(entry.strip() for entry in given[at : at + AT_ONCE])
        new = [name for name in piece if name and name not in names]
        names.update(dict.fromkeys(new))
        if not ids.all_plc(new):
            no_dids = [name for name in new if not ids.is_did(name)]
            others += no_dids
            wanted.update(dict.fromkeys(filter(_is_handle, no_dids)))
        await trio.lowlevel.checkpoint()
    return names, others, wanted


def _few_enough(n: int, most: int, hint: str, field: str) -> None:
    if n > most:
        text = f"a backfill can target at most {most} accounts, got {n}"
        raise BadRequest(400, text, "bad-accounts", hint, field)


def _is_handle(name: str) -> bool:
    try:
        ids.parse_handle(name)
    except ids.BadId:
        return False
    return True
