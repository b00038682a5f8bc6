"""What every command needs: the settings, an event loop, a client, and plain words when something is wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio
import click
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from ..errors import CairnError
from ..graph.progress import Report, shown
from ..settings import Settings
from .client import Client, open_client

T = TypeVar("T")
out = Console()
err = Console(stderr=True)
_EXAMPLES = {"CAIRN_OIDC": '[{"name": ...}]', "CAIRN_WITNESSES": '[{"url": ..., "key": ...}]'}


def settings(**overrides: Any) -> Settings:
    """The settings from the environment, with what the command line says. Exits with 2 and plain words when one is wrong."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors():
            setting, *inside = (str(part) for part in problem["loc"])
            name = " ".join((f"CAIRN_{setting.upper()}", *inside))
            err.print(f"{name}: {problem['msg']}", highlight=False, markup=False)
        sys.exit(2)
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = f"CAIRN_{field[1].upper()}" if field else "a setting"
        example = _EXAMPLES.get(name, '["/data", "/srv/rdf"]')
        err.print(f"{name} must be a JSON list, such as {example}", highlight=False, markup=False)
        sys.exit(2)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work`; an error on purpose ends the process with 1 and its message, Ctrl-C with 130."""
    try:
        return anyio.run(work, backend_options={"use_uvloop": sys.platform != "win32"})
    except CairnError as error:
        err.print(error.message, highlight=False, markup=False, style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def with_client(work: Callable[[Client], Awaitable[T]]) -> T:
    """Run `work` with a client for this data directory's Cairn."""

    async def go() -> T:
        with shown(err) as report:
            async with open_client(settings(), report, tell_first_key) as client:
                return await work(client)

    return run(go)


def with_progress(work: Callable[[Report], Coroutine[Any, Any, T]]) -> T:
    """Run `work` with its progress shown."""

    async def go() -> T:
        with shown(err) as report:
            return await work(report)

    return run(go)


def show(value: Any) -> None:
    """Print JSON: coloured at a terminal, plain otherwise."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    out.print_json(text) if out.is_terminal else click.echo(text)


def tell_first_key(key: str, *, err: bool = True) -> None:
    """On the error output unless told otherwise, so that what a command answers stays what it is."""
    click.echo(f"The first administrator's API key, shown only now: {key}", err=err)
