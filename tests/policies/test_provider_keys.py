"""A provider's keys: found by its discovery document, kept, rotated, and never asked for more often than agreed."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import ValidationError
from starlette.responses import JSONResponse, RedirectResponse, Response

from cairn.errors import Unavailable
from cairn.graph.tls import Certificate
from cairn.policies.provider_keys import ProviderKeys
from cairn.policies.tokens import NotAccepted
from cairn.settings import Provider

from ..listening import listening
from .provider import EC, OKP, RSA, FakeProvider, encode

pytestmark = pytest.mark.anyio


@pytest.fixture
async def provider(serve: Callable[..., Any]) -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    async with serve(fake.app()) as url:
        fake.issuer = url
        yield fake


def same(found: Any, key: Any) -> bool:
    """Whether these are the same public key."""
    return found.as_dict(private=False)["kty"] == key.as_dict(private=False)["kty"] and found.thumbprint() == key.thumbprint()


async def test_keys_are_found_by_discovery_and_by_a_given_address(provider: FakeProvider) -> None:
    for settings in (provider.settings(), provider.settings(jwks_url=f"{provider.issuer}/keys")):
        keys = ProviderKeys(settings)
        assert same(await keys.find("RS256", "rsa"), RSA)
        assert same(await keys.find("PS256", "rsa"), RSA)
        assert same(await keys.find("ES256", "ec"), EC)
        assert same(await keys.find("Ed25519", "okp"), OKP)
        assert same(await keys.find("ES256", None), EC)
    assert provider.fetches == 2


@pytest.mark.parametrize(("algorithm", "key_id"), [("RS256", "ec"), ("ES256", "rsa"), ("ES384", "ec"), ("Ed25519", "ec"), ("RS256", "no")])
async def test_a_key_serves_its_own_kind_of_signature_only(provider: FakeProvider, algorithm: str, key_id: str) -> None:
    with pytest.raises(NotAccepted):
        await ProviderKeys(provider.settings()).find(algorithm, key_id)


async def test_a_key_for_one_algorithm_serves_no_other(provider: FakeProvider) -> None:
    provider.keys = [RSAKey.import_key(RSA.as_dict(private=False), {"alg": "RS256", "kid": "rsa"})]
    keys = ProviderKeys(provider.settings())
    assert same(await keys.find("RS256", "rsa"), RSA)
    with pytest.raises(NotAccepted):
        await keys.find("PS256", "rsa")


async def test_of_several_keys_one_must_be_named(provider: FakeProvider) -> None:
    provider.keys = [RSA, RSAKey.generate_key(2048, {"kid": "other"})]
    with pytest.raises(NotAccepted):
        await ProviderKeys(provider.settings()).find("RS256", None)


async def test_what_verifies_nothing_is_left_out(provider: FakeProvider) -> None:
    public = RSA.as_dict(private=False)
    numbers = rsa.generate_private_key(65_537, 1_024).public_key().public_numbers()
    weak = {**public, "n": encode(numbers.n.to_bytes(128))}
    secret = OctKey.generate_key(256).as_dict()
    provider.extra = [
        {**weak, "kid": "weak"},
        {**secret, "kid": "secret"},
        {**public, "kid": "for encryption", "use": "enc"},
        {**public, "kid": "for wrapping", "key_ops": ["wrapKey"]},
        {**public, "kid": ["a", "list"]},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "EC", "kid": "off the curve", "crv": "P-256", "x": "AQ", "y": "AQ"},
        "text",
        None,
    ]
    keys = ProviderKeys(provider.settings())
    assert same(await keys.find("RS256", "rsa"), RSA)
    for key_id in ("weak", "secret", "for encryption", "for wrapping", "broken", "off the curve"):
        for algorithm in ("RS256", "ES256"):
            with pytest.raises(NotAccepted):
                await keys.find(algorithm, key_id)


async def test_rotation_is_followed_and_unknown_key_ids_hammer_nobody(provider: FakeProvider) -> None:
    eager, calm = ProviderKeys(provider.settings(), pause=0), ProviderKeys(provider.settings(), pause=1_000)
    await asyncio.gather(*(eager.find("RS256", "rsa") for _ in range(20)), *(calm.find("RS256", "rsa") for _ in range(20)))
    assert provider.fetches == 2
    provider.keys = [ECKey.generate_key("P-256", {"kid": "new"})]
    assert same(await eager.find("ES256", "new"), provider.keys[0])
    with pytest.raises(NotAccepted):
        await eager.find("RS256", "rsa")  # withdrawn
    before = provider.fetches
    for number in range(50):
        with pytest.raises(NotAccepted):
            await calm.find("RS256", f"guess {number}")
    assert provider.fetches == before


async def test_keys_outlive_their_provider_for_a_while(provider: FakeProvider) -> None:
    patient = ProviderKeys(provider.settings(), pause=0, life=0, patience=1_000)
    impatient = ProviderKeys(provider.settings(), pause=0, life=0, patience=0)
    for keys in (patient, impatient):
        with pytest.raises(Unavailable) if keys is impatient else nullcontext():
            await keys.find("RS256", "rsa")
    provider.answer = Response("down", 503)
    assert same(await patient.find("RS256", "rsa"), RSA)
    await patient.close()
    assert same(await patient.find("RS256", "rsa"), RSA)
    await patient.close()
    with pytest.raises(Unavailable):
        await impatient.find("RS256", "rsa")


async def test_keys_are_fetched_anew_in_the_background(provider: FakeProvider) -> None:
    keys = ProviderKeys(provider.settings(), pause=0, life=0)
    await keys.find("RS256", "rsa")
    provider.keys = [EC]
    assert same(await keys.find("RS256", "rsa"), RSA)  # from what is known; the look is under way
    await keys.close()
    with pytest.raises(NotAccepted):
        await keys.find("RS256", "rsa")
    await keys.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response(b"{" + b" " * 300_000 + b"}"), id="large"),
        pytest.param(Response(b'{"keys": [], "keys": []}'), id="a member twice"),
        pytest.param(Response(b"[]"), id="a list"),
        pytest.param(Response(b"\xff"), id="no UTF-8"),
        pytest.param(JSONResponse({"keys": []}), id="no keys"),
        pytest.param(JSONResponse({"keys": [{}] * 101}), id="many keys"),
        pytest.param(JSONResponse({"keys": "none"}), id="keys that are text"),
        pytest.param(RedirectResponse("/keys"), id="a redirect"),
        pytest.param(Response(gzip.compress(b"{}"), headers={"content-encoding": "gzip"}), id="compressed"),
        pytest.param(Response(b"{}", 404), id="not found"),
    ],
)
async def test_answers_that_are_no_list_of_keys(provider: FakeProvider, answer: Response) -> None:
    provider.answer = answer
    with pytest.raises(Unavailable):
        await ProviderKeys(provider.settings()).find("RS256", "rsa")


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://elsewhere.example.org"},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "https://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "https://user@login.example.org/"},
        {"jwks_uri": 7},
    ],
)
async def test_discovery_leads_to_its_own_issuers_keys_only(provider: FakeProvider, discovery: dict[str, Any]) -> None:
    provider.discovery = discovery
    with pytest.raises(Unavailable):
        await ProviderKeys(provider.settings()).find("RS256", "rsa")
    assert provider.fetches == 0


async def test_private_addresses_are_asked_only_where_an_administrator_says_so(provider: FakeProvider) -> None:
    with pytest.raises(Unavailable):
        await ProviderKeys(provider.settings(networks=["10.0.0.0/8"])).find("RS256", "rsa")
    assert provider.fetches == 0


async def test_a_provider_that_does_not_answer_holds_nobody_up(provider: FakeProvider) -> None:
    async def silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(silence) as port:
        settings = provider.settings(jwks_url=f"http://127.0.0.1:{port}/keys")
        with pytest.raises(Unavailable):
            await ProviderKeys(settings, slowest=0.05).find("RS256", "rsa")


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"issuer": "http://login.example.org"},
        {"issuer": "https://login.example.org?a=b"},
        {"issuer": "login.example.org"},
        {"jwks_url": "ftp://login.example.org"},
        {"name": "A/b"},
        {"audience": ""},
        {"tenant_claim": "org"},
        {"tenants": {"a": "b"}},
        {"tenant": "a", "tenant_claim": "org", "tenants": {"a": "b"}},
        {"networks": ["everything"]},
        {"secret": "x"},
    ],
)
def test_settings_that_are_no_safe_choice(wrong: dict[str, Any]) -> None:
    right = {"name": "corp", "issuer": "https://login.example.org", "audience": "cairn"}
    Provider.model_validate(right)
    with pytest.raises(ValidationError):
        Provider.model_validate({**right, **wrong})


async def test_a_provider_is_known_by_its_certificate(provider: FakeProvider, tmp_path: Path, until: Callable[..., Any]) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(provider.app(), log_level="error", lifespan="off", ssl_context_factory=lambda *_: certificate.context())
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        await until(lambda: server.started)
        for name, ca, known in (("localhost", "ca.pem", True), ("localhost", None, False), ("127.0.0.1", "ca.pem", False)):
            provider.issuer = f"https://{name}:{port}"
            keys = ProviderKeys(provider.settings(networks=["127.0.0.0/8", "::1/128"], ca=None if ca is None else tmp_path / ca))
            with nullcontext() if known else pytest.raises(Unavailable):
                assert same(await keys.find("RS256", "rsa"), RSA)
        server.should_exit = True
        await serving
