"""Values of the configuration as the file writes them, so that what is shown can be put there."""

import json
from collections.abc import Mapping

from msgspec import Struct

from .units import UNITS_BYTES, UNITS_S, Duration, Size


def written(value: object) -> str:
    """A value as TOML, on one line."""
    match value:
        case Duration():
            return json.dumps(_measured(float(value), UNITS_S))
        case Size():
            return json.dumps(_measured(float(value), UNITS_BYTES))
        case Struct():
            return written({key: getattr(value, key) for key in value.__struct_fields__})
        case Mapping():
            pairs = ", ".join(f"{json.dumps(key)} = {written(one)}" for key, one in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(map(written, value))}]"
        case _:  # DEL is a control character for TOML alone
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _measured(value: float, units: Mapping[str, float]) -> str:
    """In the largest unit of which it is a whole number, else in the smallest."""
    by_size = sorted(units.items(), key=lambda one: one[1])
    whole = [unit for unit in by_size if value >= unit[1] and value % unit[1] == 0]
    name, size = whole[-1] if whole else by_size[0]
    if not value:
        name, size = next(unit for unit in by_size if unit[1] == 1)
    return f"{value / size:.6f}".rstrip("0").rstrip(".") + name
