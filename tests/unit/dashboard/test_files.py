"""What the pages load: only what is written down, and from nowhere else."""

import hashlib
import re
from importlib.resources import files

from backfilld.dashboard.files import ASSETS, address

FOLDER = files("backfilld.dashboard")
ROW = re.compile(r"^\| (\S+\.js) \| (\S+) \| ([\d.]+) \| \S+ \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_every_vendored_file_is_the_one_that_is_written_down() -> None:
    rows = ROW.findall((FOLDER / "vendor" / "VENDOR.md").read_text())
    written = {name: digest for name, _, _, digest in rows}
    there = {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in (FOLDER / "vendor").iterdir()
        if entry.name != "VENDOR.md"
    }
    assert written == there


def test_the_vendored_licences_stand_beside_the_files() -> None:
    text = (FOLDER / "vendor" / "VENDOR.md").read_text()
    assert "Permission to use, copy, modify, and/or distribute" in text


def test_a_file_s_address_changes_with_its_content() -> None:
    assert address("page.css").endswith(ASSETS["page.css"].digest[:12])


def test_nothing_of_ours_names_another_host_or_stands_inline() -> None:
    ours = [
        entry
        for folder in (FOLDER / "templates", FOLDER / "templates" / "parts", FOLDER / "static")
        for entry in folder.iterdir()
        if entry.is_file()
    ]
    assert len(ours) > 15
    for entry in ours:
        text = entry.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]", text), entry.name
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text), entry.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), entry.name
        assert not re.search(r"\|\s*safe|autoescape", text), entry.name
