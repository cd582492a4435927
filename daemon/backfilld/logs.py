"""What the daemon tells while it runs: lines on stderr, for a terminal, the journal or a program.

The log of events is not this: these lines are for eyes, and may be lost. A traceback never shows
what the variables held: keys and bodies are among them.
"""

import logging
import os
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

_JOURNAL_LEVEL = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def configure(level: str, style: str) -> None:
    """`level`: debug, info, warning or error. `style`: auto, text or json."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
    ]
    renderer: list[Processor]
    if style == "json":
        renderer = [
            _stamp(),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
    elif style == "auto" and os.environ.get("JOURNAL_STREAM"):
        plain = structlog.processors.LogfmtRenderer(key_order=["event"])
        renderer = [_journal_level, structlog.processors.format_exc_info, _prefixed(plain)]
    else:
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        renderer = [
            _stamp(),
            structlog.dev.ConsoleRenderer(
                colors=colors, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _stamp() -> Processor:
    return structlog.processors.TimeStamper(fmt="iso", utc=True)


def _journal_level(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["_priority"] = _JOURNAL_LEVEL.get(event.pop("level", "info"), 6)
    return event


def _prefixed(render: structlog.processors.LogfmtRenderer) -> Processor:
    def with_priority(logger: WrappedLogger, name: str, event: EventDict) -> str:
        priority = event.pop("_priority")
        return f"<{priority}>{render(logger, name, event)}"

    return with_priority
