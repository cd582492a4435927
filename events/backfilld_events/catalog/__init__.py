"""Every kind of event there is, by its written-out type name.

`Event` is the union, so that `match` with `assert_never` finds a type somebody forgot.
"""

from . import control, index, job, lexicon, notify, service, source
from .control import ControlEvent
from .index import IndexEvent
from .job import JobEvent
from .lexicon import LexiconEvent
from .notify import NotifyEvent
from .service import ServiceEvent
from .source import SourceEvent

Event = (
    JobEvent | LexiconEvent | SourceEvent | IndexEvent | ServiceEvent | ControlEvent | NotifyEvent
)

TYPES: dict[str, type[Event]] = {
    **job.TYPES,
    **lexicon.TYPES,
    **source.TYPES,
    **index.TYPES,
    **service.TYPES,
    **control.TYPES,
    **notify.TYPES,
}

# The schema version that is written today; a type that is not named here is at version 1.
SCHEMAS: dict[str, int] = {"job.started": 2}

__all__ = [
    "SCHEMAS",
    "TYPES",
    "ControlEvent",
    "Event",
    "IndexEvent",
    "JobEvent",
    "LexiconEvent",
    "NotifyEvent",
    "ServiceEvent",
    "SourceEvent",
]
