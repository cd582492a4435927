"""Handles that people write, as the DIDs they belong to: many at once, none left without a word."""

from collections.abc import Sequence

import trio

from backfilld_events.ids import BadId, Did, shown

from ..failures import Busy, Failure
from .identity import Identity

AT_ONCE = 32
WITHIN_S = 60.0  # for all of them
TURN_WITHIN_S = 5.0  # for the first of them to be asked about


class Handles:
    """Looks handles up, a bounded number at a time, whoever asks for them."""

    def __init__(self, identity: Identity, within_s: float = WITHIN_S) -> None:
        self._identity, self._within_s = identity, within_s
        self._slots = trio.CapacityLimiter(AT_ONCE)

    async def resolve_all(self, names: Sequence[str]) -> tuple[dict[str, Did], list[str]]:
        """(name -> DID, and for each of the others "name: why not"), each in the order given.
        Raises failures.Busy: too many others are looked up."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, Did] = {}
        why: dict[str, str] = {}
        begun = trio.Event()

        async def look_up(name: str) -> None:
            async with self._slots:
                begun.set()
                try:
                    found[name] = await self._identity.did_of(name)
                except BadId as error:
                    why[name] = str(error)
                except Failure as failure:
                    why[name] = failure.message

        with trio.move_on_after(self._within_s):
            async with trio.open_nursery() as nursery:
                for name in wanted:
                    nursery.start_soon(look_up, name)
                with trio.move_on_after(TURN_WITHIN_S):
                    await begun.wait()
                if wanted and not begun.is_set():
                    nursery.cancel_scope.cancel()
        if wanted and not begun.is_set():
            raise Busy
        late = f"not looked up within {self._within_s:g} s"
        rest = [name for name in wanted if name not in found]
        failed = [f"{shown(name)[1:-1]}: {why.get(name, late)}" for name in rest]
        return {name: found[name] for name in wanted if name in found}, failed
