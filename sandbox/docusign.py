"""A stand-in for DocuSign: its JWT grant, envelopes, their documents, limits, messages of Connect.

Held to DocuSign's own client (tests/unit/test_docusign.py). It is a model of what we use, no more:
nobody is mailed, and who signs is said by `complete`, `decline` and `void`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]
Clock = Callable[[], datetime]

ACCOUNT = "5f1c6a0e-0000-4000-8000-000000000001"
USER = "5f1c6a0e-0000-4000-8000-0000000000aa"
INTEGRATION_KEY = "5f1c6a0e-0000-4000-8000-0000000000ff"
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPES = {"signature", "impersonation"}
_TOKEN_SECONDS = 3600
_HOUR = timedelta(hours=1)
_MOST_A_PAGE = 1_000
_ENDED = {
    "completed": "completedDateTime",
    "declined": "declinedDateTime",
    "voided": "voidedDateTime",
}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS envelope (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, changed TEXT, status TEXT, body TEXT
);
CREATE TABLE IF NOT EXISTS field (name TEXT PRIMARY KEY);
"""


class DocuSignError(Exception):
    """An error as DocuSign answers it."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"errorCode": code, "message": message}
        self.headers = dict(headers or {})


class DocuSignStore:
    """One account and its user. Thread-safe.

    `path` is an SQLite file, made if need be, or ":memory:". `has_consent`: the user has agreed
    that the app acts for it. `calls_left` is what is left of the hour's calls; None: no limit.
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        public_key: str = "",
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.public_key = public_key
        self.has_consent = True
        self.calls_left: int | None = None
        self.polled: list[str] = []
        """Ids of the envelopes that were read one by one."""
        self.now = now
        self._tokens: dict[str, datetime] = {}
        self._lock = RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        with self._lock:
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # --- what people do ---------------------------------------------------------------------------

    def send(
        self,
        deal: str = "",
        *,
        signers: Sequence[tuple[str, str]] = (("Ada Client", "ada@client.example"),),
        subject: str = "Please sign",
    ) -> str:
        """Send an envelope for signature; its id. `deal` is what its field `c2c_deal` says."""
        fields = [{"name": "c2c_deal", "value": deal}] if deal else []
        people = [{"name": name, "email": email} for name, email in signers]
        return self.create(
            {
                "status": "sent",
                "emailSubject": subject,
                "customFields": {"textCustomFields": fields},
                "recipients": {"signers": people},
            }
        )

    def complete(self, envelope_id: str) -> None:
        """Everybody signs."""
        self._end(envelope_id, "completed", lambda signer: {"signedDateTime": self._moment()})

    def decline(self, envelope_id: str, reason: str) -> None:
        """A signer declines."""
        self._end(envelope_id, "declined", lambda signer: {"declinedReason": reason})

    def void(self, envelope_id: str, reason: str) -> None:
        """The sender voids it."""
        self._end(envelope_id, "voided", lambda signer: {}, voidedReason=reason)

    def end(self, envelope_id: str, how: str, reason: str = "") -> None:
        """Let it end as `completed`, `declined` or `voided`; "": it stays on its way."""
        ends: dict[str, Callable[[], None]] = {
            "": lambda: None,
            "completed": lambda: self.complete(envelope_id),
            "declined": lambda: self.decline(envelope_id, reason),
            "voided": lambda: self.void(envelope_id, reason),
        }
        if how not in ends:
            raise ValueError(f"an envelope ends as one of {', '.join(filter(None, ends))}")
        ends[how]()

    def delete(self, envelope_id: str) -> None:
        """Somebody deletes it: the API knows it no more."""
        with self._lock:
            self._db.execute("DELETE FROM envelope WHERE id = ?", [envelope_id])

    def damage(self, envelope_id: str) -> None:
        """From now on it is shown with times that are none."""
        with self._lock:
            body = self.envelope(envelope_id)
            times = {name: "no time" for name in body if name.endswith("DateTime")}
            self._db.execute(
                "UPDATE envelope SET body = ? WHERE id = ?",
                [json.dumps({**body, **times}), envelope_id],
            )

    def define_field(self, name: str) -> None:
        """Define a custom field of envelopes."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO field VALUES (?)", [name])

    def fields(self) -> list[str]:
        with self._lock:
            return [name for (name,) in self._db.execute("SELECT name FROM field ORDER BY name")]

    def create(self, definition: Json) -> str:
        """Make an envelope of the definition that the API takes; its id."""
        envelope_id, at = str(uuid.uuid4()), self._moment()
        status = definition.get("status") or "created"
        signers = (definition.get("recipients") or {}).get("signers") or []
        fields = (definition.get("customFields") or {}).get("textCustomFields") or []
        body = {
            "envelopeId": envelope_id,
            "status": status,
            "emailSubject": definition.get("emailSubject", ""),
            "createdDateTime": at,
            "sentDateTime": at,
            "statusChangedDateTime": at,
            "lastModifiedDateTime": at,
            "customFields": {
                "textCustomFields": [
                    {"fieldId": str(place), "show": "true", "required": "false", **item}
                    for place, item in enumerate(fields, start=1)
                ],
                "listCustomFields": [],
            },
            "recipients": {
                "signers": [
                    {"recipientId": str(place), "status": "sent", **item}
                    for place, item in enumerate(signers, start=1)
                ],
                "recipientCount": str(len(signers)),
            },
        }
        with self._lock:
            self._db.execute(
                "INSERT INTO envelope (id, changed, status, body) VALUES (?, ?, ?, ?)",
                [envelope_id, at, status, json.dumps(body)],
            )
        return envelope_id

    def _end(
        self, envelope_id: str, status: str, signed: Callable[[Json], Json], **more: str
    ) -> None:
        with self._lock:
            body, at = self.envelope(envelope_id), self._moment()
            if body["status"] in _ENDED:
                raise DocuSignError(
                    400, "ENVELOPE_INVALID_STATUS", f"The envelope is {body['status']}."
                )
            changed = {"statusChangedDateTime": at, "lastModifiedDateTime": at, _ENDED[status]: at}
            people = body["recipients"]["signers"]
            for signer in people:
                signer.update(signed(signer), status=status)
            body = {**body, **changed, **more, "status": status}
            self._db.execute(
                "UPDATE envelope SET changed = ?, status = ?, body = ? WHERE id = ?",
                [at, status, json.dumps(body), envelope_id],
            )

    # --- what the API reads -----------------------------------------------------------------------

    def envelope(self, envelope_id: str) -> Json:
        with self._lock:
            query = "SELECT body FROM envelope WHERE id = ?"
            row = self._db.execute(query, [envelope_id]).fetchone()
        if row is None:
            text = "The envelope you specified does not exist."
            raise DocuSignError(404, "ENVELOPE_DOES_NOT_EXIST", text)
        found: Json = json.loads(row[0])
        return found

    def changed(self, since: str, statuses: Sequence[str]) -> list[Json]:
        """Envelopes whose status changed since, the oldest change first."""
        with self._lock:
            query = "SELECT body FROM envelope WHERE changed >= ? ORDER BY changed, number"
            found = [json.loads(body) for (body,) in self._db.execute(query, [since])]
        return [item for item in found if not statuses or item["status"] in statuses]

    def document(self, envelope_id: str) -> bytes:
        """What was signed, with a certificate that is made anew for each download."""
        body = self.envelope(envelope_id)
        names = ", ".join(item.get("name", "") for item in body["recipients"]["signers"])
        return pdf(
            body["emailSubject"],
            f"Envelope {envelope_id}: {body['status']}",
            f"Signed by {names}",
            f"Certificate of completion, printed {self._moment()} {secrets.token_hex(4)}",
        )

    # --- Connect ----------------------------------------------------------------------------------

    def message(self, envelope_id: str, event: str = "") -> bytes:
        """What Connect posts about an envelope as it is now, in the form called SIM."""
        body = self.envelope(envelope_id)
        return json.dumps(
            {
                "event": event or f"envelope-{body['status']}",
                "apiVersion": "v2.1",
                "uri": f"/restapi/v2.1/accounts/{ACCOUNT}/envelopes/{envelope_id}",
                "retryCount": 0,
                "configurationId": 1,
                "generatedDateTime": self._moment(),
                "data": {
                    "accountId": ACCOUNT,
                    "userId": USER,
                    "envelopeId": envelope_id,
                    "envelopeSummary": body,
                },
            }
        ).encode()

    # --- signing in -------------------------------------------------------------------------------

    def grant(self, assertion: str, audience: str) -> Json:
        """A token for a signed assertion. Raises DocuSignError, in OAuth's words."""
        try:
            token = jwt.decode(assertion, RSAKey.import_key(self.public_key), algorithms=["RS256"])
            claims = token.claims
            now = datetime.now(UTC).timestamp()
            is_right = (
                claims["iss"] == INTEGRATION_KEY
                and claims["aud"] == audience
                and claims["iat"] - 60 <= now < claims["exp"] <= now + 6_000
                and set(str(claims["scope"]).split()) >= _SCOPES
            )
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise DocuSignError(400, "invalid_grant", "no_valid_keys_or_signatures") from error
        if not is_right:
            raise DocuSignError(400, "invalid_grant", "issuer_not_found")
        if claims.get("sub") != USER:
            raise DocuSignError(400, "invalid_grant", "user_not_found")
        if not self.has_consent:
            raise DocuSignError(400, "consent_required", "")
        granted = secrets.token_urlsafe(48)
        with self._lock:
            self._tokens[granted] = datetime.now(UTC) + timedelta(seconds=_TOKEN_SECONDS)
        return {"access_token": granted, "token_type": "Bearer", "expires_in": _TOKEN_SECONDS}

    def expire_tokens(self) -> None:
        """Let every token be refused from now on."""
        with self._lock:
            self._tokens.clear()

    def check(self, authorization: str) -> None:
        """Raises DocuSignError for a call without a good token."""
        token = authorization.removeprefix("Bearer ")
        with self._lock:
            until = self._tokens.get(token)
        if until is None or until <= datetime.now(UTC):
            text = "The access token provided is expired, revoked or malformed."
            raise DocuSignError(401, "AUTHORIZATION_INVALID_TOKEN", text)

    def count(self) -> None:
        """Raises DocuSignError for a call beyond the hour's limit."""
        with self._lock:
            if self.calls_left is None:
                return
            if self.calls_left <= 0:
                reset = str(int((datetime.now(UTC) + _HOUR).timestamp()))
                text = "The maximum number of hourly API invocations has been exceeded."
                raise DocuSignError(
                    400, "HOURLY_APIINVOCATION_LIMIT_EXCEEDED", text, {"X-RateLimit-Reset": reset}
                )
            self.calls_left -= 1

    def _moment(self) -> str:
        """The time as DocuSign writes it, with seven digits behind the seconds."""
        return self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def new_key() -> str:
    """A private key for the app, in PEM."""
    return RSAKey.generate_key(2048, private=True).as_pem(private=True).decode()


