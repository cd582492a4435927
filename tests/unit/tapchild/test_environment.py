"""A Tap of ours is told what our configuration says, and nothing else."""

from pathlib import Path

import pytest

from backfilld.config import Config, Secret
from backfilld.config.keys import IdentityConfig, RelayConfig, TapConfig
from backfilld.tapchild.environment import environment, filter_text
from backfilld_events.ids import Nsid

FOLDER = Path("/var/lib/backfilld")
POSTS, LIKES = Nsid("a.b.posts"), Nsid("a.b.likes")
OURS = {"PATH": "/bin", "HOME": "/root", "TZ": "UTC", "SSL_CERT_FILE": "/c", "AWS_SECRET": "x"}


def told(tap: TapConfig, password: str = "") -> dict[str, str]:
    settings = Config(
        relay=RelayConfig(urls=("https://relay.example/", "https://other.example")),
        identity=IdentityConfig(plc_url="http://127.0.0.1:2582/"),
        tap=tap,
    )
    return environment(settings, Secret(password), FOLDER, [POSTS, LIKES], OURS)


def test_all_of_it() -> None:
    assert told(TapConfig(url="http://[::1]:2480")) == {
        "PATH": "/bin",
        "HOME": "/root",
        "TZ": "UTC",
        "SSL_CERT_FILE": "/c",
        "TAP_BIND": "[::1]:2480",
        "TAP_DATABASE_URL": "sqlite:///var/lib/backfilld/tap.db",
        "TAP_RELAY_URL": "https://relay.example",
        "TAP_PLC_URL": "http://127.0.0.1:2582",
        "TAP_OUTBOX_PARALLELISM": "1",
        "TAP_COLLECTION_FILTERS": "a.b.likes,a.b.posts",
    }


def test_the_password_is_told_when_there_is_one() -> None:
    assert told(TapConfig(), "s3cret")["TAP_ADMIN_PASSWORD"] == "s3cret"


def test_an_operator_can_add_variables_and_choose_another_relay_or_database() -> None:
    more = {
        "TAP_RESYNC_PARALLELISM": "10",
        "TAP_RELAY_URL": "https://fire.example",
        "TAP_DATABASE_URL": "postgres://db/tap",
    }
    assert more.items() <= told(TapConfig(env=more)).items()


def test_the_filter_has_no_spaces_for_what_follows_one_would_never_match() -> None:
    assert filter_text([POSTS, LIKES]) == "a.b.likes,a.b.posts"


def test_a_tap_is_never_told_to_deliver_everything() -> None:
    with pytest.raises(ValueError, match="every collection"):
        environment(Config(), Secret(""), FOLDER, [], OURS)
