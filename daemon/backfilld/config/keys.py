"""Every key of the configuration, with its default and the values its type alone allows."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .units import Duration, Size

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
    unsettled_max: Annotated[int, Meta(ge=0)] = 100_000
    supervise: bool = False
    command: Annotated[tuple[str, ...], Meta(min_length=1)] = ("tap", "run")
    env: Annotated[dict[str, str], Meta(max_length=100)] = {}


class JobsConfig(Part, frozen=True):
    """Backfill jobs."""

    concurrent: _Positive = 2
    mode: Literal["auto", "add", "refetch"] = "auto"
    rediscover: Duration = Duration(0)
    read_ahead: _Positive = 50_000


AccountPolicy = Literal["delete", "hide", "keep"]


class IndexConfig(Part, frozen=True):
    """The index of records."""

    group_max: Annotated[int, Meta(ge=1, le=100_000)] = 8000
    group_wait: Duration = Duration(0.25)
    dead_letter_max: Size = Size(2**20)
    dead_letters_max: Size = Size(2**30)
    account_deleted: AccountPolicy = "delete"
    account_takendown: AccountPolicy = "hide"
    account_deactivated: AccountPolicy = "hide"


class LogConfig(Part, frozen=True):
    """How the log is verified, and what is kept of it elsewhere."""

    verify_at_start: Literal["none", "tail", "full"] = "tail"
    verify_every: Duration = Duration(86_400)
    verify_rate: Annotated[int, Meta(ge=100, le=10_000_000)] = 20_000
    replay_every: Duration = Duration(7 * 86_400)
    checkpoint_file: str = ""
    checkpoint_every: Duration = Duration(3600)


class ControlConfig(Part, frozen=True):
    """The door by which people and scripts come in."""

    socket: str = "/run/backfilld/control.sock"
    socket_mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}\Z")] = "0660"
    socket_group: str = ""
    read_group: str = ""
    listen: str = ""
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    dashboard: bool = True
    metrics: bool = True


class IdentityConfig(Part, frozen=True):
    """How DIDs, handles and lexicons are looked up on the network."""

    plc_url: _Address = "https://plc.directory"
    dns_servers: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()


Kind = Literal[
    "job.completed", "job.synced", "job.completed_with_errors", "job.failed", "job.stalled",
    "job.resumed", "dependency.down", "dependency.up", "dead_letter", "disk.low", "verify.failed",
]  # fmt: skip


class NotifyConfig(Part, frozen=True):
    """Whom to tell of what: a program, or an address that gets a signed POST."""

    on: Annotated[tuple[Kind, ...], Meta(min_length=1)]
    exec: tuple[str, ...] = ()
    url: str = ""
    secret_file: str = ""


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
    log: LogConfig = LogConfig()
    control: ControlConfig = ControlConfig()
    identity: IdentityConfig = IdentityConfig()
    notify: tuple[NotifyConfig, ...] = ()
    logging: LoggingConfig = LoggingConfig()


# what a SIGHUP brings into force; every other key needs a restart
RELOADABLE = frozenset(
    {"relay.max_attempts", "relay.backoff_max", "tap.info_rate", "tap.stats_interval",
     "tap.unsettled_max", "jobs.concurrent", "jobs.mode", "jobs.rediscover", "log.verify_every",
     "log.verify_rate", "log.replay_every", "log.checkpoint_every", "logging.level"}
)  # fmt: skip


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


def changed(old: Config, new: Config) -> set[str]:
    """The dotted keys in which two configurations differ."""
    one, other = flat(old), flat(new)
    return {key for key in one if one[key] != other[key]}
