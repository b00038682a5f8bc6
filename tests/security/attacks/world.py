"""The world that is attacked: principals with their keys, things that must stay secret, files, and a web server of the attackers'."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from ...listening import listening
from .cypher import PAYLOADS
from .target import SECRET, Target

KEY = "mutation($p: String!, $r: String) { createApiKey(input: {principal: $p, role: $r}) { id secret } }"
REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id } }"
REGISTER = 'mutation($a: ID!) { registerAgent(input: {id: $a, name: "someone"}) { id } }'
STATE = "mutation($i: SetStateInput!) { setState(input: $i) { version } }"


@dataclass(frozen=True)
class Prepared:
    """A world that can be told to another process."""

    url: str
    keys: dict[str, str]
    files: str
    outside: str

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Prepared:
        """From JSON."""
        return cls(**json.loads(text))


async def prepare(url: str, admin: str, other: str, files: Path, outside: Path, callers: int = 0) -> Prepared:
    """Make the world on a served Cairn. `admin` and `other`: administrators' keys of two tenants."""
    keys = {"admin": admin, "other": other}
    (outside / "secret.nt").write_text(f'<urn:a> <urn:p> "{SECRET}" .\n', "utf-8")
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        target = Target(url, http, keys, files, outside, "http://127.0.0.1:9")
        for name, role in (("mallory", "agent"), ("curator", "curator"), ("ada", "agent"), ("revoked", "agent")):
            made = (await target.data(KEY, {"p": f"{name}-1" if name == role else name, "r": role}))["createApiKey"]
            keys[name] = made["secret"]
        await target.data("mutation($i: ID!) { revokeApiKey(id: $i) }", {"i": made["id"]})
        keys["mixed"] = keys["ada"][: keys["ada"].rindex("_")] + keys["mallory"][keys["mallory"].rindex("_") :]
        for number in range(callers):
            keys[f"tern{number}"] = (await target.data(KEY, {"p": f"tern{number}", "r": "agent"}))["createApiKey"]["secret"]
            await target.data(REGISTER, {"a": f"tern{number}"}, f"tern{number}")
            await target.data(REMEMBER, {"i": {"agent": f"tern{number}", "text": "Seal Sound was calm."}}, f"tern{number}")
        for name, key in (("ada", "ada"), ("mallory", "mallory"), ("spy", "other")):
            await target.data(REGISTER, {"a": name}, key)
        told = f"ada's {SECRET} lies under the third step."
        await target.data(REMEMBER, {"i": {"agent": "ada", "text": told}}, "ada")
        await target.data(STATE, {"i": {"agent": "ada", "key": "plan", "value": told}}, "ada")
        await target.data(REMEMBER, {"i": {"agent": "mallory", "text": "Nothing of note."}}, "mallory")
        made = (await target.data(REMEMBER, {"i": {"agent": "spy", "text": told, "scope": "public"}}, "other"))["remember"]
        keys["other memory"] = made["id"]
    return Prepared(url, keys, str(files), str(outside))


@asynccontextmanager
async def attacked(prepared: Prepared) -> AsyncIterator[Target]:
    """The target, with a client of its own and the attackers' web server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /redirect"):
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            body = b"<urn:evil> <urn:p> <urn:o> .\n"
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/n-triples\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            )
            writer.write(body)
        await writer.drain()

    limits = httpx.Limits(max_connections=50)
    async with listening(serve) as port, httpx.AsyncClient(base_url=prepared.url, timeout=60, limits=limits) as http:
        evil = f"http://127.0.0.1:{port}"
        secrets = [key.split("_", 2)[2] for name, key in prepared.keys.items() if key.startswith("cairn_")]
        yield Target(prepared.url, http, prepared.keys, Path(prepared.files), Path(prepared.outside), evil, secrets, "".join(PAYLOADS))
