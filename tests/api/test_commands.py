"""The command line as a user types it: a process of its own, an empty home, and exit codes that scripts can rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cairn.settings import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]
TURTLE = (
    '@prefix ex: <https://example.org/> . ex:a ex:p "grüß"@de, "01"^^<http://www.w3.org/2001/XMLSchema#integer> ; ex:q [ ex:r ex:a ] .\n'
)


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    password = {"CAIRN_NEO4J_PASSWORD": settings.neo4j_password.get_secret_value()} if settings.neo4j_password else {}
    return {
        **kept,
        **password,
        "HOME": str(tmp_path),
        "CAIRN_DATA_DIR": str(settings.data_dir),
        "CAIRN_TENANT": settings.tenant,
        "CAIRN_NEO4J_URI": settings.neo4j_uri or "",
        "CAIRN_NEO4J_USER": settings.neo4j_user,
        "CAIRN_REDIS_URL": settings.redis_url or "",
    }


@pytest.fixture
def cairn_command(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cairn", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, input=stdin, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A `cairn up`, and what it printed until it was ready."""
    command = [sys.executable, "-m", "cairn", "up", "--port", "0"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Cairn is ready"):
                break
        try:
            yield process, said
        finally:
            process.kill()


def test_up_tells_the_first_key_once_and_drains_on_a_signal(
    server: tuple[subprocess.Popen[str], list[str]], cairn_command: Run, environment: dict[str, str]
) -> None:
    process, said = server
    assert len([line for line in said if "cairn_" in line]) == 1
    assert "Traceback" not in cairn_command("query", "{ me { id } }").stderr
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    again = cairn_command("query", "{ me { id roles } }")
    assert json.loads(again.stdout)["data"]["me"] == {"id": "operator", "roles": ["admin"]}
    assert "API key" not in again.stdout + again.stderr


def test_rdf_goes_in_and_out(server: object, cairn_command: Run, tmp_path: Path) -> None:
    (tmp_path / "a.ttl").write_text(TURTLE, encoding="utf-8")
    done = cairn_command("import", "a.ttl", "--graph", "https://example.org/g")
    assert (done.returncode, done.stdout) == (0, "4 triples read, 4 added, 0 removed in https://example.org/g\n")
    again = cairn_command("import", "-", "--format", "ttl", "--graph", "https://example.org/g", stdin=TURTLE)
    assert "0 added, 0 removed" in again.stdout
    out = cairn_command("export", "--graph", "https://example.org/g", "--format", "nt")
    assert out.returncode == 0
    assert '<https://example.org/a> <https://example.org/p> "grüß"@de .' in out.stdout.splitlines()
    assert len(out.stdout.splitlines()) == 4
    (tmp_path / "bad.ttl").write_text("<https://example.org/a>\n  <https://example.org/p> .", encoding="utf-8")
    bad = cairn_command("import", "bad.ttl", "--graph", "https://example.org/g")
    assert bad.returncode == 1
    assert "line 2" in bad.stderr
    assert cairn_command("export", "--graph", "https://example.org/g", "--format", "nt").stdout == out.stdout
    missing = cairn_command("export", "--graph", "https://example.org/none", "-o", "none.nq")
    assert missing.returncode == 1
    assert not (tmp_path / "none.nq").exists()
    assert cairn_command("import", "nowhere.ttl").returncode == 1


def test_policies_and_keys(server: object, cairn_command: Run) -> None:
    assert cairn_command("policy", "check", "rita", "memory:team/tides", "read").returncode == 1
    unknown = cairn_command("policy", "check", "rita", "memory:team/tides", "reed")
    assert unknown.returncode == 2
    assert "'reed' is not one of 'read', 'write', 'delete', 'admin'" in unknown.stderr
    assert cairn_command("policy", "add", "rita", "memory:team/tides/*", "read").returncode == 0
    yes = cairn_command("policy", "check", "rita", "memory:team/tides", "read")
    assert yes.returncode == 0
    assert "memory:team/tides/*" in yes.stdout
    assert "memory:team/tides/*" in cairn_command("policy", "list").stdout
    assert cairn_command("policy", "remove", "rita", "memory:team/tides/*", "read").returncode == 0
    wrong = cairn_command("policy", "add", "rita", "memory:team/tides/*", "reed")
    assert wrong.returncode == 1
    assert "read" in wrong.stderr
    made = cairn_command("key", "create", "--role", "reader", "--principal", "rita")
    id = made.stdout.splitlines()[0].split()[-1]
    assert made.stdout.splitlines()[-1].split()[-1].startswith("cairn_")
    assert cairn_command("key", "revoke", id).stdout == "revoked\n"


def test_memories_are_kept_in_order(server: object, cairn_command: Run) -> None:
    cairn_command("query", 'mutation { registerAgent(input: { id: "tern", name: "Tern" }) { id } }')
    turns = ", ".join(f'{{agent: "tern", speaker: "tern", text: "The rent is {euros}", occurredAt: "2023-0{n}-01T00:00:00Z"}}'
                      for n, euros in ((1, 500), (2, 650)))  # fmt: skip
    assert cairn_command("query", f"mutation {{ rememberMany(input: [{turns}]) {{ id }} }}").returncode == 0
    dry = cairn_command("consolidate", "--dry-run", "--job", "supersession")
    assert (dry.returncode, dry.stdout.splitlines()[0]) == (0, "supersession  would change 1, 2 examined"), dry.stderr
    done = cairn_command("consolidate")
    assert done.returncode == 0, done.stderr
    assert "supersession  changed 1, 2 examined" in done.stdout.splitlines()
    wrong = cairn_command("consolidate", "--job", "tidying")
    assert wrong.returncode == 2
    assert "there is no job 'tidying'; there are expiry, duplicates," in wrong.stderr


def test_encryption_is_told_switched_and_rotated_and_a_subject_is_erased(server: object, cairn_command: Run) -> None:
    cairn_command("query", 'mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    cairn_command("query", 'mutation { remember(input: {agent: "ada", text: "a secret"}) { id } }')
    shown = cairn_command("encryption", "show").stdout
    assert "new values   encrypted\nwords        keyed\n" in shown
    rotated = cairn_command("encryption", "rotate").stdout
    assert [line for line in shown.splitlines() if "tenant key" in line] != [line for line in rotated.splitlines() if "tenant key" in line]
    refused = cairn_command("encryption", "off", stdin="n\n")
    assert (refused.returncode, "plain text" in refused.stdout) == (1, True)
    assert "new values   plain" in cairn_command("encryption", "off", "--yes").stdout
    assert "new values   encrypted" in cairn_command("encryption", "on").stdout
    assert cairn_command("encryption", "erase", "--yes").returncode == 2
    assert cairn_command("encryption", "erase", "--agent", "ada", "--yes").stdout.startswith("erased: 1 memories")
    assert "a secret" not in cairn_command("query", "{ memories { nodes { text } } }").stdout


def test_the_ledger_is_verified_here_and_elsewhere(server: object, cairn_command: Run, tmp_path: Path) -> None:
    assert cairn_command("verify").stdout.startswith("holds: ")
    assert cairn_command("ledger", "export", "-o", "ledger.jsonl").returncode == 0
    key = json.loads(cairn_command("query", "{ ledger { verifierKey } }").stdout)["data"]["ledger"]["verifierKey"]
    assert cairn_command("verify", "--export", "ledger.jsonl", "--key", key).returncode == 0
    lines = (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "forged.jsonl").write_text("\n".join([lines[0], lines[1].replace('"seq":0', '"seq":1'), *lines[2:]]), encoding="utf-8")
    forged = cairn_command("verify", "--export", "forged.jsonl", "--key", key)
    assert forged.returncode == 1
    assert forged.stderr.startswith("does not hold")


def test_mistakes_are_told_in_plain_words(cairn_command: Run, environment: dict[str, str]) -> None:
    assert "Start Cairn" in cairn_command("--help").stdout
    assert cairn_command("query", "{ me { id } }", "--variables", "[").returncode == 2
    environment["CAIRN_PORT"] = "many"
    wrong = cairn_command("up")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("CAIRN_PORT: ")
    assert "Traceback" not in wrong.stderr
