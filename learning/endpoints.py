"""A model behind HTTP: JSON goes in and comes out, with deadlines, and repeated while that may help.

No key, no URL and no text that was sent is ever logged or told in an error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from ..errors import BadInput, Unavailable

log = logging.getLogger("cairn.learning")
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_LARGEST_ANSWER = 64 * 1024 * 1024
_REFUSED = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers. `setting` is how the settings about it begin, for errors.

    `timeout` is in seconds for one request from its first byte to its last, `patience` for all attempts at it.
    """

    what: str
    setting: str
    url: str
    key: SecretStr | None = None
    timeout: float = 10.0
    patience: float = 25.0


class Caller:
    """Calls one endpoint. Use it on one event loop; its connections are closed with `close`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        key = endpoint.key.get_secret_value() if endpoint.key is not None else None
        if key is not None and not (key.isascii() and key.isprintable()):
            raise BadInput(f"{endpoint.setting}_KEY holds a character that no key has; was it cut or copied with a line break?")
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._client = httpx.AsyncClient(headers=headers, timeout=endpoint.timeout, follow_redirects=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def post(self, body: dict[str, Any]) -> Any:
        """What the endpoint answers to `body`.

        429, 5xx, broken connections and timeouts are tried again with growing pauses while patience lasts. Raises BadInput when it
        refuses the input, Unavailable for all else.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + self._endpoint.patience, _FIRST_PAUSE
        while True:
            problem, wait = await self._attempt(body)
            if not isinstance(problem, str):
                return problem[0]
            wait = pause * random.uniform(0.5, 1.0) if wait is None else min(wait, _LONGEST_PAUSE)  # noqa: S311 -- spreads load only
            if loop.time() + wait >= deadline:
                raise self._unavailable(problem)
            log.info("%s: %s; trying again", self._endpoint.what, problem)
            await asyncio.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _attempt(self, body: dict[str, Any]) -> tuple[str | tuple[Any], float | None]:
        """The answer in a tuple, or what went wrong this time and the seconds the endpoint asks to wait."""
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                status, headers, content = await self._exchange(body)
        except (TimeoutError, httpx.TimeoutException):
            return f"no answer within {self._endpoint.timeout:g} seconds", None
        except httpx.InvalidURL as error:
            raise self._unavailable("its URL is none") from error
        except httpx.UnsupportedProtocol as error:
            raise self._unavailable("its URL must begin with http:// or https://") from error
        except httpx.HTTPError as error:
            return f"the connection failed ({type(error).__name__})", None
        if status == 429 or status >= 500:
            return f"it answered with status {status}", _seconds(headers.get("retry-after"))
        if status in _REFUSED:
            raise BadInput(f"{self._endpoint.what} refused the input (status {status}); is it too long for the model?")
        if status != 200:
            raise self._unavailable(f"it answered with status {status}")
        try:
            return (json.loads(content),), None
        except (ValueError, RecursionError) as error:
            raise self._unavailable("its answer is not JSON") from error

    async def _exchange(self, body: dict[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        content = bytearray()
        async with self._client.stream("POST", self._endpoint.url, json=body) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _LARGEST_ANSWER:
                    raise self._unavailable("its answer is too large")
        return response.status_code, response.headers, bytes(content)

    def _unavailable(self, problem: str) -> Unavailable:
        return Unavailable(
            f"{self._endpoint.what} can't be used: {problem}; look at {self._endpoint.setting}_URL and {self._endpoint.setting}_KEY, "
            "or try again later"
        )


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:  # a date
        return None
