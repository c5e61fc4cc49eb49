"""The very last thing a process of ours does."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import NoReturn


def end(code: int) -> NoReturn:
    """Write out what is buffered and end the process at once, from whatever thread.

    A process that hosted workers may crash in the interpreter's own shutdown (sdk-python#300), so
    nothing of that runs.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read it may be gone
            stream.flush()
    os._exit(code)
