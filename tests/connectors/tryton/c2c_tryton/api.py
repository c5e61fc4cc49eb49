"""Tryton's JSON-RPC: sessions, calls, and the one mapping of errors."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import date_of, json_object, retry_after, unanswered
from gateways.secrets import Secret
from gateways.throttle import Throttle

CALLS_PER_SECOND = 20.0
_SHOWN_CHARACTERS = 300
_LOCKED = "database is locked"


class TrytonApi:
    """One database as one user, behind one pooled client; thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        database: str,
        user: str,
        password: Secret,
        *,
        system: str,
        company: int,
    ) -> None:
        self._http, self._path = http, f"/{database}/rpc/"
        self._user, self._password = user, password
        self._system = system
        self._context = {"company": company}
        self._throttle = Throttle(CALLS_PER_SECOND, system=system)
        self._lock = threading.Lock()
        self._session = ""
        self.as_of: datetime | None = None
        """Tryton's clock, by its last answer."""

    def close(self) -> None:
        self._http.close()

    def search(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        limit: int,
        order: Sequence[Any] = (("id", "ASC"),),
    ) -> list[JsonObject]:
        """Records that match, with these fields."""
        found = self._call(model, "search_read", domain, 0, limit, order, fields)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise self._unexpected(f"records that are none: {str(found)[:_SHOWN_CHARACTERS]}")
        return found

    def create(self, model: str, rows: Sequence[JsonObject]) -> None:
        """Create records: all of them, or none."""
        created = self._call(model, "create", rows)
        if not isinstance(created, list) or len(created) != len(rows):
            raise self._unexpected(f"created {created!r} instead of {len(rows)} records")

    def delete(self, model: str, ids: Sequence[int]) -> None:
        """Delete records: all of them, or none."""
        self._call(model, "delete", list(ids))

    def _call(self, model: str, method: str, *params: Any) -> Any:
        """A method's result. A session that has ended is replaced once."""
        session = self._signed_in()
        response = self._sent(f"model.{model}.{method}", [*params, self._context], session)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            session = self._signed_in(refused=session)
            response = self._sent(f"model.{model}.{method}", [*params, self._context], session)
        return self._result(response)

    def _signed_in(self, refused: str = "") -> str:
        with self._lock:
            if not self._session or self._session == refused:
                self._session = ""
                password = {"password": self._password.reveal()}
                params = [self._user, password, "en"]
                found = self._result(self._sent("common.db.login", params))
                if not isinstance(found, list) or len(found) < 2:
                    raise self._unexpected("an answer to signing in without a session")
                pair = f"{self._user}:{found[0]}:{found[1]}"
                self._session = f"Session {base64.b64encode(pair.encode()).decode()}"
            return self._session

    def _sent(self, method: str, params: Sequence[Any], session: str = "") -> httpx.Response:
        self._throttle.wait()
        headers = {"Authorization": session} if session else {}
        body = {"id": 1, "method": method, "params": params}
        try:
            response = self._http.post(self._path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Tryton") from None
        self.as_of = date_of(response) or self.as_of
        return response

    def _result(self, response: httpx.Response) -> Any:
        if not response.is_success:
            raise self._refusal(response)
        answer = json_object(response)
        if answer is None or ("result" not in answer and "error" not in answer):
            shown = response.text[:_SHOWN_CHARACTERS]
            raise self._unexpected(f"an answer that is none of Tryton's: {shown}")
        if "error" in answer:
            raise self._stated(answer["error"])
        return _plain(answer["result"])

    def _refusal(self, response: httpx.Response) -> GatewayError:
        status, wait = response.status_code, retry_after(response)
        text = f"{response.reason_phrase} (HTTP {status})"
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(self._system, "credentials_refused", text)
        if status == httpx.codes.FORBIDDEN:
            return errors.business(self._system, "access_denied", text)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return errors.transient(self._system, "rate_limited", text, wait)
        if status >= 500:
            return errors.transient(self._system, "unavailable", text, wait, maybe_done=True)
        return self._unexpected(text)

    def _stated(self, error: Any) -> GatewayError:
        """An error within an answer: its class and texts, or its text alone."""
        told = json.dumps(error, ensure_ascii=False)[:_SHOWN_CHARACTERS]
        if _LOCKED in told or "ConcurrencyException" in told:
            return errors.transient(self._system, "locked", told)
        if isinstance(error, list) and error and error[0] in ("UserError", "UserWarning"):
            return errors.business(self._system, "crm_refused", told)
        return self._unexpected(told)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Tryton: {text}")


def moment(value: datetime) -> JsonObject:
    """A time as Tryton's JSON has it: in UTC, without a zone."""
    at = value.astimezone(UTC)
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}


def day(value: date) -> JsonObject:
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


def _plain(value: Any) -> Any:
    """Dates, times, decimals and spans (in seconds) of Tryton's JSON as text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("__class__")
    if kind == "Decimal":
        return str(value["decimal"])
    if kind == "timedelta":
        return str(value["seconds"])
    if kind == "date":
        return date(value["year"], value["month"], value["day"]).isoformat()
    if kind == "datetime":
        parts = {name: number for name, number in value.items() if name != "__class__"}
        return datetime(**parts, tzinfo=UTC).isoformat()
    return {key: _plain(item) for key, item in value.items()}
