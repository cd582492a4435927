"""What goes wrong between a client and a server, by seed or by script, and what really did.

The one rule: a fault that did not fire proves nothing, so every plan counts what it did
(`fired`), and `unfired` names what a test wanted and never met.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import trio

from .http import Answer, Cut, Garbage, Handler, Hang, Request, Response

Kind = Literal[
    "500",
    "502",  # a proxy's page, no JSON
    "429",  # with Retry-After
    "429_reset",  # with RateLimit-Reset, in unix seconds
    "429_bare",  # with neither
    "cut",  # the connection ends before anything was done
    "cut_after",  # it was done, but the answer is lost
    "cut_within",  # it was done, and half of the answer comes
    "garbage",
    "slow",  # it is done and answered, but late
    "hang",
]
QUICK: tuple[Kind, ...] = get_args(Kind)[:-2]  # all that take no time

_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>\n"
_LIMITED = b'{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}\n'


class FaultPlan:
    """Faults for one server: `share` of its requests, of `kinds`; `script` comes before those.

    `down` are moments (seconds from the network's start) between which it cannot be reached.
    `clock` gives unix seconds, for what RateLimit-Reset says. A WebSocket handshake is spared.
    """

    def __init__(
        self,
        share: float = 0.0,
        kinds: Sequence[Kind] = QUICK,
        *,
        seed: int = 0,
        down: Sequence[tuple[float, float]] = (),
        retry_after_s: int = 1,
        slow_s: float = 5.0,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.share, self.kinds, self.down = share, tuple(kinds), tuple(down)
        self.fired: Counter[str] = Counter()
        self.requests = 0
        self._retry_after_s, self._slow_s, self._clock = retry_after_s, slow_s, clock
        self._chance = random.Random(seed)  # noqa: S311 - a simulation repeats
        self._script: deque[Kind | None] = deque()

    def script(self, *kinds: Kind | None) -> None:
        """What meets the next requests, one each; None: nothing does."""
        self._script.extend(kinds)

    def unfired(self) -> set[str]:
        """What was planned and has not happened."""
        planned: set[str] = {kind for kind in self._script if kind is not None}
        planned |= set(self.kinds) if self.share else set()
        planned |= {"down"} if self.down else set()
        return planned - set(self.fired)

    def guard(self, handler: Handler) -> Handler:
        """`handler`, with the faults."""

        async def guarded(request: Request) -> Answer:
            if request.headers.get("upgrade"):
                return await handler(request)
            kind = self._next()
            self.requests += 1
            if kind is None:
                return await handler(request)
            self.fired[kind] += 1
            if kind not in ("cut_after", "cut_within", "slow"):
                return self._answer(kind)
            answer = await handler(request)
            if kind == "slow":
                await trio.sleep(self._slow_s)
                return answer
            within = kind == "cut_within" and isinstance(answer, Response)
            return Cut(answer if within and isinstance(answer, Response) else None)

        return guarded

    def _next(self) -> Kind | None:
        if self._script:
            return self._script.popleft()
        if self.share and self._chance.random() < self.share:
            return self._chance.choice(self.kinds)
        return None

    def _answer(self, kind: Kind) -> Answer:
        match kind:
            case "500":
                body = b'{"error":"InternalServerError","message":"Internal Server Error"}\n'
                return Response(500, body)
            case "502":
                return Response(502, _PAGE, "text/html")
            case "429":
                return Response(429, _LIMITED, headers={"Retry-After": str(self._retry_after_s)})
            case "429_reset":
                moment = int(self._clock()) + self._retry_after_s
                return Response(429, _LIMITED, headers={"RateLimit-Reset": str(moment)})
            case "429_bare":
                return Response(429, b"slow down\n", "text/plain")
            case "garbage":
                return Garbage()
            case "hang":
                return Hang()
            case _:
                return Cut()
