"""Commands about the ledger: verify it, take it along, accept it after a restore, and stand witness to it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..graph.progress import shown
from .invocation import err, run, settings, with_client
from .operations import operation

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--export", "export_file", type=_FILE, help="Verify this export, offline, instead.")
@click.option("--key", "keys", multiple=True, help="The public key that the export's checkpoints must be signed with; may be repeated.")
@click.option("--witness", "witnesses", multiple=True, help="A witness's public key, whose cosignatures must hold; may be repeated.")
@click.option("--quorum", type=click.IntRange(min=0), help="How many witnesses must have cosigned a checkpoint; all when left out.")
@click.option("--anchor", type=_FILE, help="A file of the file anchor, whose checkpoints the export must extend.")
def verify(export_file: Path | None, keys: tuple[str, ...], witnesses: tuple[str, ...], quorum: int | None, anchor: Path | None) -> None:
    """Verify the ledger and the graph against it. Exit code 0, or 1 with the first thing that does not hold.

    All options but the first are for exports; a running Cairn is verified with the keys and anchors that its settings name.
    """
    from .verifying import verify_exported, verify_running

    if export_file is None and (keys or witnesses or quorum is not None or anchor is not None):
        raise click.UsageError("--key, --witness, --quorum and --anchor are for --export")

    async def go() -> bool:
        if export_file is not None:
            return verify_exported(export_file, keys, witnesses, quorum, anchor)
        with shown(err) as report:
            return await verify_running(settings(), report)

    sys.exit(0 if run(go) else 1)


@click.group()
def ledger() -> None:
    """Take the ledger along, or accept it as it stands."""


@ledger.command("export")
@click.option("-o", "--output", type=_FILE, help="A file; standard output when left out.")
def ledger_export(output: Path | None) -> None:
    """Export the ledger with its signed checkpoints, for `cairn verify --export` anywhere."""
    from .importing import download_to

    with_client(lambda client: download_to(client, "/ledger/export", {}, output))


@ledger.command("accept")
@click.option("--yes", is_flag=True, help="Don't ask.")
def ledger_accept(yes: bool) -> None:
    """Go on signing from the ledger as it stands, though it does not extend what was signed before.

    For after a restore of an older backup. What was written between the backup and the restore is gone from then on, and nothing
    but witnesses, anchors and older exports will tell that it ever was. The ledger gets an entry that says who accepted it.
    """
    if not yes:
        click.confirm("Checkpoints that were signed before may contradict this ledger for ever. Accept it as it stands?", abort=True)
    accepted = with_client(lambda client: client.demand(operation("accept_ledger")))["acceptLedger"]
    click.echo(f"accepted: {accepted['size']} entries, root {accepted['root']}")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", required=True, help="The witness's name, such as witness.example.org/w1.")
@click.option("--log", "logs", multiple=True, required=True, help="The public key of a ledger to watch; may be repeated.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8421, show_default=True, help="Port to listen on; 0 takes a free one.")
def witness(folder: Path, name: str, logs: tuple[str, ...], host: str, port: int) -> None:
    """Watch ledgers and cosign their checkpoints, until Ctrl-C; key and record are in FOLDER. Needs no database.

    A ledger's public key is what `ledger { verifierKey }` tells. Run witnesses where whoever runs Cairn can't reach them.
    """
    from .witnessing import stand_witness

    run(lambda: stand_witness(folder, name, logs, host, port, click.echo))
