"""The configuration: one TOML file, every key with a default, every error with its place.

The one rule: a value that is not right stops the start, and says file, line, key, what was
expected and what to do. Environment variables (BACKFILLD_TAP__URL) come over the file.
"""

import difflib
import grp
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

ENVIRONMENT_PREFIX = "BACKFILLD_"

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class BadConfig(Exception):
    """The configuration cannot be used; the message is for the person who wrote it."""


class Duration(float):
    """Seconds, written as `50ms`, `30s`, `2m`, `1h`, `7d`."""


class Size(int):
    """Bytes, written as `512B`, `64KiB`, `1MiB`, `1GiB`."""


class Secret(str):
    """What must not be shown or logged."""

    def __repr__(self) -> str:
        return "Secret(…)"


_Address = Annotated[str, Meta(min_length=1, max_length=500)]  # see _address_fault
_Positive = Annotated[int, Meta(ge=1)]


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class RelayConfig(Part, frozen=True):
    """Where repositories are listed."""

    urls: Annotated[tuple[_Address, ...], Meta(min_length=1)] = (
        "https://relay1.us-east.bsky.network",
    )
    page_size: Annotated[int, Meta(ge=1, le=2000)] = 1000
    timeout: Duration = Duration(30)
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 8
    backoff_max: Duration = Duration(120)


class TapConfig(Part, frozen=True):
    """The Tap that fetches repositories and delivers their records."""

    url: _Address = "http://127.0.0.1:2480"
    password_file: str = ""
    batch_size: Annotated[int, Meta(ge=1, le=3000)] = 1000
    channel: Literal["fast", "trio-websocket"] = "fast"
    info_rate: Annotated[int, Meta(ge=0, le=100_000)] = 50
    stats_interval: Duration = Duration(60)


class JobsConfig(Part, frozen=True):
    """Backfill jobs."""

    read_ahead: _Positive = 50_000


class IndexConfig(Part, frozen=True):
    """The index of records."""

    group_max: Annotated[int, Meta(ge=1, le=100_000)] = 8000
    group_wait: Duration = Duration(0.25)
    dead_letter_max: Size = Size(2**20)


class ControlConfig(Part, frozen=True):
    """The door by which people and scripts come in."""

    socket: str = "/run/backfilld/control.sock"
    socket_mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}\Z")] = "0660"
    socket_group: str = ""


class LoggingConfig(Part, frozen=True):
    """What is told to the terminal or the journal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class Config(Part, frozen=True):
    """All of it."""

    data_dir: str = "/var/lib/backfilld"
    relay: RelayConfig = RelayConfig()
    tap: TapConfig = TapConfig()
    jobs: JobsConfig = JobsConfig()
    index: IndexConfig = IndexConfig()
    control: ControlConfig = ControlConfig()
    logging: LoggingConfig = LoggingConfig()


# what a SIGHUP brings into force; every other key needs a restart
RELOADABLE = frozenset(
    {"relay.max_attempts", "relay.backoff_max", "tap.info_rate", "tap.stats_interval",
     "logging.level"}
)  # fmt: skip


def _wrong(config: Config) -> tuple[str, str] | None:
    """The first value that its type alone cannot refuse: (key, what is so and what to do)."""
    for key, urls in (("relay.urls", config.relay.urls), ("tap.url", (config.tap.url,))):
        for url in urls:
            if (fault := _address_fault(url)) is not None:
                return key, fault
    for key, least, most in _DURATIONS:
        value = flat(config)[key]
        if not least <= float(str(value)) <= most:
            return key, f"must be from {least:g}s to {most:g}s"
    if not config.data_dir:
        return "data_dir", "is empty; name a folder, such as /var/lib/backfilld"
    if not config.control.socket:
        return "control.socket", "is empty; without a socket nobody could control the service"
    if config.control.socket_group:
        try:
            grp.getgrnam(config.control.socket_group)
        except KeyError:
            return "control.socket_group", f"there is no group {config.control.socket_group}"
    return None


def _address_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
        host = (parts.hostname or "").encode("idna")
    except (ValueError, UnicodeError):
        port_is_right, host = False, b""
    if not host or not port_is_right or parts.scheme not in ("http", "https"):
        return f"{url!r} is no address; write http://HOST:PORT or https://HOST"
    if parts.username is not None or parts.password is not None:
        return "has a user or password in it; a secret belongs into a file: tap.password_file"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return f"{url!r} has more than a host and a port; leave the rest away"
    return None


_DURATIONS = (
    ("relay.timeout", 0.1, 3600.0),
    ("relay.backoff_max", 0.0, 3600.0),
    ("tap.stats_interval", 0.0, 86_400.0),
    ("index.group_wait", 0.0, 60.0),
)


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
    if (wrong := _wrong(config)) is not None:
        key, what = wrong
        raise BadConfig(f"{path or 'the environment'}:{_line(text, key)}: {key}: {what}")
    password(config)
    return config


def changed(old: Config, new: Config) -> set[str]:
    """The dotted keys in which two configurations differ."""
    one, other = flat(old), flat(new)
    return {key for key in one if one[key] != other[key]}


def flat(config: Config) -> dict[str, object]:
    """Every key, dotted, with its value."""
    found: dict[str, object] = {}
    for name in config.__struct_fields__:
        part = getattr(config, name)
        if isinstance(part, Part):
            found |= {f"{name}.{key}": getattr(part, key) for key in part.__struct_fields__}
        else:
            found[name] = part
    return found


def password(config: Config) -> Secret:
    """Tap's password, read from its file; empty when there is none. Raises BadConfig."""
    if not config.tap.password_file:
        return Secret("")
    try:
        return Secret(Path(config.tap.password_file).read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"tap.password_file: cannot be read: {error}") from error


_NOT_KEYS = frozenset({"BACKFILLD_SOCKET", "BACKFILLD_CONFIG"})


def _convert(data: dict[str, Any]) -> Config:
    return msgspec.convert(data, Config, dec_hook=_parse)


def _parse(kind: type, value: object) -> object:
    if kind is Duration:
        return Duration(_measure(value, _UNITS_S, "a duration such as 50ms, 30s, 2m or 1h"))
    if kind is Size:
        return Size(_measure(value, _UNITS_BYTES, "a size such as 64KiB or 1MiB"))
    raise TypeError(f"no way to read a {kind.__name__}")


def _measure(value: object, units: Mapping[str, float], expected: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]+)", str(value))
    if found is None or found[2] not in units:
        raise ValueError(f"Expected {expected}, got {value!r}")
    return float(found[1]) * units[found[2]]


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
    """The line of the file where a dotted key or a table stands; 1 when it is not there."""
    table, _, name = key.rpartition(".")
    line, inside = 0, ""
    for number, content in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*[\"']?([\w.]+)[\"']?\s*\]+", content)
        if header is not None:
            inside = header[1]
            line = number if inside == key else line
        elif inside == table and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", content):
            line = number
    return line or 1


def _suggestion(key: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; see config.example.toml for all keys"
