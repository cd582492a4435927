"""What the system said is what a person reads."""

import httpx
import pytest

from backfilld.asking import ask
from backfilld.failures import Failure
from backfilld.sources.tap.channel import open_fast


async def test_a_refused_connection_says_so_in_the_systems_words(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    async with httpx.AsyncClient() as client:
        with pytest.raises(Failure, match="^cannot connect: connection refused$"):
            await ask(client, "GET", url, body_max=10, within_s=5)
    with pytest.raises(Failure, match="^cannot connect: connection refused$"):
        async with open_fast(url, ""):
            pass
