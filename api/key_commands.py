"""`cairn key`: credentials on the command line."""

from __future__ import annotations

import click

from ..graph.names import new_id
from .client import Client
from .invocation import with_client
from .operations import operation


@click.group()
def key() -> None:
    """Create and revoke API keys, and revoke tokens of identity providers."""


@key.command("create")
@click.option("--role", required=True, help="The role its principal gets: admin, curator, agent, auditor, reader or one of your own.")
@click.option("--principal", help="Whose key; for an agent, the agent's id. Made up when left out.")
@click.option("--expires", help="When it ends, ISO 8601 with an offset; never when left out.")
@click.option("--scope", "scopes", multiple=True, help="Narrows it, such as 'memory:team/* read'; may be repeated.")
def key_create(role: str, principal: str | None, expires: str | None, scopes: tuple[str, ...]) -> None:
    """Create an API key and print it, this once."""
    narrowed = [_scope(text) for text in scopes] or None
    wanted = {"principal": principal or f"{role}-{new_id()[-8:]}", "role": role, "expiresAt": expires, "scopes": narrowed}
    created = with_client(lambda client: client.demand(operation("create_key"), {"input": wanted}))["createApiKey"]
    click.echo(f"id        {created['id']}\nprincipal {created['principal']}\nkey       {created['secret']}")


def _scope(text: str) -> dict[str, str]:
    object, _, action = text.strip().rpartition(" ")
    if not object:
        raise click.BadParameter("write an object and an action, such as 'memory:team/* read'", param_hint="--scope")
    return {"object": object.strip(), "action": action}


@key.command("list")
def key_list() -> None:
    """Every API key that you may see: id, principal, when it was last used, what became of it, and its scopes."""

    async def pages(client: Client) -> None:
        after = None
        while True:
            keys = (await client.demand(operation("list_keys"), {"first": 100, "after": after}))["apiKeys"]
            for one in keys["nodes"]:
                fate = f"revoked {one['revokedAt']}" if one["revokedAt"] else f"ends {one['expiresAt']}" if one["expiresAt"] else "works"
                scopes = "all" if one["scopes"] is None else ", ".join(f"{scope['object']} {scope['action']}" for scope in one["scopes"])
                click.echo(f"{one['id']}  {one['principal']:<20} {one['lastUsedAt'] or 'never used':<27} {fate}; scopes: {scopes}")
            if not keys["pageInfo"]["hasNextPage"]:
                return
            after = keys["pageInfo"]["endCursor"]

    with_client(pages)


@key.command("revoke-token")
@click.argument("provider")
@click.argument("jti")
def key_revoke_token(provider: str, jti: str) -> None:
    """Refuse the one token of an identity provider that has this JTI; every replica does within a second."""
    _revoke_tokens({"provider": provider, "jti": jti})


@key.command("revoke-subject")
@click.argument("provider")
@click.argument("subject")
@click.option("--before", help="Only tokens issued then or earlier, ISO 8601 with an offset; now when left out.")
def key_revoke_subject(provider: str, subject: str, before: str | None) -> None:
    """Refuse all tokens that an identity provider gave to SUBJECT; every replica does within a second."""
    _revoke_tokens({"provider": provider, "subject": subject, "issuedBefore": before})


def _revoke_tokens(wanted: dict[str, str | None]) -> None:
    gone = with_client(lambda client: client.demand(operation("revoke_token"), {"input": wanted}))["revokeToken"]
    click.echo("revoked" if gone else "it was revoked before")


@key.command("revoke")
@click.argument("id")
def key_revoke(id: str) -> None:
    """Revoke an API key; every replica refuses it within a second."""
    gone = with_client(lambda client: client.demand(operation("revoke_key"), {"id": id}))["revokeApiKey"]
    click.echo("revoked" if gone else "it was revoked before")
