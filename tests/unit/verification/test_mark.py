"""The mark says over restarts that the log does not verify."""

import errno
import os
from pathlib import Path

import pytest

from backfilld.verification import mark
from backfilld.verification.known import FILE, Problem

PROBLEM = Problem(7, "its hash does not follow", 1.8e9)


def test_a_mark_is_read_as_it_was_left_and_gone_when_it_was_taken_away(tmp_path: Path) -> None:
    assert mark.read(tmp_path) is None
    mark.write(tmp_path, PROBLEM)
    assert mark.read(tmp_path) == PROBLEM
    mark.write(tmp_path, Problem(8, "another", 1.9e9))
    assert mark.read(tmp_path) == Problem(8, "another", 1.9e9)
    assert [one.name for one in tmp_path.iterdir()] == [mark.NAME]
    mark.remove(tmp_path)
    mark.remove(tmp_path)
    assert mark.read(tmp_path) is None


def test_a_full_disk_takes_a_mark_that_does_not_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            mark.write(tmp_path, PROBLEM)
    assert mark.read(tmp_path) is not None


def test_a_mark_that_cannot_be_understood_is_still_a_mark(tmp_path: Path) -> None:
    for content in (b"", b"{", b'{"position":"x"}', b"\xff\xfe"):
        (tmp_path / mark.NAME).write_bytes(content)
        found = mark.read(tmp_path)
        assert found is not None
        assert found.position == FILE
        assert "does not say why" in found.sentence
    (tmp_path / mark.NAME).unlink()
    (tmp_path / mark.NAME).mkdir()
    found = mark.read(tmp_path)
    assert found is not None
    assert "cannot be read" in found.sentence
