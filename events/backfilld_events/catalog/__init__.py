"""Every kind of event there is, by its written-out type name.

`Event` is the union, so that `match` with `assert_never` finds a type somebody forgot.
"""

from . import child, control, dead, index, job, lexicon, notify, reconcile, service, source
from .child import ChildEvent
from .control import ControlEvent
from .dead import DeadEvent
from .index import IndexEvent
from .job import JobEvent
from .lexicon import LexiconEvent
from .notify import NotifyEvent
from .reconcile import ReconcileEvent
from .service import ServiceEvent
from .source import SourceEvent

Event = (
    JobEvent
    | LexiconEvent
    | SourceEvent
    | IndexEvent
    | ServiceEvent
    | ControlEvent
    | NotifyEvent
    | DeadEvent
    | ChildEvent
    | ReconcileEvent
)

TYPES: dict[str, type[Event]] = {
    **job.TYPES,
    **lexicon.TYPES,
    **source.TYPES,
    **index.TYPES,
    **service.TYPES,
    **control.TYPES,
    **notify.TYPES,
    **dead.TYPES,
    **child.TYPES,
    **reconcile.TYPES,
}

# The schema version that is written today; a type that is not named here is at version 1.
SCHEMAS: dict[str, int] = {"job.started": 3, "tap.repos-observed": 2}

__all__ = [
    "SCHEMAS",
    "TYPES",
    "ChildEvent",
    "ControlEvent",
    "DeadEvent",
    "Event",
    "IndexEvent",
    "JobEvent",
    "LexiconEvent",
    "NotifyEvent",
    "ReconcileEvent",
    "ServiceEvent",
    "SourceEvent",
]
