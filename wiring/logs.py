"""Logs without what failures say: a remote's words, and values that it refused, name customers.

Where payloads are encrypted, whoever reads a log may not know the keys. An error is then shown by
its kind, its code and where it was raised. What it says is in Temporal, for those who may read it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType

from temporalio.exceptions import ApplicationError

from gateways.errors import GatewayError

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MAX_CAUSES = 10
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Redacting(logging.Formatter):
    """Leaves out what errors say, in tracebacks and in messages that an error is put into."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(self.cleaned(record))

    def cleaned(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record with kinds in the place of errors, and nothing kept from another formatter."""
        shown = logging.makeLogRecord({**vars(record), "exc_text": None})
        if isinstance(record.args, tuple):
            shown.args = tuple(map(_argument, record.args))
        return shown

    def formatException(self, ei: _ExcInfo) -> str:
        return redacted(ei[1]) if ei[1] is not None else ""


def redacted(error: BaseException) -> str:
    """The traceback of an error and its causes, without a word of what they say."""
    return "\ncaused by ".join(_one(item) for item in _chain(error))


def kind_of(error: BaseException) -> str:
    """What an error is, without what it says."""
    if isinstance(error, GatewayError):
        return f"{type(error).__name__} ({error.system}, {error.code})"
    if isinstance(error, ApplicationError) and error.type:
        return f"{type(error).__name__} ({error.type})"
    return type(error).__name__


def _one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = [f'  File "{item.filename}", line {item.lineno}, in {item.name}' for item in frames]
    return "\n".join([kind_of(error), *places])


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if following is None:
            return
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


def _argument(value: object) -> object:
    return kind_of(value) if isinstance(value, BaseException) else value
