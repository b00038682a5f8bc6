"""An OpenID Connect provider on loopback: a real HTTP server with real keys, which can rotate them, fail, and lead astray."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cairn.settings import Provider

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519")
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp"})


@dataclass
class FakeProvider:
    """What it publishes, and how often it was asked. `answer` replaces its keys' page."""

    issuer: str = ""
    keys: list[Key] = field(default_factory=lambda: [RSA, EC, OKP])
    extra: list[Any] = field(default_factory=list[Any])
    discovery: dict[str, Any] = field(default_factory=dict[str, Any])
    fetches: int = 0
    answer: Response | None = None

    def app(self) -> Starlette:
        """Its two pages, and one that leads elsewhere."""

        async def configuration(request: Request) -> Response:
            return JSONResponse({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.discovery})

        async def keys(request: Request) -> Response:
            self.fetches += 1
            if self.answer is not None:
                return self.answer
            return JSONResponse({"keys": [*(key.as_dict(private=False) for key in self.keys), *self.extra]})

        async def away(request: Request) -> Response:
            return RedirectResponse(f"{self.issuer}/keys")

        pages = [("/.well-known/openid-configuration", configuration), ("/keys", keys), ("/away", away)]
        return Starlette(routes=[Route(path, page) for path, page in pages])

    def settings(self, **changes: Any) -> Provider:
        """How an administrator would name it."""
        wanted: dict[str, Any] = {"name": "corp", "issuer": self.issuer, "audience": "cairn", "algorithms": ALGORITHMS}
        roles = {"cairn-readers": "reader", "cairn-admins": "admin", "ghosts": "ghost", "all": "everyone"}
        return Provider.model_validate({**wanted, "networks": ["127.0.0.0/8"], "roles": roles, **changes})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims that are taken; None takes one away."""
        at = int(time())
        claims = {
            "iss": self.issuer,
            "aud": "cairn",
            "sub": "ada",
            "exp": at + 99_999,
            "iat": at,
            "jti": "one",
            "roles": ["cairn-readers"],
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def sign(claims: Mapping[str, Any] | bytes, key: Key = RSA, algorithm: str = "RS256", **header: Any) -> str:
    """A token with these claims, and more in its header; None takes away what it has by itself."""
    members = {"alg": algorithm, "kid": key.kid, "typ": "JWT", **header}
    head = encode(json.dumps({name: value for name, value in members.items() if value is not None}).encode())
    return sign_parts(head, encode(claims if isinstance(claims, bytes) else json.dumps(claims).encode()), key, algorithm)


def sign_parts(head: str, body: str, key: Key, algorithm: str) -> str:
    """A token of these very parts, whatever they say."""
    model = jws.JWSRegistry.algorithms[algorithm]
    return f"{head}.{body}.{encode(model.sign(f'{head}.{body}'.encode(), key))}"


def encode(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