def public_of(private_key: str) -> str:
    """The public key of a private one, which DocuSign keeps."""
    return RSAKey.import_key(private_key).as_pem(private=False).decode()


def signed(body: bytes, *keys: str) -> dict[str, str]:
    """The headers that Connect signs a message with, by each of its keys."""
    digests = (hmac.digest(key.encode(), body, hashlib.sha256) for key in keys)
    return {
        "Content-Type": "application/json",
        **{
            f"X-DocuSign-Signature-{place}": base64.b64encode(digest).decode()
            for place, digest in enumerate(digests, start=1)
        },
    }


def pdf(*lines: str) -> bytes:
    """A PDF of one page with these lines."""
    shown = [line.replace("\\", "").replace("(", "").replace(")", "") for line in lines]
    text = " ".join(f"({line}) Tj 0 -16 Td" for line in shown)
    stream = f"BT /F1 11 Tf 50 780 Td {text} ET".encode("latin-1", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, item in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


# --- HTTP -----------------------------------------------------------------------------------------

_Answer = Callable[[DocuSignStore, Request], Awaitable[Response]]


def docusign_app(store: DocuSignStore) -> Starlette:
    """The account server and the API, on one address."""
    account = "/restapi/v2.1/accounts/{account}"
    envelope = f"{account}/envelopes/{{envelope}}"

    def route(path: str, method: str, answer: _Answer, *, is_api: bool = True) -> Route:
        async def answered(request: Request) -> Response:
            try:
                if is_api:
                    store.check(request.headers.get("authorization", ""))
                    store.count()
                    if request.path_params["account"] != ACCOUNT:
                        raise DocuSignError(401, "USER_DOES_NOT_BELONG_TO_SPECIFIED_ACCOUNT", "")
                return await answer(store, request)
            except DocuSignError as error:
                return JSONResponse(error.body, error.status, error.headers)

        return Route(path, answered, methods=[method])

    return Starlette(
        routes=[
            route("/oauth/token", "POST", _token, is_api=False),
            route("/oauth/userinfo", "GET", _userinfo, is_api=False),
            route(f"{account}/envelopes", "GET", _list),
            route(f"{account}/envelopes", "POST", _create),
            route(envelope, "GET", _read),
            route(envelope, "PUT", _update),
            route(f"{envelope}/documents/combined", "GET", _document),
            route(f"{account}/custom_fields", "GET", _fields),
            route(f"{account}/custom_fields", "POST", _create_field),
        ]
    )


async def _token(store: DocuSignStore, request: Request) -> Response:
    form = await request.form()
    try:
        if form.get("grant_type") != _JWT:
            raise DocuSignError(400, "unsupported_grant_type", "")
        audience = request.headers.get("host", "")
        return JSONResponse(store.grant(str(form.get("assertion", "")), audience))
    except DocuSignError as error:
        words = {"error": error.body["errorCode"]}
        if error.body["message"]:
            words["error_description"] = error.body["message"]
        return JSONResponse(words, error.status)


async def _userinfo(store: DocuSignStore, request: Request) -> Response:
    store.check(request.headers.get("authorization", ""))
    url = urlsplit(str(request.url))
    root = url.path.removesuffix("/oauth/userinfo")
    return JSONResponse(
        {
            "sub": USER,
            "name": "c2c",
            "email": "c2c@northwind.example",
            "accounts": [
                {
                    "account_id": ACCOUNT,
                    "is_default": True,
                    "account_name": "Northwind",
                    "base_uri": f"{url.scheme}://{url.netloc}{root}",
                }
            ],
        }
    )


async def _read(store: DocuSignStore, request: Request) -> Response:
    envelope_id = request.path_params["envelope"]
    found = store.envelope(envelope_id)
    store.polled.append(envelope_id)
    return JSONResponse(_included(found, request))


async def _list(store: DocuSignStore, request: Request) -> Response:
    query = request.query_params
    if "from_date" not in query:
        text = "The request contained at least one invalid parameter. from_date is required."
        raise DocuSignError(400, "INVALID_REQUEST_PARAMETER", text)
    since = datetime.fromisoformat(query["from_date"]).astimezone(UTC)
    statuses = [item.lower() for item in query.get("status", "").split(",") if item]
    found = store.changed(since.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"), statuses)
    start, count = int(query.get("start_position", "0")), int(query.get("count", "100"))
    page = found[start : start + min(count, _MOST_A_PAGE)]
    end = start + len(page)
    answer: Json = {
        "resultSetSize": str(len(page)),
        "totalSetSize": str(len(found)),
        "startPosition": str(start),
        "endPosition": str(max(end - 1, 0)),
        "nextUri": f"/accounts/{ACCOUNT}/envelopes?start_position={end}"
        if end < len(found)
        else "",
        "previousUri": "",
    }
    if page:
        answer["envelopes"] = [_included(item, request) for item in page]
    return JSONResponse(answer)


def _included(envelope: Json, request: Request) -> Json:
    """An envelope with those of its parts that were asked for."""
    wanted = request.query_params.get("include", "").split(",")
    left_out = {"custom_fields": "customFields", "recipients": "recipients"}
    gone = {name for part, name in left_out.items() if part not in wanted}
    return {name: value for name, value in envelope.items() if name not in gone}


async def _create(store: DocuSignStore, request: Request) -> Response:
    envelope_id = store.create(await request.json())
    body = store.envelope(envelope_id)
    return JSONResponse(
        {
            "envelopeId": envelope_id,
            "uri": f"/envelopes/{envelope_id}",
            "statusDateTime": body["statusChangedDateTime"],
            "status": body["status"],
        },
        201,
    )


async def _update(store: DocuSignStore, request: Request) -> Response:
    envelope_id, change = request.path_params["envelope"], await request.json()
    if change.get("status") != "voided":
        raise DocuSignError(400, "INVALID_REQUEST_PARAMETER", "Only voiding is known here.")
    store.void(envelope_id, change.get("voidedReason") or "")
    return JSONResponse({"envelopeId": envelope_id})


async def _document(store: DocuSignStore, request: Request) -> Response:
    content = store.document(request.path_params["envelope"])
    return Response(content, media_type="application/pdf")


async def _fields(store: DocuSignStore, request: Request) -> Response:
    fields = [
        {"fieldId": str(place), "name": name, "required": "false", "show": "true"}
        for place, name in enumerate(store.fields(), start=1)
    ]
    return JSONResponse({"textCustomFields": fields, "listCustomFields": []})


async def _create_field(store: DocuSignStore, request: Request) -> Response:
    body = await request.json()
    store.define_field(str(body["name"]))
    return JSONResponse({"textCustomFields": [{"fieldId": "1", "name": body["name"]}]}, 201)
