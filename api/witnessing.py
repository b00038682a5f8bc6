"""Serving a witness: its folder, its key, its socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from ..errors import BadInput, Unavailable
from ..graph.data_dir import held
from ..graph.signing import open_signer, read_key
from ..settings import Settings
from .serve import QuietServer, address, bind
from .witness import Witness, create_witness

KEY = "witness.key"


async def stand_witness(folder: Path, name: str, logs: Sequence[str], host: str, port: int, told: Callable[[str], object]) -> None:
    """Serve until a signal. `told` hears the witness's public key and where it listens.

    Raises BadInput for a name or key that is none, Unavailable when the folder is in use or the port taken.
    """
    place = Settings(host=host, port=port)
    with held(folder):
        signer = open_signer(folder / KEY)
        key = signer.witness_key(name)
        try:
            read_key(key)
        except BadInput:
            raise BadInput(f"a witness can't be named {name!r}: spaces and + are not allowed") from None
        app = create_witness(Witness(folder, name, signer, logs))
        listening = bind(place)
        try:
            config = uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=5
            )
            told(f"witness key {key}")
            told(f"listening at {address(listening, place)}")
            await QuietServer(config).serve([listening])
        except OSError as error:
            raise Unavailable(f"the witness can't listen: {error.strerror}") from error
        finally:
            listening.close()
