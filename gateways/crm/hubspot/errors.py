"""HubSpot's refusals as errors of the gateway: the only place that gives an answer its kind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import json_object, retry_after

SHOWN_CHARACTERS = 500

_LOCKED_RETRY = timedelta(seconds=2)  # HubSpot asks for at least two seconds after a 423
_POLICY_RETRIES = {"SECONDLY": timedelta(seconds=1), "DAILY": timedelta(hours=1)}
_LIMIT_RETRY = timedelta(seconds=10)
"""By the limit that refused a call; most are counted in ten seconds."""

_UNKNOWN_PROPERTY = "PROPERTY_DOESNT_EXIST"
_PROPERTY_NAME = re.compile(r'"name"\s*:\s*"([^"]+)"|[Rr]equired property "?\'?(\w+)')
_NAMES_PROPERTIES = ("propertyName", "propertyNames", "properties", "requiredProperties")


class Refusals:
    """What answers of one HubSpot account mean; `system` is the name it is configured under."""

    def __init__(self, system: str) -> None:
        self._system = system

    def of_answer(self, response: httpx.Response) -> GatewayError:
        """An answer that is no success."""
        body = json_object(response) or {}
        status, system = response.status_code, self._system
        message = f"{_message(body, response)} (HTTP {status})"
        if status == 401:
            return errors.credentials(system, "credentials_refused", message)
        if status == 403:
            scopes = ", ".join(_context(body, "requiredGranularScopes", "requiredScopes"))
            return errors.business(system, "access_denied", message, field="scopes", value=scopes)
        if status == 404:
            return errors.business(system, "not_found", message)
        if status == 409:
            return errors.business(system, "already_exists", message)
        if status == 429:
            return errors.transient(system, "rate_limited", message, _limit_retry(response, body))
        if status == 423:
            locked = retry_after(response) or _LOCKED_RETRY
            return errors.transient(system, "locked", message, locked)
        if status >= 500 or status in (408, 477):  # 477: the account is moving between regions
            # HubSpot answers 502 to 504 and Cloudflare 520 to 524 for work that may have finished.
            wait = retry_after(response)
            return errors.transient(system, "unavailable", message, wait, maybe_done=True)
        if status == 400:
            return self._of_values(body, message)
        return self.unexpected(f"{message} {body.get('category', '')}".strip())

    def of_records(
        self, answer: JsonObject, written: Sequence[JsonObject], ids: Sequence[str]
    ) -> dict[str, GatewayError]:
        """Why each record of a batch is refused that is not among those written."""
        # A deal that was merged into another one answers by that one's id.
        names = ("id", "objectWriteTraceId")
        done = {str(record.get(name)) for record in written for name in names}
        named: dict[str, JsonObject] = {}
        unnamed: list[JsonObject] = []
        for item in answer.get("errors") or []:
            about = _context(item, "ids", "id", "objectWriteTraceId")
            named |= dict.fromkeys(about, item)
            unnamed += [] if about else [item]
        refused = [record_id for record_id in ids if record_id not in done]
        if any(record_id not in named for record_id in refused) and not unnamed:
            raise self.unexpected("an answer to a batch that lacks some of its records")
        return {item: self._of_record(named.get(item) or unnamed[0]) for item in refused}

    def raise_for_others(self, answer: JsonObject, expected: Callable[[JsonObject], bool]) -> None:
        """Raise for errors inside a 207 beyond the expected ones: half an answer is no answer."""
        for error in answer.get("errors") or []:
            if not expected(error):
                text = json.dumps(error, sort_keys=True)[:SHOWN_CHARACTERS]
                raise errors.business(self._system, "crm_refused", text)

    def unexpected(self, message: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", message)

    def _of_record(self, item: JsonObject) -> GatewayError:
        """An error inside a batch's answer, by its category: no record has a status of its own."""
        category, system = str(item.get("category", "")), self._system
        message = f"{str(item.get('message') or category)[:SHOWN_CHARACTERS]} ({category})"
        if category == "OBJECT_NOT_FOUND":
            return errors.business(system, "not_found", message)
        if category in ("RATE_LIMITS", "RATE_LIMIT"):
            return errors.transient(system, "rate_limited", message, _LIMIT_RETRY)
        if category in ("INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"):
            return errors.transient(system, "unavailable", message, maybe_done=True)
        return self._of_values(item, message)

    def _of_values(self, body: JsonObject, message: str) -> GatewayError:
        """Values are refused, or a property is missing that a rule of the account requires."""
        names = _properties_at_fault(body)
        is_unknown = _UNKNOWN_PROPERTY in json.dumps(body)
        return errors.business(
            self._system,
            "crm_property_unknown" if is_unknown else "crm_refused",
            message,
            field=names[0] if names else "",
            value=", ".join(names),
        )


def _limit_retry(response: httpx.Response, body: JsonObject) -> timedelta:
    stated = retry_after(response)
    if stated is not None:
        return stated
    return _POLICY_RETRIES.get(str(body.get("policyName", "")), _LIMIT_RETRY)


def _message(body: JsonObject, response: httpx.Response) -> str:
    text = str(body.get("message") or response.text or response.reason_phrase)
    correlation = body.get("correlationId")
    shown = text[:SHOWN_CHARACTERS]
    # The correlation id is what HubSpot's support asks for first.
    return f"{shown} [correlation id {correlation}]" if correlation else shown


def _details(body: JsonObject) -> list[JsonObject]:
    return [body, *(item for item in body.get("errors") or [] if isinstance(item, dict))]


def _context(body: JsonObject, *names: str) -> list[str]:
    """The values HubSpot gives under those names in the `context` of the error's details."""
    values: list[str] = []
    for detail in _details(body):
        stated = detail.get("context")
        context = stated if isinstance(stated, dict) else {}
        for name in names:
            found = context.get(name) or []
            values += map(str, found if isinstance(found, list) else [found])
    return list(dict.fromkeys(values))


def _properties_at_fault(body: JsonObject) -> list[str]:
    """The properties a 400 complains of: in the context of newer answers, inside the text of
    older ones ('Property values were not valid: [{... "name":"c2c_stage" ...}]')."""
    if named := _context(body, *_NAMES_PROPERTIES):
        return named
    found = [_PROPERTY_NAME.findall(str(item.get("message", ""))) for item in _details(body)]
    return list(dict.fromkeys(first or second for pairs in found for first, second in pairs))
