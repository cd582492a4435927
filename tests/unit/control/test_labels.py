"""The labels that a record gives itself are told, and nothing else that it holds is one."""

import json

import pytest

from backfilld.control.labels import self_labels

KIND = "com.atproto.label.defs#selfLabels"


def body(values: object, kind: str = KIND) -> bytes:
    return json.dumps({"labels": {"$type": kind, "values": values}, "text": "x"}).encode()


def test_each_value_is_a_label_by_the_repository_itself_without_a_time() -> None:
    found = self_labels("at://u", "did:web:a", body([{"val": "porn"}, {"val": "gore", "more": 1}]))
    assert [(one.src, one.uri, one.val, one.cts) for one in found] == [
        ("did:web:a", "at://u", "porn", ""),
        ("did:web:a", "at://u", "gore", ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"text":"selfLabels"}',
        body([{"val": "x"}], kind="net.example.labels"),
        body([{"val": 7}]),
        body([{"val": "x" * 129}]),
        body([{"val": "x"}] * 11),
        body({"val": "x"}),
        b'{"labels":"selfLabels"}',
        b'{"selfLabels":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"labels":"selfLabels\xff"}',
    ],
)
def test_whatever_is_no_self_label_is_none_and_no_error(text: bytes) -> None:
    assert self_labels("at://u", "did:web:a", text) == []
