"""`cairn demo`: an agent's whole path against a running Cairn, each step printed with what was sent and what came back.

It may be played again on the same data directory: what was imported or remembered before is found, not doubled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from typing import Any

from rich.console import Console

from .. import importers
from ..errors import Unavailable
from .client import Client
from .transcript import JSON, Transcript

AGENT = "tern"
VISITOR = "visitor"
SESSION = "monday-briefing"
GRAPH = "https://example.org/ocean-lab/"
ENTITY = f"{GRAPH}thesaurus/seagrass"
SCOPE = f"memory:agent/{AGENT}"
QUESTION = {"agent": AGENT, "query": "Why do we worry about the seagrass at Seal Sound?", "limit": 2}
RULE = {"subject": VISITOR, "object": f"{SCOPE}/*", "action": "read"}
_IMPORT_SHOWN = ("status", "bytesRead", "triplesRead", "triplesAdded", "triplesRemoved", "error")
_SAMPLES = files(importers) / "samples"


@dataclass(frozen=True, slots=True)
class _Key:
    """A key that was made for the demo."""

    id: str
    secret: str


async def play(client: Client, out: Console) -> None:
    """Play the path and print it. Raises Internal at the first answer that is an error where none belongs, or none where one belongs."""
    transcript = Transcript(client, out)
    await _import(transcript)
    await _look(transcript)
    agent = await _register(transcript)
    await _keep_state(transcript, agent)
    await _remember(transcript, agent)
    await _recall(transcript, agent)
    await _guard(transcript)
    await _end(transcript, agent)
    out.print()
    transcript.say(f"Try it yourself: GraphiQL is at {client.url}")
    transcript.say("Its key, for the box of headers: cairn key create --role admin")


async def _import(transcript: Transcript) -> None:
    transcript.step("Import a knowledge graph", "A small thesaurus in English, German and French becomes a named graph.")
    with as_file(_SAMPLES / "ocean-lab.ttl") as path:
        started = await transcript.ask("start_import", {"input": {"source": str(path), "graph": GRAPH}})
        done = await transcript.ask(
            "import_status",
            {"id": started["startImport"]["id"]},
            until=lambda data: data["import"]["status"] != "RUNNING",
            show=lambda data: {name: value for name, value in data["import"].items() if name in _IMPORT_SHOWN and value is not None},
        )
    job = done["import"]
    if job["status"] == "FAILED":
        raise Unavailable(f"the sample could not be imported: {job['error']}")
    if not job["triplesAdded"] and not job["triplesRemoved"]:
        transcript.say("Nothing new: the graph held exactly these triples already.")


async def _look(transcript: Transcript) -> None:
    transcript.step("Look at what was imported", "Names are searched in every language; an entity shows its literals and its neighbours.")
    await transcript.ask("find_entities", {"search": "Seegras"})
    await transcript.ask("look_at_entity", {"iri": ENTITY})


async def _register(transcript: Transcript) -> _Key:
    transcript.step("Register an agent", "With its key it may read and write what is its own, and read what was imported; no more.")
    goals = ["keep the instruments honest", "know how the seagrass is doing"]
    await transcript.ask("register_agent", {"input": {"id": AGENT, "name": "Tern", "goals": goals}})
    return await _create_key(transcript, AGENT, "agent")


async def _create_key(transcript: Transcript, principal: str, role: str) -> _Key:
    created = await transcript.ask(
        "create_key",
        {"input": {"principal": principal, "role": role}},
        show=lambda data: {**data["createApiKey"], "secret": "(shown once, to whoever asked)"},
    )
    return _Key(created["createApiKey"]["id"], created["createApiKey"]["secret"])


async def _keep_state(transcript: Transcript, agent: _Key) -> None:
    transcript.step("Keep state", "Each write makes a version and names the one it builds on, so no writer overwrites another unseen.")
    plan = {"agent": AGENT, "key": "plan"}
    found = (await transcript.ask("read_state", plan, token=agent.secret))["state"]
    current = found["version"] if found else 0
    first = {**plan, "value": {"next": "read out Petrel"}, "expectedVersion": current}
    written = (await transcript.ask("set_state", {"input": first}, token=agent.secret))["setState"]
    second = {**plan, "value": {"next": "plan a dive", "where": "Seal Sound"}, "expectedVersion": current + 1}
    await transcript.ask("set_state", {"input": second}, token=agent.secret)
    transcript.say("A writer that still thinks the version before is current is refused:")
    await transcript.ask("set_state", {"input": second}, token=agent.secret, refused="CONFLICT")
    transcript.say("Time travel: the state as of the first of the two writes.")
    await transcript.ask("read_state", {**plan, "asOf": written["recordedAt"]}, token=agent.secret)


async def _remember(transcript: Transcript, agent: _Key) -> None:
    transcript.step("Remember a conversation", "Eight turns, all or nothing. The key makes the call safe to repeat: it has one effect.")
    talk: list[dict[str, Any]] = json.loads((_SAMPLES / "ocean-lab-talk.json").read_text("utf-8"))
    turns = [{"agent": AGENT, "session": SESSION, **turn} for turn in talk]
    key = f"demo-{sha256(json.dumps(turns).encode()).hexdigest()[:12]}"
    await transcript.ask("remember_many", {"input": turns, "key": key}, token=agent.secret, show=lambda data: data["rememberMany"][:2])
    transcript.step("See what it is about", "Names were linked to imported entities, or to a local one where no import has the name.")
    await transcript.ask("mentions", {"agent": AGENT, "session": SESSION}, token=agent.secret, show=_linked)


def _linked(data: dict[str, Any]) -> JSON:
    """The mentions, one a line."""
    return [
        f"{mention['text']} [{mention['start']}:{mention['end']}] -> {mention['entity']['iri']} ({mention['confidence']:.2f})"
        for memory in reversed(data["memories"]["nodes"])
        for mention in memory["mentions"]
    ]


async def _recall(transcript: Transcript, agent: _Key) -> None:
    transcript.step("Recall", "Words, meaning and shared entities find the memories; `why` says what share of the score each had.")
    await transcript.ask("recall", {"input": QUESTION}, token=agent.secret, show=_reasons)
    transcript.step("Ask the same again", "The answer comes from the cache. It holds until something changes that the answer depends on.")
    await transcript.ask("recall", {"input": QUESTION}, token=agent.secret, show=_texts)


def _reasons(data: dict[str, Any]) -> JSON:
    """The hits, their reasons reduced to each feature's share of the score, the largest first."""
    return [
        {
            "score": round(hit["score"], 3),
            **hit["memory"],
            "why": {
                name: f"{reason['share']:.0%}"
                for name, reason in sorted(hit["why"].items(), key=lambda item: -item[1]["share"])
                if reason["share"] >= 0.05
            },
        }
        for hit in data["recall"]["hits"]
    ]


