"""Production refuses to start while something is open, and says all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cairn.api.commands import main
from cairn.api.production import faults, require_production
from cairn.errors import BadInput
from cairn.settings import Settings


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with keys as Cairn makes them, and no settings from the environment."""
    for name in ("CAIRN_NEO4J_URI", "CAIRN_NEO4J_USER", "CAIRN_NEO4J_PASSWORD", "CAIRN_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("operator.key", "ledger.key"):
        (tmp_path / name).touch(mode=0o600)
    return tmp_path


def found(data_dir: Path, **changes: Any) -> list[str]:
    return faults(Settings.model_validate({"data_dir": data_dir, "env": "production", **changes}))


_ELSEWHERE = {"neo4j_uri": "neo4j+s://graph.example.org", "neo4j_password": "q7Vx0", "redis_url": "rediss://:q7Vx0@cache.example.org"}
_CORP = {"name": "corp", "issuer": "http://127.0.0.1:9", "audience": "cairn"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        _ELSEWHERE,
        {"host": "0.0.0.0", "behind_proxy": True},
        {"host": "::1"},
        {"host": "localhost"},
        {"neo4j_uri": "bolt://127.0.0.1:7687", "redis_url": "redis://localhost"},
        {"neo4j_uri": "bolt://[::1]:7687", "redis_url": "unix:///run/redis"},
        {"redis_url": "rediss://cache.example.org?password=q7Vx0"},
        {"redis_url": "rediss+cluster://:q7Vx0@one.example.org,two.example.org"},
        {"redis_url": "redis+sentinel://:q7Vx0@localhost,127.0.0.1:7/master"},
        {"embedder_url": "http://127.0.0.1:8000/v1", "extractor_url": "https://llm.example.org", "oidc": [_CORP]},
        {"graphiql": False},
    ],
)
def test_what_is_fit(data_dir: Path, changes: dict[str, Any]) -> None:
    assert found(data_dir, **changes) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": "0.0.0.0"}, "HTTP on 0.0.0.0 is plain"),
        ({"host": "10.0.0.7"}, "HTTP on 10.0.0.7 is plain"),
        ({"host": "::"}, "HTTP on :: is plain"),
        ({"host": "cairn.example.org", "tls_cert": "/c"}, "is plain"),
        ({"graphiql": True}, "GraphiQL"),
        ({**_ELSEWHERE, "neo4j_uri": "bolt://graph.example.org"}, "CAIRN_NEO4J_URI leads to another machine in plain text"),
        ({**_ELSEWHERE, "neo4j_uri": "neo4j+ssc://graph.example.org"}, "CAIRN_NEO4J_URI takes any certificate"),
        ({**_ELSEWHERE, "neo4j_password": None}, "without authentication"),
        ({**_ELSEWHERE, "neo4j_password": "neo4j"}, "CAIRN_NEO4J_PASSWORD is one that everybody tries"),
        ({"neo4j_uri": "bolt://127.0.0.1", "neo4j_password": "Password"}, "CAIRN_NEO4J_PASSWORD is one that everybody tries"),
        ({"neo4j_uri": "bolt://127.0.0.1.example.org", "neo4j_password": "q7Vx0"}, "in plain text"),
        ({**_ELSEWHERE, "redis_url": "redis://:q7Vx0@cache.example.org"}, "CAIRN_REDIS_URL leads to another machine in plain text"),
        ({**_ELSEWHERE, "redis_url": "rediss://cache.example.org"}, "without a password"),
        (
            {**_ELSEWHERE, "redis_url": "redis+cluster://:q7Vx0@localhost,cache.example.org"},
            "CAIRN_REDIS_URL leads to another machine in plain",
        ),
        ({**_ELSEWHERE, "redis_url": "redis+sentinel://:q7Vx0@cache.example.org"}, "is no URL of a Redis"),
        ({**_ELSEWHERE, "redis_url": "rediss://:q7Vx0@cache.example.org?ssl_cert_reqs=none"}, "takes any certificate"),
        ({**_ELSEWHERE, "redis_url": "rediss://:q7Vx0@cache.example.org?ssl_check_hostname=False"}, "takes any certificate"),
        ({**_ELSEWHERE, "redis_url": "rediss://:foobared@cache.example.org"}, "everybody tries first"),
        ({"url": "http://cairn.example.org"}, "CAIRN_URL leads to another machine in plain text"),
        ({"embedder_url": "http://llm.example.org"}, "CAIRN_EMBEDDER_URL"),
        ({"extractor_url": "http://llm.example.org"}, "CAIRN_EXTRACTOR_URL"),
        ({"witnesses": [{"url": "http://witness.example.org", "key": "a witness"}]}, "the witness http://witness.example.org"),
    ],
)
def test_each_fault_is_told(data_dir: Path, changes: dict[str, Any], told: str) -> None:
    (fault,) = found(data_dir, **changes)
    assert told in fault


@pytest.mark.parametrize(
    ("name", "mode", "fit"), [("operator.key", 0o640, False), ("ledger.key", 0o604, False), ("master.key", 0o600, True)]
)
def test_keys_that_others_can_read_are_told(data_dir: Path, name: str, mode: int, fit: bool) -> None:
    (data_dir / name).touch()
    (data_dir / name).chmod(mode)
    assert (found(data_dir) == []) is fit


def test_keys_elsewhere_are_looked_at_too(data_dir: Path, tmp_path: Path) -> None:
    key = tmp_path / "elsewhere" / "master"
    assert found(data_dir, master_key_file=key) == []  # it is made at the first start
    key.parent.mkdir()
    key.touch(0o640)
    (fault,) = found(data_dir, master_key_file=key)
    assert str(key) in fault
    assert "can be read by others" in fault


def test_the_key_of_the_certificate_may_be_read_by_its_group_and_nobody_else(data_dir: Path) -> None:
    key = data_dir / "tls.pem"
    key.touch()
    settings = {"host": "0.0.0.0", "tls_cert": key, "tls_key": key}
    for mode, fit in ((0o600, True), (0o640, True), (0o644, False)):
        key.chmod(mode)
        assert (found(data_dir, **settings) == []) is fit
    assert "can't be read" in found(data_dir, **{**settings, "tls_key": data_dir / "absent"})[0]


def test_all_is_told_at_once_and_only_in_production(data_dir: Path) -> None:
    wrong = Settings(data_dir=data_dir, host="0.0.0.0", graphiql=True, embedder_url="http://llm.example.org")
    require_production(wrong)
    with pytest.raises(BadInput) as refusal:
        require_production(wrong.model_copy(update={"env": "production"}))
    assert refusal.value.message.count("\n- ") == 3


def test_the_command_line_refuses_before_anything_is_started(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENV": "production", "DATA_DIR": str(data_dir), "HOST": "0.0.0.0", "NEO4J_URI": "bolt://graph.example.org"}.items():
        monkeypatch.setenv(f"CAIRN_{name}", value)
    before = sorted(data_dir.iterdir())
    for command in (["up"], ["up", "--workers", "2"], ["query", "{ me { id } }"], ["backup", str(data_dir / "file")]):
        ended = CliRunner().invoke(main, command)
        assert ended.exit_code == 1
        assert ended.output.count("\n- ") == 3, ended.output
        assert "Traceback" not in ended.output
    assert sorted(data_dir.iterdir()) == before


def test_up_looks_at_what_its_own_options_say(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_ENV", "production")
    monkeypatch.setenv("CAIRN_DATA_DIR", str(data_dir))
    ended = CliRunner().invoke(main, ["up", "--host", "0.0.0.0"])
    assert (ended.exit_code, ended.output.count("\n- ")) == (1, 1)
