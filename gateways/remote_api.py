"""What the APIs of vendors have in common: a turn, an answer, and the meaning of a refusal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import (
    MAX_RETRY_AFTER,
    BodyTooLarge,
    date_of,
    expected_object,
    json_object,
    retry_after,
    unanswered,
)
from gateways.throttle import Throttle

_SHOWN_CHARACTERS = 500


class Refusal(NamedTuple):
    """An answer that is no success: its body, empty where that is no JSON object, and in `message`
    what it says, with its status."""

    response: httpx.Response
    body: JsonObject
    message: str

    @property
    def status(self) -> int:
        return self.response.status_code


class RemoteApi(ABC):
    """One account of a vendor behind one pooled client (of `gateways.http.pooled_client`);
    thread-safe. A subclass knows paths and answers, who it is to the vendor, and which refusals
    mean something else there than everywhere.

    `name` is what people call the vendor; `limit_retry` is how long to wait where a refusal for a
    limit does not say.
    """

    name: ClassVar[str]
    limit_retry: ClassVar[timedelta]

    def __init__(self, http: httpx.Client, *, system: str, calls_per_second: float) -> None:
        self._http = http
        self._system = system
        self._throttle = Throttle(calls_per_second, system=system)

    def close(self) -> None:
        self._http.close()

    def answered(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer of a call that succeeds. Raises GatewayError for any other."""
        response = self.sent(method, path, **more)
        if response.is_success:
            return response
        refusal = self._meaning(response)
        self._throttle.heed(refusal)
        raise refusal

    def sent(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        oversize: GatewayError | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Whatever answer comes. `oversize` is what one of too many bytes means; left out, it is
        unexpected."""
        self._throttle.wait()
        every = {"Accept": "application/json", **self.credentials(), **(headers or {})}
        try:
            return self._http.request(method, path, headers=every, **more)
        except httpx.HTTPError as error:
            known = oversize if isinstance(error, BodyTooLarge) else None
            raise known or unanswered(error, self._system, self.name) from None

    def object_of(self, response: httpx.Response) -> JsonObject:
        """The answer's JSON object."""
        return expected_object(response, self.unexpected)

    def unexpected(self, text: str) -> GatewayError:
        """An answer that nobody understands."""
        return errors.defect(self._system, "unexpected_answer", f"{self.name}: {text}")

    def for_people(self, code: str, refusal: Refusal, **more: Any) -> GatewayError:
        """What a person has to correct."""
        return errors.business(self._system, code, refusal.message, **more)

    def passing(self, refusal: Refusal, otherwise: timedelta | None = None) -> GatewayError:
        """What passes by itself, after the wait it asks for, else `otherwise`."""
        wait = retry_after(refusal.response) or otherwise
        return errors.transient(self._system, "unavailable", refusal.message, wait)

    # --- what a vendor says -----------------------------------------------------------------------

    @abstractmethod
    def credentials(self) -> Mapping[str, str]:
        """The headers by which the vendor knows the account."""

    @abstractmethod
    def stated(self, body: JsonObject) -> tuple[object, object]:
        """The code and the words of a refusal, as far as its body has them."""

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        """What a refusal means to this vendor alone; None for what it means everywhere."""
        return None

    def limited_for(self, refusal: Refusal) -> timedelta:
        """How long a limit lasts that refused a call."""
        return retry_after(refusal.response) or self.limit_retry

    # --- what refusals mean -----------------------------------------------------------------------

    def _meaning(self, response: httpx.Response) -> GatewayError:
        body, status = json_object(response) or {}, response.status_code
        code, text = self.stated(body)
        shown = str(text or response.reason_phrase)[:_SHOWN_CHARACTERS]
        message = f"{code or ''}: {shown} (HTTP {status})".removeprefix(": ")
        refusal = Refusal(response, body, message)
        return self.own_meaning(refusal) or self._usual_meaning(refusal)

    def _usual_meaning(self, refusal: Refusal) -> GatewayError:
        status, message = refusal.status, refusal.message
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(self._system, "credentials_refused", message)
        if status == httpx.codes.FORBIDDEN:
            return self.for_people("access_denied", refusal)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return self.limited(refusal)
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            return self.passing(refusal)
        return self.unexpected(message)

    def limited(self, refusal: Refusal) -> GatewayError:
        """A limit of the vendor's."""
        wait = self.limited_for(refusal)
        return errors.transient(self._system, "rate_limited", refusal.message, wait)


def wait_until(moment: datetime, response: httpx.Response) -> timedelta:
    """How long it is until a moment by the vendor's own clock: at least a second, at most
    MAX_RETRY_AFTER."""
    now = date_of(response) or datetime.now(UTC)
    return min(max(moment - now, timedelta(seconds=1)), MAX_RETRY_AFTER)


def epoch_header(response: httpx.Response, name: str) -> datetime | None:
    """The moment that a header says in seconds since 1970; None where it says none."""
    text = response.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        return None
    return datetime.fromtimestamp(int(text), UTC)
