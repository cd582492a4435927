"""The labels that a record gives itself. Pure.

Whatever else a record holds under `labels` is no label. Source: com.atproto.label.defs#selfLabels,
a union's member that names its type, with at most ten values of at most 128 bytes.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from .shapes.reads import LabelShape

VALUES_MAX, VALUE_CHARS_MAX = 10, 128


class _Label(Struct):
    val: Annotated[str, Meta(max_length=VALUE_CHARS_MAX)]


class _SelfLabels(Struct, tag_field="$type", tag="com.atproto.label.defs#selfLabels"):
    values: Annotated[list[_Label], Meta(max_length=VALUES_MAX)]


class _Labelled(Struct):
    labels: _SelfLabels


_DECODER = msgspec.json.Decoder(_Labelled)


def self_labels(uri: str, did: str, body: bytes) -> list[LabelShape]:
    """The labels of the record at `uri`, in its own order."""
    if b"selfLabels" not in body:  # most have none, and need not be read
        return []
    try:
        found = _DECODER.decode(body).labels.values
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [LabelShape(did, uri, one.val) for one in found]
