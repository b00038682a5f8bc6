"""Whom a credential stands for, whatever its kind: an API key, or a token of an identity provider."""

from __future__ import annotations

from ..graph.access import Identity
from .authentication import Authenticator
from .vouching import Vouching


class Credentials:
    """Takes API keys, and tokens where there are providers (`vouching` is not None). Raises what they raise."""

    def __init__(self, keys: Authenticator, vouching: Vouching | None) -> None:
        self._keys = keys
        self._vouching = vouching

    def known(self, token: str) -> Identity | None:
        """What `authenticate` would answer without asking anybody; None when it would not."""
        if self._vouching is not None and "." in token:
            return self._vouching.known(token)
        return self._keys.known(token)

    async def authenticate(self, token: str) -> Identity:
        """Whom the credential stands for. Raises Unauthenticated; Unavailable when what decides can't be reached."""
        if self._vouching is not None and "." in token:  # which no API key has
            return await self._vouching.authenticate(token)
        return await self._keys.authenticate(token)
