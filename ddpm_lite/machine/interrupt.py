"""Ctrl-C while the package is being imported, which takes a second: one line and exit code 2, as at any later moment.

This module is imported first, and has an effect only under `python -m ddpm_lite`; `main` restores the usual handler.
"""

import os
import signal
import sys
import threading


def _end(number: int, frame: object) -> None:
    os.write(2, b"ddpm_lite: Interrupted.\n")
    os._exit(2)  # nothing has begun yet


def usual() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


at_start = sys.argv[:1] == ["-m"] and "ddpm_lite" in sys.orig_argv and threading.current_thread() is threading.main_thread()
if at_start and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
