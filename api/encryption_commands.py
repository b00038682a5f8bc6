"""`cairn encryption`: how a tenant's data is encrypted, its keys rotated, and subjects erased, on the command line."""

from __future__ import annotations

from typing import Any

import click

from .invocation import with_client
from .operations import operation


@click.group()
def encryption() -> None:
    """How your tenant's data is encrypted at rest; rotate its keys; erase a subject."""


@encryption.command("show")
def encryption_show() -> None:
    """Tell how it stands."""
    _tell(_ask("encryption")["encryption"])


@encryption.command("on")
def encryption_on() -> None:
    """Encrypt new values from now on. What was written before stays as it is."""
    _tell(_ask("set_encryption", enabled=True)["setEncryption"])


@encryption.command("off")
@click.option("--yes", is_flag=True, help="Don't ask.")
def encryption_off(yes: bool) -> None:
    """Store new values as plain text from now on. What was written before stays encrypted."""
    if not yes:
        click.confirm("New values will stand in the database as plain text. Go on?", abort=True)
    _tell(_ask("set_encryption", enabled=False)["setEncryption"])


@encryption.command("rotate")
def encryption_rotate() -> None:
    """Put a new key in the place of the tenant's, while everything goes on."""
    _tell(_ask("rotate_tenant_key")["rotateTenantKey"])


@encryption.command("rotate-master")
def encryption_rotate_master() -> None:
    """Have a new master key wrap the keys of all tenants. Copy the key file afterwards, then retire the old one."""
    count = _ask("rotate_master_key")["rotateMasterKey"]
    click.echo(
        f"a new master key wraps the keys of {count} tenants; copy it to where you keep copies, then: cairn encryption retire-masters"
    )


@encryption.command("retire-masters")
@click.option("--yes", is_flag=True, help="Don't ask.")
def encryption_retire_masters(yes: bool) -> None:
    """Forget the master keys of before. Backups that were made under them need them still."""
    if not yes:
        click.confirm("Backups made under earlier master keys can't be opened without a copy of them. Go on?", abort=True)
    count = _ask("retire_master_keys")["retireMasterKeys"]
    click.echo(f"earlier master keys are forgotten; {count} tenants' keys were still to be wrapped by the present one")


@encryption.command("erase")
@click.option("--agent", help="The id of the agent whose data is destroyed.")
@click.option("--person", help="The person whom memories name as metadata.subject.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def encryption_erase(agent: str | None, person: str | None, yes: bool) -> None:
    """Destroy all data of an agent or a person: keys, values, words, vectors. It can't be undone."""
    if (agent is None) == (person is None):
        raise click.UsageError("say whose data shall be erased: --agent or --person")
    if not yes:
        click.confirm(f"All data of {agent or person} will be destroyed for ever. Go on?", abort=True)
    erased = _ask("erase_subject", agent=agent, person=person)["eraseSubject"]
    click.echo(f"erased: {', '.join(f'{count} {what}' for what, count in erased.items())}")


def _ask(name: str, **variables: Any) -> dict[str, Any]:
    return with_client(lambda client: client.demand(operation(name), variables))


def _tell(standing: dict[str, Any]) -> None:
    values = "encrypted" if standing["enabled"] else "plain"
    words = "keyed" if standing["searchable"] else "plain"
    click.echo(f"new values   {values}\nwords        {words}\ntenant key   {standing['key'] or 'none yet; the first value makes it'}")
    if standing["key"] is not None:
        click.echo(f"made at      {standing['rotatedAt']}\nmaster key   {standing['masterKey']}\nsubject keys {standing['subjects']}")
