"""Tokens are read strictly: one way to write each, and nothing in a mutated one is believed."""

from __future__ import annotations

import hmac
import json
from time import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from cairn.policies.tokens import LEEWAY, LONGEST, NotAccepted, claims_of, decode_segment, issuer_of, read_token, verify

from .provider import ALGORITHMS, EC, OKP, RSA, FakeProvider, encode, sign, sign_parts

_HEAD_RS256, _HEAD_NONE = encode(b'{"alg":"RS256"}'), encode(b'{"alg":"none"}')
PROVIDER = FakeProvider("https://login.example.org")
KEYS = {"RS256": RSA, "PS256": RSA, "ES256": EC, "Ed25519": OKP}


def accept(text: str, algorithm: str = "RS256", allowed: tuple[str, ...] = ALGORITHMS) -> str:
    """The subject of a token that holds."""
    token = read_token(text)
    if issuer_of(token) != PROVIDER.issuer:
        raise NotAccepted("another issuer")
    key = KEYS[algorithm]
    assert isinstance(key, RSAKey | ECKey) or algorithm == "Ed25519"
    verify(token, key, allowed)  # pyright: ignore[reportArgumentType]
    return claims_of(token, "cairn", time()).subject


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_taken(algorithm: str) -> None:
    token = sign(PROVIDER.claims(), KEYS[algorithm], algorithm)
    assert accept(token, algorithm) == "ada"
    with pytest.raises(NotAccepted):
        accept(token, algorithm, tuple(name for name in ALGORITHMS if name != algorithm))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
def test_types_of_access_and_id_tokens_are_taken(kind: str | None) -> None:
    assert accept(sign(PROVIDER.claims(), typ=kind)) == "ada"


GOOD = {algorithm: sign(PROVIDER.claims(), KEYS[algorithm], algorithm) for algorithm in ALGORITHMS}


@given(st.sampled_from(ALGORITHMS), st.data())
@settings(max_examples=400, deadline=None)
def test_no_mutation_of_a_good_token_is_accepted(algorithm: str, data: st.DataObject) -> None:
    good = GOOD[algorithm]
    at = data.draw(st.integers(0, len(good)))
    piece = data.draw(st.text(st.sampled_from("ABab01-_.=+/ \n\t\u00e9\u2028\x00%"), max_size=3))
    cut = data.draw(st.integers(0, 3))
    mutated = good[:at] + piece + good[at + cut :]
    if mutated != good:
        with pytest.raises(NotAccepted):
            accept(mutated, algorithm)


@given(st.sampled_from(ALGORITHMS), st.integers(0, 2), st.data())
@settings(max_examples=300, deadline=None)
def test_no_bit_of_a_good_token_can_change(algorithm: str, part: int, data: st.DataObject) -> None:
    segments = GOOD[algorithm].split(".")
    content = bytearray(decode_segment(segments[part]))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    segments[part] = encode(bytes(content))
    with pytest.raises(NotAccepted):
        accept(".".join(segments), algorithm)


@given(st.binary(max_size=40))
def test_every_content_has_one_encoding(content: bytes) -> None:
    if content:
        assert decode_segment(encode(content)) == content
    for other in (encode(content) + "=", encode(content) + "==", encode(content) + "\n", " " + encode(content)):
        with pytest.raises(ValueError, match="base64url"):
            decode_segment(other)
    if len(content) % 3:
        last = encode(content)[-1]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        neighbour = alphabet[alphabet.index(last) + 1]  # the unused bits of the last character
        with pytest.raises(ValueError, match="canonical"):
            decode_segment(encode(content)[:-1] + neighbour)


@given(st.text(max_size=60) | st.lists(st.text(st.sampled_from("eyJhbGciOiJub25lIn0.=-_"), max_size=40), max_size=5).map(".".join))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    with pytest.raises(NotAccepted):
        read_token(text)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_whatever_a_claim_holds_is_taken_or_refused(value: Any) -> None:
    for name in ("exp", "nbf", "iat", "sub", "jti", "aud"):
        claims = {**PROVIDER.claims(), name: value}
        try:
            claims_of(read_token(sign_unsigned(claims)), "cairn", time())
        except NotAccepted:
            continue


def sign_unsigned(claims: dict[str, Any]) -> str:
    """A token whose signature nobody looks at here."""
    return f"{_HEAD_RS256}.{encode(json.dumps(claims).encode())}.AAAA"


