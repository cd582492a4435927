"""Posts a letter to an address, signed, so that whoever gets it knows that it is ours.

The one rule: a signature is over the time and the body together, and made anew at each try; so a
letter that somebody copied is too old soon. The headers are documented in docs/notify.md.
"""

import hashlib
import hmac

import httpx

from ..asking import ask, failure_of
from ..clock import Clock
from ..config import Secret
from ..failures import Failure
from .letter import Letter, NotTaken

WITHIN_S = 30.0
ANSWER_BYTES_MAX = 1 << 20  # it is not read but for the reason of a refusal


def signature(secret: Secret, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 of `timestamp.body` under the secret's UTF-8, as hexadecimal digits."""
    return hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()


class Webhook:
    """One address, with its secret."""

    def __init__(self, client: httpx.AsyncClient, url: str, secret: Secret, clock: Clock) -> None:
        self._client, self._url, self._secret, self._clock = client, url, secret, clock

    async def post(self, letter: Letter) -> None:
        """Posts the letter; a 2xx is taken. Raises NotTaken."""
        now = int(self._clock())
        headers = {
            "backfilld-id": str(letter.id),
            "backfilld-event": letter.kind,
            "backfilld-timestamp": str(now),
            "backfilld-signature": f"v1={signature(self._secret, now, letter.body)}",
        }
        try:
            answer = await ask(
                self._client,
                "POST",
                self._url,
                body_max=ANSWER_BYTES_MAX,
                within_s=WITHIN_S,
                content=letter.body,
                headers=headers,
            )
        except Failure as failure:
            raise NotTaken(failure.message, failure.retry_after) from failure
        if 300 <= answer.status < 400:
            raise NotTaken(f"answered {answer.status}: no redirect is followed, name the new URL")
        if not 200 <= answer.status < 300:
            refusal = failure_of(answer, self._clock())
            raise NotTaken(refusal.message, refusal.retry_after)
