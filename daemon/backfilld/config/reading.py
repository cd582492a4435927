"""Reads the file and the environment, and says where in them an error stands."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .checks import wrong
from .keys import Config, flat
from .units import Secret, Size, parse

ENVIRONMENT_PREFIX = "BACKFILLD_"
_NOT_KEYS = frozenset(  # backfillctl's, and the file itself
    {"BACKFILLD_SOCKET", "BACKFILLD_URL", "BACKFILLD_TOKEN_FILE", "BACKFILLD_CONFIG"}
)


class BadConfig(Exception):
    """The configuration cannot be used; the message is for the person who wrote it."""


def load(path: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Reads the file (None: defaults only) and the environment. Raises BadConfig."""
    text = ""
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(f"{path}: cannot be read: {error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path}: {error}") from error
    try:
        _convert(data)
    except msgspec.ValidationError as error:
        raise BadConfig(_placed(str(path), text, error)) from error
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _NOT_KEYS:
            _overlay(data, name, value)
    config = _convert(data)
    if (found := wrong(config)) is not None:
        key, what = found
        raise BadConfig(f"{path or 'the environment'}:{_line(text, key)}: {key}: {what}")
    password(config)
    return config


def password(config: Config) -> Secret:
    """Tap's password, read from its file; empty when there is none. Raises BadConfig."""
    if not config.tap.password_file:
        return Secret("")
    try:
        return Secret(Path(config.tap.password_file).read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"tap.password_file: cannot be read: {error}") from error


def _convert(data: dict[str, Any]) -> Config:
    return msgspec.convert(data, Config, dec_hook=parse)


def _overlay(data: dict[str, Any], name: str, value: str) -> None:
    """Puts one environment variable over the file's value; lists are comma-separated."""
    names = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    kinds = flat(Config())
    key = ".".join(names)
    if key not in kinds:
        raise BadConfig(f"{name}: there is no key {key}{_suggestion(key, kinds)}")
    typed: object = value
    if isinstance(kinds[key], tuple):
        typed = [part.strip() for part in value.split(",")]
    elif isinstance(kinds[key], int) and not isinstance(kinds[key], Size) and value.isdecimal():
        typed = int(value)
    into = data
    for part in names[:-1]:
        into = into.setdefault(part, {})
    into[names[-1]] = typed
    try:
        _convert(data)
    except msgspec.ValidationError as error:
        raise BadConfig(f"{name}: {str(error).partition(' - at ')[0]}") from error


def _placed(path: str, text: str, error: msgspec.ValidationError) -> str:
    """The error with its line: finds the table and key that msgspec names in the file."""
    what, _, where = str(error).partition(" - at ")
    key = re.sub(r"\[.*?\]", "", where.strip("`").removeprefix("$").removeprefix("."))
    unknown = re.search(r"unknown field `(.+?)`", what)
    if unknown is not None:
        key = f"{key}.{unknown[1]}" if key else unknown[1]
        what = f"there is no such key{_suggestion(key, flat(Config()))}"
    return f"{path}:{_line(text, key)}: {key or 'file'}: {what}"


def _line(text: str, key: str) -> int:
    """The line of the file where a dotted key or a table stands; 1 when it is not there. The key
    of an array of tables has a number: `notify[0].url`."""
    table, _, name = key.rpartition(".")
    numbered = re.fullmatch(r"(.+)\[(\d+)\]", table)
    table, wanted = (numbered[1], int(numbered[2])) if numbered else (table, None)
    line, inside, seen = 0, "", -1
    for number, content in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*[\"']?([\w.]+)[\"']?\s*\]+", content)
        if header is not None:
            inside = header[1]
            seen += inside == table
            here = inside == key or (inside == table and wanted == seen)
            line = number if here else line
        elif (
            inside == table
            and wanted in (None, seen)
            and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", content)
        ):
            line = number
    return line or 1


def _suggestion(key: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; see config.example.toml for all keys"
