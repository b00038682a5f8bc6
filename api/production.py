"""What must hold before Cairn is opened to others: a list of all that does not, in plain words."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import BadInput
from ..settings import Settings, is_loopback
from .redis_client import RedisURL

_WELL_KNOWN = frozenset({"neo4j", "password", "changeme", "secret", "cairn", "redis", "admin", "test", "foobared", "letmein", "12345678"})
_NO = frozenset({"", "0", "f", "false", "n", "no"})
"""How a URL says no to redis-py."""
_OURS_ALONE = stat.S_IRWXG | stat.S_IRWXO


def require_production(settings: Settings) -> None:
    """Raise BadInput with the whole list, unless nothing is wrong or `CAIRN_ENV` is not `production`."""
    if settings.env != "production":
        return
    found = faults(settings)
    if found:
        raise BadInput("CAIRN_ENV=production, and this has to be mended first:\n" + "\n".join(f"- {fault}" for fault in found))


def faults(settings: Settings) -> list[str]:
    """All that keeps these settings from being fit for production, with what to do about each."""
    return [*_http(settings), *_neo4j(settings), *_redis(settings), *_others(settings), *_files(settings)]


def _http(settings: Settings) -> Iterator[str]:
    encrypted = settings.tls_cert is not None and settings.tls_key is not None
    if not is_loopback(settings.host) and not encrypted and not settings.behind_proxy:
        yield (
            f"HTTP on {settings.host} is plain: set CAIRN_TLS_CERT and CAIRN_TLS_KEY, listen on 127.0.0.1, "
            "or set CAIRN_BEHIND_PROXY=true when a proxy ends TLS and nobody else reaches this address"
        )
    if settings.graphiql:
        yield "GraphiQL is shown to everybody: leave CAIRN_GRAPHIQL unset, or set it to false"


def _neo4j(settings: Settings) -> Iterator[str]:
    if settings.neo4j_uri is None:
        return
    parts = urlsplit(settings.neo4j_uri)
    password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else None
    if not is_loopback(parts.hostname or ""):
        if parts.scheme.endswith("+ssc"):
            yield "CAIRN_NEO4J_URI takes any certificate: use bolt+s:// or neo4j+s://, and CAIRN_NEO4J_CA for an authority of your own"
        elif not parts.scheme.endswith("+s"):
            yield "CAIRN_NEO4J_URI leads to another machine in plain text: use bolt+s:// or neo4j+s://"
        if password is None:
            yield "CAIRN_NEO4J_URI leads to another machine without authentication: set CAIRN_NEO4J_PASSWORD"
    if password is not None and password.lower() in _WELL_KNOWN | {settings.neo4j_user.lower()}:
        yield "CAIRN_NEO4J_PASSWORD is one that everybody tries first: choose a random one"


def _redis(settings: Settings) -> Iterator[str]:
    if settings.redis_url is None or settings.redis_url.startswith("unix://"):
        return
    try:
        place = RedisURL.parse(settings.redis_url)
    except BadInput as error:
        yield error.message
        return
    options = {name: str(value).lower() for name, value in place.options.items()}
    hosts = [host for host, _ in place.nodes] or [options.get("host", "")]
    password, user = place.options.get("password"), str(place.options.get("username", ""))
    if not all(is_loopback(host) for host in hosts):
        unchecked = options.get("ssl_cert_reqs") in ("none", "optional") or options.get("ssl_check_hostname", "true") in _NO
        if "ssl" not in options:
            yield "CAIRN_REDIS_URL leads to another machine in plain text: use rediss://, rediss+cluster:// or rediss+sentinel://"
        elif unchecked:
            yield "CAIRN_REDIS_URL takes any certificate: take ssl_cert_reqs and ssl_check_hostname out of it, and set CAIRN_REDIS_CA"
        if not password:
            yield "CAIRN_REDIS_URL leads to another machine without a password: put one into it"
    if password and password.lower() in _WELL_KNOWN | {user.lower()}:
        yield "the password in CAIRN_REDIS_URL is one that everybody tries first: choose a random one"


def _others(settings: Settings) -> Iterator[str]:
    places = {
        "CAIRN_URL": settings.url,
        "CAIRN_EMBEDDER_URL": settings.embedder_url,
        "CAIRN_EXTRACTOR_URL": settings.extractor_url,
        **{f"the issuer of {provider.name!r} in CAIRN_OIDC": provider.issuer for provider in settings.oidc},
        **{f"the witness {witness.url} in CAIRN_WITNESSES": str(witness.url) for witness in settings.witnesses},
        **{f"the jwks_url of {provider.name!r} in CAIRN_OIDC": provider.jwks_url for provider in settings.oidc},
    }
    for name, place in places.items():
        if place is not None and urlsplit(place).scheme != "https" and not is_loopback(urlsplit(place).hostname or ""):
            yield f"{name} leads to another machine in plain text: use https://"


def _files(settings: Settings) -> Iterator[str]:
    """Keys that others on this machine can read. The data directory itself may be open: what is secret in it is not."""
    named = [file for file in (settings.master_key_file, settings.ledger_key_file) if file is not None and file.exists()]
    for file in [*sorted(settings.data_dir.glob("*.key")), *named]:
        yield from _readable(file, _OURS_ALONE)
    for file in (settings.tls_key, settings.url_key):
        if file is not None:
            yield from _readable(file, stat.S_IRWXO)  # a group for those that need certificates is usual


def _readable(file: Path, others: int) -> Iterator[str]:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        yield f"{file} can't be read: {error.strerror}"
        return
    if mode & others:
        yield f"{file} can be read by others: chmod {'600' if others == _OURS_ALONE else '640'} it, and make a new one if others had access"
