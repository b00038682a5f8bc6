"""The public keys of one identity provider: fetched, checked, kept, and fetched anew not more often than the provider can bear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from ..errors import CairnError, Unavailable
from ..graph.addresses import reachable_address
from ..graph.flights import Flights
from ..graph.tls import client_context
from ..settings import Provider
from .tokens import Key, NotAccepted, decode_segment, strict_json

log = logging.getLogger("cairn.policies")
_LARGEST = 256 * 1024
_MOST_KEYS = 100
_SHORTEST_RSA = 2_048
_OK = 200
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


@dataclass(frozen=True, slots=True)
class _Published:
    """One published key: its id, the algorithm it is meant for (None: any that fits), and the key."""

    id: str | None
    algorithm: str | None
    key: Key

    def suits(self, algorithm: str) -> bool:
        """Whether a token signed by `algorithm` can be verified with it."""
        if self.algorithm not in (None, algorithm):
            return False
        if algorithm in _CURVES:
            return not isinstance(self.key, RSAKey) and self.key.curve_name == _CURVES[algorithm]
        return isinstance(self.key, RSAKey)


class ProviderKeys:
    """The keys of one provider.

    Guarantees: two fetches begin at least `pause` seconds apart, whatever tokens come; keys are used for at most `patience` seconds after
    they were last seen, while the provider is away; only public addresses are asked, or those in the provider's `networks`, without
    following redirects, and with bounds on time and size. All seconds. From `life` on they are fetched anew in the background.
    """

    def __init__(self, provider: Provider, *, pause: float = 10.0, life: float = 300.0, patience: float = 3_600.0, slowest: float = 5.0):
        self.provider = provider
        self._pause, self._life, self._patience, self._slowest = pause, life, patience, slowest
        self._keys: tuple[_Published, ...] = ()
        self._seen = float("-inf")
        self._tried = float("-inf")
        self._flights: Flights[str, None] = Flights([])
        self._refreshing: asyncio.Future[None] | None = None

    async def find(self, algorithm: str, key_id: str | None) -> Key:
        """The key with this id that suits the algorithm; without an id the only one that does.

        Raises NotAccepted when there is none, Unavailable when the provider's keys can't be had.
        """
        if _clock() - self._seen > self._patience:
            await self._fetched()
            if _clock() - self._seen > self._patience:
                raise Unavailable("the identity provider's keys can't be had; try again in a moment")
        elif _clock() - self._seen > self._life and self._may_try():
            self._refreshing = asyncio.ensure_future(self._fetched())
        found = self._suiting(algorithm, key_id)
        if not found and self._may_try():
            await self._fetched()
            found = self._suiting(algorithm, key_id)
        if len(found) != 1:
            raise NotAccepted("no key of its provider, or more than one, has its key id and suits its algorithm")
        return found[0]

    async def close(self) -> None:
        """End what is being fetched."""
        await self._flights.close()
        if self._refreshing is not None:
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _suiting(self, algorithm: str, key_id: str | None) -> list[Key]:
        return [one.key for one in self._keys if one.suits(algorithm) and key_id in (None, one.id)]

    def _may_try(self) -> bool:
        return _clock() - self._tried >= self._pause

    async def _fetched(self) -> None:
        await self._flights.join("keys", self._fetch)

    async def _fetch(self) -> None:
        if not self._may_try():
            return
        self._tried = _clock()
        try:
            async with asyncio.timeout(self._slowest):
                keys = await self._download()
        except (CairnError, httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError) as error:
            log.warning("the keys of identity provider %s can't be had: %s", self.provider.name, str(error) or type(error).__name__)
            return
        self._keys, self._seen = keys, _clock()

    async def _download(self) -> tuple[_Published, ...]:
        where = self.provider.jwks_url
        if where is None:
            known = await _get(f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration", self.provider)
            if known.get("issuer") != self.provider.issuer:
                raise ValueError("its discovery document is of another issuer")
            where = Provider.model_validate({**self.provider.model_dump(), "jwks_url": known.get("jwks_uri")}).jwks_url
            if where is None:
                raise ValueError("its discovery document has no jwks_uri")
        found = (await _get(where, self.provider)).get("keys")
        if not isinstance(found, list) or len(cast("list[Any]", found)) > _MOST_KEYS:
            raise ValueError(f"it publishes no list of at most {_MOST_KEYS} keys")
        keys = tuple(key for key in map(_published, cast("list[Any]", found)) if key is not None)
        if not keys:
            raise ValueError("it publishes no key that can be used")
        return keys


async def _get(address: str, provider: Provider) -> Mapping[str, Any]:
    """The JSON object at an address. Raises CairnError, httpx's errors and ValueError for anything else."""
    url = httpx.URL(address)
    host = await reachable_address(url.host, url.port or (443 if url.scheme == "https" else 80), provider.networks)
    headers = {"Host": url.netloc.decode("ascii"), "Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "cairn"}
    pinned = url.copy_with(host=f"[{host}]" if ":" in host else host)
    async with (
        httpx.AsyncClient(verify=client_context(provider.ca), trust_env=False, follow_redirects=False, timeout=None) as client,  # noqa: S113 the caller's deadline holds
        client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": url.host}) as response,
    ):
        if response.status_code != _OK or response.headers.get("content-encoding", "identity") != "identity":
            raise ValueError(f"{url.path} was answered with status {response.status_code}, or compressed")
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > _LARGEST:
                raise ValueError(f"{url.path} has more than {_LARGEST} bytes")
    found = strict_json(bytes(content))
    if not isinstance(found, dict):
        raise ValueError(f"{url.path} is no JSON object")
    return cast("dict[str, Any]", found)


def _published(entry: Any) -> _Published | None:
    """One entry of a provider's list; None for what verifies nothing: other kinds of keys, other uses, weak and malformed ones."""
    if not isinstance(entry, dict):
        return None
    members = cast("dict[str, Any]", entry)
    kind, id, algorithm = members.get("kty"), members.get("kid"), members.get("alg")
    if kind not in _PUBLIC or members.get("use", "sig") != "sig" or "verify" not in _operations(members):
        return None
    if not isinstance(id, str | None) or not isinstance(algorithm, str | None):
        return None
    try:
        if kind == "RSA" and int.from_bytes(decode_segment(members["n"])).bit_length() < _SHORTEST_RSA:
            return None
        key = import_key({"kty": kind, **{name: members[name] for name in _PUBLIC[kind]}})
    except (JoseError, KeyError, ValueError, TypeError):
        return None
    return _Published(id, algorithm, key) if isinstance(key, RSAKey | ECKey | OKPKey) else None


def _operations(members: Mapping[str, Any]) -> Sequence[Any]:
    found = members.get("key_ops", ["verify"])
    return cast("list[Any]", found) if isinstance(found, list) else ()


def _clock() -> float:
    return asyncio.get_running_loop().time()
