"""The command line. It speaks GraphQL, to the running server or to one it opens for the moment; so it is bound by the same rules."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import click

from .. import __version__
from ..errors import CairnError
from ..graph.progress import shown
from ..policies.patterns import ACTIONS
from ..settings import Settings
from .client import Client, open_client
from .encryption_commands import encryption
from .invocation import err, out, run, settings, show, tell_first_key, with_client, with_progress
from .key_commands import key
from .ledger_commands import ledger, verify, witness
from .operations import operation
from .presence import running_url


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cairn")
def main() -> None:
    """Cairn: graph memory and knowledge for agents."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("neo4j").setLevel(logging.ERROR)


@main.command()
@click.option("--host", help="Address to listen on (CAIRN_HOST; 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one (CAIRN_PORT; 8420).")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer requests.")
def up(host: str | None, port: int | None, workers: int) -> None:
    """Start Cairn, with the servers it needs, until Ctrl-C."""
    from .serve import serving, supervise

    chosen = settings(host=host, port=port)
    logging.basicConfig(level=chosen.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("neo4j").setLevel(logging.ERROR)

    async def one() -> None:
        async with AsyncExitStack() as stack:
            with shown(err) as report:
                running = await stack.enter_async_context(serving(chosen, report))
            _ready(running.url, running.cairn.first_key)
            await running.ended.wait()

    async def several() -> None:
        with shown(err) as report:
            await supervise(chosen, workers, _ready, report)

    run(several if workers > 1 else one)


def _ready(url: str, first_key: str | None) -> None:
    if first_key is not None:
        tell_first_key(first_key, err=False)
    click.echo(f"Cairn is ready: {url}/graphql")


@main.command()
def prepare() -> None:
    """Fetch what the embedded servers need and make their start quicker, once a machine; `up` does the first part by itself."""
    from ..graph.servers import prepare as prepare_servers

    async def go() -> None:
        with shown(err) as report:
            await prepare_servers(settings(), report)

    run(go)
    click.echo("ready: the embedded servers can start without a network")


@main.command()
@click.option("--once", is_flag=True, help="End when the path was played, also at a terminal.")
def demo(once: bool) -> None:
    """Play an agent's whole path on real servers with real data, and print each step."""
    from .demo import play
    from .serve import serving

    stay = not once and sys.stdin.isatty() and sys.stdout.isatty()
    chosen = settings()

    async def go() -> None:
        async with AsyncExitStack() as stack:
            if running_url(chosen.data_dir) is None:
                with shown(err) as report:
                    running = await stack.enter_async_context(serving(chosen.model_copy(update={"port": _free(chosen)}), report))
            else:
                running = None
            if running is not None and running.cairn.first_key is not None:
                tell_first_key(running.cairn.first_key)
            await play(await stack.enter_async_context(open_client(chosen)), out)
            if stay and running is not None:
                out.print("Cairn stays up until Ctrl-C.")
                await running.ended.wait()

    run(go)


def _free(chosen: Settings) -> int:
    """The settings' port, or 0 (any) when it is taken."""
    from .serve import bind

    try:
        bind(chosen).close()
    except CairnError:
        return 0
    return chosen.port


@main.command("import")
@click.argument("source")
@click.option("--graph", help="IRI of the named graph; the file's own name when left out.")
@click.option("--format", "format_", help="nt, nq, ttl, trig, rdfxml, jsonld; found out when left out.")
def import_(source: str, graph: str | None, format_: str | None) -> None:
    """Import RDF from a file, a URL, or - for standard input."""
    from .importing import import_source

    done = with_client(lambda client: import_source(client, settings(), source, graph, format_, err))
    names_graphs = not {"nq", "trig", "jsonld"}.isdisjoint((format_, *source.rsplit(".", 2)[1:]))
    where = f"{done['graph']} and the graphs that the document names" if names_graphs else done["graph"]
    click.echo(f"{done['triplesRead']} triples read, {done['triplesAdded']} added, {done['triplesRemoved']} removed in {where}")


@main.command()
@click.option("--graph", help="IRI of one named graph; all that you may read when left out.")
@click.option("--format", "format_", default="nq", show_default=True, type=click.Choice(["nq", "nt", "ttl", "trig", "jsonld", "rdfxml"]))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output when left out.")
def export(graph: str | None, format_: str, output: Path | None) -> None:
    """Export named graphs as RDF."""
    from .importing import download_to

    wanted = {"format": format_, **({"graph": graph} if graph is not None else {})}
    with_client(lambda client: download_to(client, "/export", wanted, output))


@main.command()
@click.argument("graphql")
@click.option("--variables", default="{}", help="JSON object of variables.")
def query(graphql: str, variables: str) -> None:
    """Run a GraphQL operation and print what comes back."""
    try:
        values = json.loads(variables)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--variables") from error
    if not isinstance(values, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--variables")
    answer = with_client(lambda client: client.execute(graphql, values))  # pyright: ignore[reportUnknownArgumentType]
    show({"data": answer.data, **({"errors": answer.errors} if answer.errors else {})})
    sys.exit(1 if answer.errors else 0)


@main.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from ..schema import sdl

    click.echo(sdl(), nl=False)


@main.command()
@click.option("--dry-run", is_flag=True, help="Look, and change nothing.")
@click.option("--job", "jobs", multiple=True, help="One job, such as expiry; may be repeated. Those that are switched on when left out.")
def consolidate(dry_run: bool, jobs: tuple[str, ...]) -> None:
    """Keep memories in order: link duplicates, derive knowledge, and so on. Exit code 1 when a job failed."""
    from ..graph.consolidations import Job
    from .consolidating import consolidate_tenant

    wanted = [job.upper() for job in jobs] or None
    for job in wanted or ():
        if job not in Job.__members__:
            raise click.BadParameter(f"there is no job {job.lower()!r}; there are {', '.join(Job.__members__).lower()}", param_hint="--job")
    sys.exit(0 if with_client(lambda client: consolidate_tenant(client, wanted, dry_run, out)) else 1)


@main.group()
def policy() -> None:
    """Look at and change the rules of access."""


@policy.command("check")
@click.argument("principal")
@click.argument("object")
@click.argument("action", type=click.Choice(ACTIONS))
def policy_check(principal: str, object: str, action: str) -> None:
    """Whether PRINCIPAL may do ACTION to OBJECT, and the rule that decides. Exit code 0 for yes, 1 for no, 2 for no such action."""
    values = {"subject": principal, "object": object, "action": action}
    decision = with_client(lambda client: client.demand(operation("permitted"), values))["permitted"]
    click.echo(f"{'allowed' if decision['allowed'] else 'denied'}: {decision['rule'] or 'no rule matches, so no'}")
    sys.exit(0 if decision["allowed"] else 1)


@policy.command("list")
def policy_list() -> None:
    """Every rule: subject, object, action, effect."""

    async def pages(client: Client) -> None:
        after = None
        while True:
            rules = (await client.demand(operation("list_rules"), {"first": 100, "after": after}))["rules"]
            for rule in rules["nodes"]:
                click.echo(f"{rule['subject']:<20} {rule['object']:<40} {rule['action']:<8} {rule['effect'].lower()}")
            if not rules["pageInfo"]["hasNextPage"]:
                return
            after = rules["pageInfo"]["endCursor"]

    with_client(pages)


def _rule_arguments(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--deny", is_flag=True, help="A rule that denies; a denial overrides every permission.")(command)
    for name in ("action", "object", "subject"):
        command = click.argument(name)(command)
    return command


def _edit_rule(name: str, field: str, subject: str, object: str, action: str, deny: bool) -> None:
    rule = {"subject": subject, "object": object, "action": action, "effect": "DENY" if deny else "ALLOW"}
    changed = with_client(lambda client: client.demand(operation(name), {"input": rule}))[field]
    click.echo(f"{'done' if changed['changed'] else 'nothing to do'}; the policy is at version {changed['version']}")


@policy.command("add")
@_rule_arguments
def policy_add(subject: str, object: str, action: str, deny: bool) -> None:
    """Add a rule."""
    _edit_rule("add_rule", "addRule", subject, object, action, deny)


@policy.command("remove")
@_rule_arguments
def policy_remove(subject: str, object: str, action: str, deny: bool) -> None:
    """Remove a rule."""
    _edit_rule("remove_rule", "removeRule", subject, object, action, deny)


_PASSPHRASE = click.option(
    "--passphrase-file", type=click.Path(dir_okay=False, path_type=Path), help="A file with the passphrase, instead of the master key."
)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_PASSPHRASE
def backup(file: Path, passphrase_file: Path | None) -> None:
    """Back up the whole database, all tenants, into FILE.

    FILE is encrypted, by the master key or by a passphrase, unless CAIRN_ENCRYPTION is off. The keys in the data directory (master.key,
    ledger.key, operator.key) are not in it: keep copies of master.key and ledger.key elsewhere, for without the master key nothing that
    is encrypted can ever be read again, with a passphrase either. Nothing may change meanwhile, so stop `cairn up` before.
    """
    from .backing_up import back_up_to

    counts = with_progress(lambda report: back_up_to(settings(), file, report, passphrase_file))
    click.echo(f"{counts.nodes} nodes and {counts.relationships} relationships are in {file}")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_PASSPHRASE
@click.option("--verify", "check", is_flag=True, help="Then verify every tenant's ledger, and the graph against it.")
def restore(file: Path, passphrase_file: Path | None, check: bool) -> None:
    """Restore FILE, which `cairn backup` made, into an empty database. Exit code 1, and why, when it can't be done or does not hold."""
    from .backing_up import restore_from

    done = with_progress(lambda report: restore_from(settings(), file, report, passphrase_file, check=check))
    for line in done.behind:
        err.print(line, highlight=False, markup=False)
    counts = f"{done.counts.nodes} nodes and {done.counts.relationships} relationships are restored"
    click.echo(counts if check else f"{counts}; `cairn verify` checks them")
    for tenant, verdict in done.ledgers:
        problem = verdict.problem
        outcome = (
            f"holds: {verdict.size} entries, root {verdict.root}" if problem is None else f"does not hold: {problem.where}: {problem.what}"
        )
        click.echo(f"{tenant} {outcome}", err=problem is not None)
    sys.exit(0 if all(verdict.holds for _, verdict in done.ledgers) else 1)


@main.command()
def doctor() -> None:
    """Look at what Cairn needs and say what is missing and what to do."""
    from .doctor import examine

    sys.exit(run(lambda: examine(settings(), out)))


for command in (key, encryption, verify, ledger, witness):
    main.add_command(command)