def _texts(data: dict[str, Any]) -> JSON:
    """The hits' texts."""
    return [hit["memory"]["text"] for hit in data["recall"]["hits"]]


async def _guard(transcript: Transcript) -> None:
    await transcript.prepare("remove_rule", {"input": RULE})  # a demo that was interrupted may have left it
    transcript.step("Give somebody else a key", "The role `reader` may read imported graphs and public memories, not an agent's own.")
    visitor = await _create_key(transcript, VISITOR, "reader")
    await transcript.ask("who_am_i", token=visitor.secret)
    transcript.say("The visitor asks the same question. What it may not read does not exist for it:")
    await transcript.ask("recall", {"input": QUESTION}, token=visitor.secret, show=_texts)

    transcript.step("Change the rules", "The administrator lets the visitor read the agent's memories; its next answer is another one.")
    await transcript.ask("add_rule", {"input": RULE})
    await transcript.ask("recall", {"input": QUESTION}, token=visitor.secret, show=_texts)
    transcript.say("Which rule decided?")
    await transcript.ask("permitted", {"subject": VISITOR, "object": SCOPE, "action": "read"})

    transcript.step("Take it back", "Without the rule the memories are gone for the visitor, cached or not; without its key it is nobody.")
    await transcript.ask("remove_rule", {"input": RULE})
    await transcript.ask("recall", {"input": QUESTION}, token=visitor.secret, show=_texts)
    await transcript.ask("revoke_key", {"id": visitor.id})
    await transcript.ask("recall", {"input": QUESTION}, token=visitor.secret, refused="UNAUTHENTICATED")


async def _end(transcript: Transcript, agent: _Key) -> None:
    await transcript.prepare("revoke_key", {"id": agent.id})
    transcript.step("Look at the ledger", "Every change above is an entry of a Merkle tree, whose root is signed in a checkpoint.")
    await transcript.ask("ledger", show=lambda data: {**data["ledger"], "checkpoint": data["ledger"]["checkpoint"].splitlines()})
