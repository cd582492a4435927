"""A lexicon that is taken in, from a file or from the network: what came of it, in the API's words.

The texts that begin an error are HappyView's where it has one: scripts compare them.
"""

from msgspec import Struct
from msgspec.structs import replace

from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.row import Row

from ..backfill.commands import UploadLexicon
from ..lexicons import LexiconFault
from .door import Asked, Door, actor, may
from .problems import BadRequest

_HAPPYVIEWS_TEXTS = ("lexicon JSON must have a ", "unsupported lexicon version: ")
_NEEDED = "backfill:create"


class TakenIn(Struct, frozen=True):
    """What was written. `is_new`: the lexicon was not there before. `job_id` is the job that began
    with it, or the equal one that is under way."""

    rows: list[Row]
    revision: int
    is_new: bool
    job_id: str | None
    job_error: str | None
    warnings: list[str]


async def take_in(door: Door, request: Asked, command: UploadLexicon) -> TakenIn:
    """Submits the command for whoever asks; one who may start no job starts none."""
    mode = door.config().jobs.mode
    command = replace(command, may_start=may(request, _NEEDED), mode=mode)
    before = door.journal.state.lexicons.get(command.document.id)
    done = await door.desk.submit(command, actor(request))
    warnings = list(command.document.warnings)
    kind = command.document.kind
    if command.backfill and kind != "record":
        warnings.append(f"no job was started: this is a {kind} lexicon, it has no records")
    return TakenIn(
        rows=done.rows,
        revision=getattr(done.rows[0].event, "revision", 0),
        is_new=before is None or before.deleted,
        job_id=done.id,
        job_error=_job_error(command, before) if done.id is None else None,
        warnings=warnings,
    )


def _job_error(command: UploadLexicon, before: Lexicon | None) -> str | None:
    """Why no job was started, if one was asked for and had been due."""
    document = command.document
    had = before is not None and not before.deleted and before.backfill
    if command.may_start or had or not command.backfill or document.kind != "record":
        return None
    return (
        f"Missing permission: {_NEEDED}; "
        f"whoever has it starts the job: backfillctl start {document.id}"
    )


def unparsed(fault: LexiconFault) -> BadRequest:
    """The refusal of a document."""
    known = fault.rule.startswith(_HAPPYVIEWS_TEXTS)
    text = fault.rule if known else f"failed to parse lexicon: {fault.rule}"
    return BadRequest(400, text, fault.code, fault.hint, fault.path)