def _with_shared_secret(secret: bytes, algorithm: str = "sha256") -> str:
    """The old trick: a public key, which everybody has, taken for the secret of an HMAC."""
    head = encode(json.dumps({"alg": algorithm.replace("sha", "HS"), "kid": "rsa"}).encode())
    signed = f"{head}.{encode(json.dumps(PROVIDER.claims()).encode())}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), algorithm))}"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(f"{_HEAD_NONE}.{encode(json.dumps(PROVIDER.claims()).encode())}.", id="none, unsigned"),
        pytest.param(f"{_HEAD_NONE}.{encode(json.dumps(PROVIDER.claims()).encode())}.AAAA", id="none, signed"),
        pytest.param(_with_shared_secret(RSA.as_pem(private=False)), id="HMAC by the public key"),
        pytest.param(_with_shared_secret(RSA.as_der(private=False)), id="HMAC by the public key in DER"),
        pytest.param(_with_shared_secret(json.dumps(RSA.as_dict(private=False)).encode(), "sha512"), id="HMAC by the JWK"),
        pytest.param(sign(PROVIDER.claims(), RSAKey.generate_key(2048), kid="rsa"), id="another key"),
        pytest.param(sign(PROVIDER.claims(), alg="RS512"), id="another algorithm in the header"),
        pytest.param(sign(PROVIDER.claims(), crit=["exp"]), id="crit"),
        pytest.param(sign(PROVIDER.claims(), crit=[]), id="empty crit"),
        pytest.param(sign(PROVIDER.claims(), b64=False, crit=["b64"]), id="unencoded payload"),
        pytest.param(sign(PROVIDER.claims(), typ="logout+jwt"), id="a logout token"),
        pytest.param(sign(PROVIDER.claims(), typ=7), id="a type that is a number"),
        pytest.param(sign(PROVIDER.claims(), kid=7), id="a key id that is a number"),
        pytest.param(sign(PROVIDER.claims(), alg=None), id="no algorithm"),
        pytest.param(sign(PROVIDER.claims(), alg=["RS256"]), id="a list of algorithms"),
        pytest.param(sign(b"[1]"), id="claims that are a list"),
        pytest.param(sign(b"\xff\xfe"), id="claims that are no UTF-8"),
        pytest.param(sign(b'{"exp": NaN}'), id="NaN"),
        pytest.param(sign(b"[" * 4_000), id="nested"),
        pytest.param(sign(PROVIDER.claims(note="x" * LONGEST)), id="huge"),
        pytest.param(sign(PROVIDER.claims()) + ".AAAA.AAAA", id="five parts"),
        pytest.param(sign_parts(encode(b'{"alg":"none","alg":"RS256"}'), encode(b"{}"), RSA, "RS256"), id="a header twice"),
        pytest.param(sign(json.dumps(PROVIDER.claims()).replace("{", '{"sub":"eve",', 1).encode()), id="a claim twice"),
    ],
)
def test_attacks_are_refused(token: str) -> None:
    with pytest.raises(NotAccepted):
        accept(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": ["other", "cairn2"]},
        {"aud": "CAIRN"},
        {"aud": None},
        {"aud": {"cairn": 1}},
        {"aud": [["cairn"]]},
        {"exp": None},
        {"exp": int(time()) - 1},
        {"exp": "2099-01-01"},
        {"exp": True},
        {"exp": 10**40},
        {"exp": 10**400},
        {"exp": -1e300},
        {"nbf": int(time()) + 50_000},
        {"iat": int(time()) + 50_000},
        {"nbf": "now"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 1_001},
        {"sub": "\ud800"},
        {"jti": 7},
        {"jti": ""},
    ],
)
def test_claims_that_open_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAccepted):
        accept(sign(PROVIDER.claims(**changes)))


def test_clocks_may_differ_a_little_but_the_end_is_the_end() -> None:
    at = int(time())
    for name in ("nbf", "iat"):
        claims_of(read_token(sign(PROVIDER.claims(**{name: at + LEEWAY - 1}))), "cairn", at)
    token = read_token(sign(PROVIDER.claims(exp=at + 10)))
    claims_of(token, "cairn", at + 9.9)
    with pytest.raises(NotAccepted):
        claims_of(token, "cairn", at + 10)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_keys_that_a_token_brings_are_not_looked_at(name: str) -> None:
    mine = RSAKey.generate_key(2048, {"kid": "rsa"})
    bait: dict[str, Any] = {
        "jwk": mine.as_dict(private=False),
        "jku": "http://127.0.0.1:1/keys",
        "x5u": "http://127.0.0.1:1/",
        "x5c": ["AA"],
    }
    with pytest.raises(NotAccepted):
        accept(sign(PROVIDER.claims(), mine, **{name: bait[name]}))
    assert accept(sign(PROVIDER.claims(), **{name: bait[name]})) == "ada"
