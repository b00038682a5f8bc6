"""`python -m cairn` and the `cairn` command."""

from __future__ import annotations

from .api.commands import main

if __name__ == "__main__":
    main()
