"""`cairn up` over TLS, with the command line's client on the same machine."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import trustme

from cairn.api.client import open_client
from cairn.api.serve import serving
from cairn.errors import BadInput, Unavailable
from cairn.graph.tls import client_context
from cairn.settings import Settings

pytestmark = pytest.mark.anyio


def _write(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    issued = authority.issue_cert("cairn.example.org", "127.0.0.1")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    return certificate, key


async def test_everything_goes_over_tls(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairn.graph.tls._LOOK_SECONDS", 0.0)
    authority = trustme.CA()
    certificate, key = _write(authority, tmp_path)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    key.chmod(0o600)
    chosen = settings.model_copy(update={"tls_cert": certificate, "tls_key": key, "port": 0, "env": "production"})
    async with serving(chosen) as running:
        assert running.url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=client_context(tmp_path / "ca.pem")) as http:
            answer = await http.get(f"{running.url}/healthz")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            with pytest.raises(httpx.HTTPError):
                await http.get(running.url.replace("https", "http"))
        for _ in range(2):
            async with open_client(chosen) as client:
                assert (await client.demand("{ me { id } }")) == {"me": {"id": "operator"}}
            _write(trustme.CA(), tmp_path)  # from now on another certificate, which the command line knows as well
        async with open_client(chosen.model_copy(update={"url": running.url, "url_ca": tmp_path / "ca.pem"})) as client:
            with pytest.raises(Unavailable):
                await client.demand("{ me { id } }")


async def test_half_a_certificate_starts_nothing(settings: Settings, tmp_path: Path) -> None:
    certificate, key = _write(trustme.CA(), tmp_path)
    for wrong in ({"tls_cert": certificate}, {"tls_key": key}, {"tls_client_ca": certificate}, {"tls_cert": key, "tls_key": certificate}):
        with pytest.raises(BadInput):
            async with serving(settings.model_copy(update=wrong)):
                pass
    assert not settings.data_dir.exists()
