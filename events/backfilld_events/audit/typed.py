"""Whether the columns of a row have the types of the log's table. Pure.

The one rule: that they have them is never taken from the table. SQLite holds rows to their types
only while the schema says STRICT, and whoever can write the file can write its schema.
"""

from typing import Any, Final

from ..row import COLUMNS

_KINDS: Final = (int, str, int, str, int, int, str, int, bytes, bytes)
_WITHOUT_CAUSE: Final = (*_KINDS[:7], type(None), *_KINDS[8:])
_TYPED: Final = {_KINDS, _WITHOUT_CAUSE}
_NAMES: Final = COLUMNS.split(", ")


def is_typed(columns: tuple[Any, ...]) -> bool:
    """Whether they are those of a row of the log (row.COLUMNS)."""
    return (*map(type, columns),) in _TYPED


def wrong(columns: tuple[Any, ...]) -> str:
    """Which column is of which type, though it should not be; of columns that are not typed."""
    for name, value, kind in zip(_NAMES, columns, _KINDS, strict=True):
        if type(value) is not kind and not (name == "cause" and value is None):
            return f"its column {name} is of another type than the log's ({type(value).__name__})"
    return ""
