"""Takes commands: decides on the state as it stands, and decides again when it moved meanwhile."""

import uuid
from collections.abc import Callable

from backfilld_events.folds import State
from backfilld_events.row import Row

from ..journal import Journal, Stale
from . import decide
from .commands import Command, DeleteLexicon, StartJob, UploadLexicon
from .decide import Decision


class Desk:
    """The one way by which commands reach the log."""

    def __init__(self, journal: Journal, new_id: Callable[[], str] = lambda: str(uuid.uuid4())):
        self._journal, self._new_id = journal, new_id

    async def submit(self, command: Command, actor: str) -> list[Row]:
        """Carries a command into the log; its rows, durable. Raises decide.Refused."""
        job_id = self._new_id()
        while True:
            decision = _decide(self._journal.state, command, job_id, actor)
            try:
                return await self._journal.append(decision.events, expected=decision.expected)
            except Stale:
                continue


def _decide(state: State, command: Command, job_id: str, actor: str) -> Decision:
    match command:
        case StartJob():
            return decide.start_job(state, command, job_id=job_id, actor=actor)
        case UploadLexicon():
            return decide.upload_lexicon(state, command, job_id=job_id, actor=actor)
        case DeleteLexicon():
            return decide.delete_lexicon(state, command, actor=actor)
