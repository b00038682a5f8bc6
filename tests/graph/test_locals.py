"""Names that no graph explains go with the last text that mentions them, when that text is erased."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.api.client import Client
from cairn.api.services import Cairn
from cairn.graph.verification import verify

pytestmark = pytest.mark.anyio

REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id mentions { entity { iri } } } }"
ERASE = "mutation($i: ID!) { forget(id: $i, erase: true) }"


async def remember(client: Client, text: str, **more: Any) -> tuple[str, str]:
    """A memory that mentions one name: its id and the entity's IRI."""
    kept = (await client.demand(REMEMBER, {"i": {"agent": "ada", "text": text, **more}}))["remember"]
    (iri,) = {mention["entity"]["iri"] for mention in kept["mentions"]}
    return kept["id"], iri


async def there(client: Client, iri: str) -> bool:
    return (await client.demand("query($i: IRI!) { entity(iri: $i) { iri } }", {"i": iri}))["entity"] is not None


@pytest.fixture
async def ada(client: Client) -> Client:
    await client.demand('mutation { registerAgent(input: {id: "ada", name: "Ada"}) { id } }')
    return client


async def test_a_name_is_erased_with_the_last_text_that_mentions_it(ada: Client, cairn: Cairn, tenant: str) -> None:
    first, iri = await remember(ada, "Yesterday Mr. Quuxenstein came to tea.")
    second, same = await remember(ada, "Then Mr. Quuxenstein left again.")
    assert iri == same
    await ada.demand(ERASE, {"i": first})
    assert await there(ada, iri)
    await ada.demand("mutation($i: ID!) { forget(id: $i) }", {"i": second})
    assert await there(ada, iri), "what is only forgotten still has its content"
    await ada.demand(ERASE, {"i": second})
    assert not await there(ada, iri)
    assert (await verify(cairn.services.database, tenant)).problem is None


async def test_a_name_that_was_identified_stays(ada: Client, cairn: Cairn, tenant: str) -> None:
    only, iri = await remember(ada, "Yesterday Mr. Quuxenstein came to tea.")
    identify = 'mutation($l: IRI!) { identify(local: $l, sameAs: "https://example.org/quux") { iri } }'
    await ada.demand(identify, {"l": iri})
    await ada.demand(ERASE, {"i": only})
    assert await there(ada, iri)
    assert (await verify(cairn.services.database, tenant)).problem is None


async def test_a_name_in_a_shared_scope_is_erased_with_the_person_it_was_told_of(ada: Client, cairn: Cairn, tenant: str) -> None:
    _, iri = await remember(ada, "Yesterday Mr. Quuxenstein came to tea.", scope="public", metadata={"subject": "Q."})
    await ada.demand('mutation { eraseSubject(person: "Q.") { memories } }')
    assert not await there(ada, iri)
    assert (await verify(cairn.services.database, tenant)).problem is None
