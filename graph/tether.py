"""Becomes another program, after tying itself to the process that started it. Run as a script, never imported.

    python tether.py PARENT PIDFILE PROGRAM ARGUMENT...

On Linux the kernel then sends SIGTERM to the program when its parent dies, however that dies. Everywhere the program's number is
in PIDFILE before it runs, so that the next start finds one that outlived its parent. Files it makes are its owner's alone.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: str, pid_file: str, *program: str) -> None:
    """Replaces this process. Exits with 1 when the parent is gone already."""
    os.umask(0o077)
    with open(pid_file, "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the process that starts this one has ended")
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
