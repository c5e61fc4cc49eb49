"""What a line of a log is like: as text or as JSON, whole or without what failures say.

A remote's words, and values that it refused, name customers. Where payloads are encrypted, whoever
reads a log may not know the keys. An error is then shown by its kind, its code and where it was
raised. What it says is in Temporal, for those who may read it.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

from opentelemetry import trace
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from contracts.identifiers import contract_scope
from gateways.errors import GatewayError

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MAX_CAUSES = 10
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class JsonLines(logging.Formatter):
    """A line as one JSON object: when (UTC), how grave, by whom, what; the workflow, activity and
    contract it is about, and the id of the trace, where there are such. `words` says how a record
    is put into words."""

    def __init__(self, words: logging.Formatter) -> None:
        super().__init__()
        self._words = words

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record, self._words),
            **_work(),
            **_trace(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self._words.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


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


def formatter(*, redacts: bool, as_json: bool) -> logging.Formatter:
    """What a process formats its log with."""
    words = Redacting(FORMAT) if redacts else logging.Formatter(FORMAT)
    return JsonLines(words) if as_json else words


def _message(record: logging.LogRecord, words: logging.Formatter) -> str:
    shown = words.cleaned(record) if isinstance(words, Redacting) else record
    return shown.getMessage()


def _work() -> dict[str, str | int]:
    """What this thread or workflow is at. Loggers of gateways know nothing of Temporal."""
    if activity.in_activity():
        info = activity.info()
        if info.workflow_id is None:
            return {"activity": info.activity_type}
        return {
            **_workflow(info.workflow_id, info.workflow_run_id or ""),
            "activity": info.activity_type,
            "attempt": info.attempt,
        }
    if workflow.in_workflow():
        return _workflow(workflow.info().workflow_id, workflow.info().run_id)
    return {}


def _workflow(workflow_id: str, run_id: str) -> dict[str, str | int]:
    contract = contract_scope(workflow_id)
    return {
        "workflow_id": workflow_id,
        "run_id": run_id,
        **({"contract_id": contract.rpartition("/")[2]} if contract else {}),
    }


def _trace() -> dict[str, str]:
    context = trace.get_current_span().get_span_context()
    return {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}


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
