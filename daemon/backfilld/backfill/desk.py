"""Takes commands: decides on the state as it stands, and decides again when it moved meanwhile."""

import uuid
from collections.abc import Callable

import trio
from msgspec import Struct

from backfilld_events.folds import State
from backfilld_events.row import Row

from ..journal import Journal, Stale
from . import decide, decide_keys
from .commands import (
    CancelJob,
    Command,
    CreateKey,
    DeleteLexicon,
    PauseJob,
    ResumeJob,
    RevokeKey,
    StartJob,
    UploadLexicon,
)
from .decide import Decision


class Done(Struct, frozen=True):
    """What a command came to: its rows, durable, and the job or key it is about. `joined`: an equal
    job was under way, or the same was asked for before, and nothing was written."""

    rows: list[Row]
    id: str | None
    joined: bool


# What is decided on more than the streams it writes: two equal jobs, or two keys of one name, are
# two streams, and no version would tell the second of the first
_ALONE = (StartJob, UploadLexicon, CreateKey, RevokeKey)


class Desk:
    """The one way by which commands reach the log."""

    def __init__(self, journal: Journal, new_id: Callable[[], str] = lambda: str(uuid.uuid4())):
        self._journal, self._new_id = journal, new_id
        self._alone = trio.Lock()

    async def submit(self, command: Command, actor: str) -> Done:
        """Carries a command into the log. Raises decide.Refused."""
        if not isinstance(command, _ALONE):
            return await self._submit(command, actor)
        async with self._alone:
            return await self._submit(command, actor)

    async def _submit(self, command: Command, actor: str) -> Done:
        new_id = self._new_id()
        while True:
            decision = _decide(self._journal.state, command, new_id, actor)
            if not decision.events:
                return Done([], decision.id, decision.joined)
            try:
                rows = await self._journal.append(decision.events, expected=decision.expected)
            except Stale:
                continue
            return Done(rows, decision.id, joined=False)


def _decide(state: State, command: Command, new_id: str, actor: str) -> Decision:
    match command:
        case StartJob():
            return decide.start_job(state, command, job_id=new_id, actor=actor)
        case PauseJob():
            return decide.pause_job(state, command, actor=actor)
        case ResumeJob():
            return decide.resume_job(state, command, actor=actor)
        case CancelJob():
            return decide.cancel_job(state, command, actor=actor)
        case UploadLexicon():
            return decide.upload_lexicon(state, command, job_id=new_id, actor=actor)
        case DeleteLexicon():
            return decide.delete_lexicon(state, command, actor=actor)
        case CreateKey():
            return decide_keys.create_key(state, command, key_id=new_id, actor=actor)
        case RevokeKey():
            return decide_keys.revoke_key(state, command, actor=actor)
