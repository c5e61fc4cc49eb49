"""Where results go: what cannot be written is told apart from a defect of the command."""

from __future__ import annotations

import io
import os
import signal
from typing import Any, NoReturn, TextIO


class OutputFailed(Exception):
    """Standard output takes nothing more; the message says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the output cannot be written: {error.strerror or error}")
        self.reader_is_gone = isinstance(error, BrokenPipeError)


class Output:
    """Standard output whose failures are `OutputFailed`, and no OSError of anything else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise OutputFailed(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputFailed(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def writable(stream: TextIO | None) -> TextIO:
    """A stream that takes whatever is printed: what its encoding lacks is a question mark, and
    one that was closed (`>&-`) swallows all, before something else is opened in its place."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


def end_as_a_pipe() -> NoReturn:
    """End as any program does whose reader has gone: by SIGPIPE, without a word."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    raise AssertionError("SIGPIPE ends the process")
