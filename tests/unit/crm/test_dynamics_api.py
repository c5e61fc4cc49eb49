"""Calls to Dataverse and Entra: tokens, limits, pages, batches, and what each refusal means."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateways.crm.dynamics import api as api_module
from gateways.crm.dynamics import batch
from gateways.crm.dynamics.api import DynamicsApi
from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.dynamics.entra import EntraToken
from gateways.errors import FailureKind, GatewayError
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.tokens import RENEWED_BEFORE_SECONDS
from tests.standins.dynamics import CLIENT_ID, SECRET, TENANT, TOKEN_SECONDS, Failure, Organisation
from tests.unit.crm.asking import SINCE, refusal, status
from tests.unit.crm.dynamics import (
    connect,
    deal,
)

URL = "https://contoso.example"
TRANSIENT, BUSINESS = FailureKind.TRANSIENT, FailureKind.BUSINESS
CREDENTIALS, DEFECT = FailureKind.CREDENTIALS, FailureKind.DEFECT

Handler = Callable[[httpx.Request], httpx.Response]


def token_of(
    answer: Handler | None = None, *, url: str = URL, secret: str = SECRET, **more: Any
) -> EntraToken:
    given = {"access_token": "eyJ.a", "expires_in": TOKEN_SECONDS}
    transport = httpx.MockTransport(answer or (lambda request: httpx.Response(200, json=given)))
    http = pooled_client(url, transport=transport)
    options = {"scope": f"{URL}/.default", "system": "dynamics", **more}
    return EntraToken(http, TENANT, CLIENT_ID, Secret.of(secret), **options)


def api_of(answer: Handler) -> DynamicsApi:
    http = pooled_client(URL, transport=httpx.MockTransport(answer))
    return DynamicsApi(http, token_of(), system="dynamics", calls_per_second=10_000)


def always(status_code: int, body: Any = None, **headers: str) -> Handler:
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return lambda request: httpx.Response(status_code, content=content, headers=headers)


def said(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


# Tokens


def test_threads_share_one_token(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    keys = [organisation.add_deal() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(dynamics.is_due, keys))
    assert organisation.tokens_given == 1


def test_a_token_that_is_not_accepted_is_replaced_once(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = organisation.add_deal()
    assert dynamics.is_due(key)
    organisation.expire_tokens()

    assert dynamics.write_statuses([status(key)]) == [None]

    assert organisation.tokens_given == 2
    assert organisation.billing(key)


def test_threads_whose_token_expires_together_fetch_one(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    keys = [organisation.add_deal() for _ in range(8)]
    dynamics.is_due(keys[0])
    organisation.expire_tokens()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(dynamics.is_due, keys))
    assert organisation.tokens_given == 2


def test_a_new_token_that_is_not_accepted_either_ends_it() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return httpx.Response(401)

    error = refusal(lambda: api_of(answer).get("WhoAmI", {}))
    assert (error.kind, error.code) == (CREDENTIALS, "credentials_refused")
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("lasts", "renewed_after"),
    [(3_600, 3_600 - RENEWED_BEFORE_SECONDS), ("400", 200)],
)
def test_a_token_is_renewed_before_it_ends(lasts: int | str, renewed_after: int) -> None:
    now, given = [1_000.0], iter("ab")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"access_token": next(given), "expires_in": lasts})

    token = token_of(answer, clock=lambda: now[0])
    assert token.bearer() == "Bearer a"
    now[0] += renewed_after - 1
    assert token.bearer() == "Bearer a"
    now[0] += 1
    assert token.bearer() == "Bearer b"


def test_the_form_is_what_entra_asks_for() -> None:
    forms: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        forms.append(request)
        return httpx.Response(200, json={"access_token": "a", "expires_in": 60})

    token_of(answer, secret="a+b &=~").bearer()
    [request] = forms
    assert request.url.path == f"/{TENANT}/oauth2/v2.0/token"
    assert dict(httpx.QueryParams(request.content.decode())) == {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": "a+b &=~",
        "scope": f"{URL}/.default",
    }


def test_a_rotated_secret_takes_effect_with_the_next_token(
    organisation: Organisation, dynamics_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("expired")
    crm = connect(dynamics_url, secret=Secret.file(file))
    key = organisation.add_deal()

    error = refusal(lambda: crm.is_due(key))
    assert (error.kind, error.code) == (CREDENTIALS, "credentials_refused")
    assert "AADSTS7000215" in error.message
    assert "Trace ID" not in error.message
    file.write_text(f"{SECRET}\n")
    assert crm.is_due(key)
    crm.close()


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (always(400, {"error": "unauthorized_client"}), CREDENTIALS, "credentials_refused"),
        (always(401, b"<html>"), CREDENTIALS, "credentials_refused"),
        (always(429, **{"Retry-After": "9"}), TRANSIENT, "rate_limited"),
        (always(503), TRANSIENT, "unavailable"),
        (always(302, Location="https://elsewhere.example"), DEFECT, "unexpected_answer"),
        (always(200, b"<html>"), DEFECT, "unexpected_answer"),
        (always(200, {"access_token": "a"}), DEFECT, "unexpected_answer"),
        (always(200, {"access_token": "a", "expires_in": "soon"}), DEFECT, "unexpected_answer"),
        (always(200, {"access_token": "a\nb", "expires_in": 60}), DEFECT, "unexpected_answer"),
        (always(200, {"access_token": 7, "expires_in": 60}), DEFECT, "unexpected_answer"),
    ],
)
def test_what_entra_answers_instead_of_a_token(
    answer: Handler, kind: FailureKind, code: str
) -> None:
    error = refusal(token_of(answer).bearer)
    assert (error.kind, error.code, error.system) == (kind, code, "dynamics")
    assert not error.maybe_done


def test_an_entra_that_is_not_there_is_waited_for() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    error = refusal(token_of(answer).bearer)
    assert (error.kind, error.code) == (TRANSIENT, "unreachable")


def test_no_error_and_no_repr_tells_the_secret(dynamics_url: str) -> None:
    crm = connect(dynamics_url, secret=Secret.of("wr0ng-s3cret"))
    error = refusal(lambda: crm.won_deals(SINCE))
    crm.close()
    assert "wr0ng-s3cret" not in f"{error!r} {error.message} {vars(crm)!r} {vars(crm._api)!r}"


# Refusals


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            always(403, said("0x80040220", "missing prvReadQuote privilege (Id=1) on OTC=1084")),
            (BUSINESS, "access_denied", "privilege", "prvReadQuote"),
        ),
        (
            always(403, said("0x80072560", "The user is not a member of the organization.")),
            (BUSINESS, "access_denied", "privilege", ""),
        ),
        (always(404, said("0x80040217", "Does Not Exist")), (BUSINESS, "not_found", "", "")),
        (
            always(400, said("0x80060888", "Could not find a property named 'c2c_x' on type 'y'.")),
            (BUSINESS, "crm_refused", "c2c_x", ""),
        ),
        (
            always(400, said("0x80044331", "The length of the 'c2c_burn' attribute of the 'c'")),
            (BUSINESS, "crm_refused", "", ""),
        ),
        (always(413), (BUSINESS, "crm_refused", "", "")),
        (always(412, said("0x80040237", "exists")), (TRANSIENT, "conflict", "", "")),
        (always(429), (TRANSIENT, "rate_limited", "", "")),
        (always(408), (TRANSIENT, "unavailable", "", "")),
        (always(500, said("0x80040216", "Unexpected")), (TRANSIENT, "unavailable", "", "")),
        (always(502, b"<html>Bad Gateway</html>"), (TRANSIENT, "unavailable", "", "")),
        (always(302), (DEFECT, "unexpected_answer", "", "")),
        (always(418), (DEFECT, "unexpected_answer", "", "")),
        (always(200, b"<html>"), (DEFECT, "unexpected_answer", "", "")),
        (always(200, b"[1]"), (DEFECT, "unexpected_answer", "", "")),
        (always(200, b"[" * 100_000), (DEFECT, "unexpected_answer", "", "")),
    ],
)
def test_each_answer_has_its_kind(answer: Handler, expected: tuple[Any, ...]) -> None:
    error = refusal(lambda: api_of(answer).get("opportunities(1)", {}))
    assert (error.kind, error.code, error.field, error.value) == expected
    assert error.maybe_done is (error.code == "unavailable")
    assert error.system == "dynamics"


def test_a_refusal_tells_dataverse_s_own_code_and_words() -> None:
    answer = always(400, said("0x80048d19", "It is wrong. " * 100))
    error = refusal(lambda: api_of(answer).get("opportunities(1)", {}))
    assert error.message.startswith("It is wrong.")
    assert "[0x80048d19] (HTTP 400)" in error.message
    assert len(error.message) < 600


@pytest.mark.parametrize(
    "answer",
    [always(200), always(200, {"value": {}}), always(200, {"value": [1]})],
)
def test_a_list_without_rows_is_no_empty_list(answer: Handler) -> None:
    error = refusal(lambda: api_of(answer).rows("quotes", {}))
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")


def test_an_answer_beyond_all_measure_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_ANSWER_BYTES", 10)
    error = refusal(lambda: api_of(always(200, {"value": ["x" * 10]})).rows("quotes", {}))
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/data/v9.2/quotes?$skiptoken=1",
        f"{URL}/api/data/v9.2/accounts?$skiptoken=1",
        "quotes",
    ],
)
def test_a_next_page_elsewhere_is_not_asked(link: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    error = refusal(lambda: api_of(answer).rows("quotes", {}))
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")
    assert asked == ["contoso.example"]


def test_a_next_page_is_asked_as_its_link_says() -> None:
    token = "%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%22%20/%3E"
    link = f"{URL}/api/data/v9.2/quotes?$select=name&$skiptoken={token}"
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        more = {} if len(asked) > 1 else {"@odata.nextLink": link}
        return httpx.Response(200, json={"value": [], **more})

    api_of(answer).rows("quotes", {"$select": "name"})

    assert asked[1] == link.removeprefix(URL)


def test_a_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_PAGES", 3)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["Prefer"])
        link = f"{URL}/api/data/v9.2/quotes?$skiptoken={len(asked)}"
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    error = refusal(lambda: api_of(answer).rows("quotes", {}))
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")
    assert asked == ["odata.maxpagesize=500"] * 3


def test_a_query_has_no_plus_and_no_bare_blank() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"value": []})

    api_of(answer).rows("quotes", {"$filter": "name eq 'A+B & C#%'"})

    assert asked == ["/api/data/v9.2/quotes?$filter=name%20eq%20'A%2BB%20%26%20C%23%25'"]


# Limits and lost answers


def test_a_wait_that_dataverse_asks_for_holds_everybody_back() -> None:
    api = api_of(always(429, said("0x80072322", "6000"), **{"Retry-After": "45"}))

    first = refusal(lambda: api.get("WhoAmI", {}))
    second = refusal(lambda: api.get("WhoAmI", {}))

    assert (first.code, first.retry_after) == ("rate_limited", timedelta(seconds=45))
    assert (second.kind, second.code) == (TRANSIENT, "throttled")


def test_a_wait_is_kept_with_the_error(organisation: Organisation, dynamics: DynamicsCrm) -> None:
    organisation.fail_next(Failure.RATE_LIMITED)
    error = refusal(lambda: dynamics.won_deals(SINCE))
    assert (error.code, error.retry_after) == ("rate_limited", timedelta(seconds=7))


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (Failure.UNAVAILABLE, TRANSIENT, "unavailable"),
        (Failure.FORBIDDEN, BUSINESS, "access_denied"),
        (Failure.NOT_JSON, DEFECT, "unexpected_answer"),
        (Failure.NO_ROWS, DEFECT, "unexpected_answer"),
        (Failure.HALF, TRANSIENT, "no_answer"),
    ],
)
def test_a_failed_call_leaves_the_next_one_alone(
    organisation: Organisation,
    dynamics: DynamicsCrm,
    failure: Failure,
    kind: FailureKind,
    code: str,
) -> None:
    key = organisation.add_deal()
    organisation.fail_next(failure)
    error = refusal(lambda: dynamics.won_deals(SINCE))
    assert (error.kind, error.code) == (kind, code)
    assert [item.deal_id for item in dynamics.won_deals(SINCE).deals] == [key]


def test_an_answer_lost_after_the_effect_may_be_repeated(
    organisation: Organisation, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation)
    organisation.fail_next(Failure.HALF)

    error = refusal(lambda: dynamics.write_statuses([status(key)]))

    assert (error.kind, error.code, error.maybe_done) == (TRANSIENT, "no_answer", True)
    assert organisation.billing(key)
    assert dynamics.write_statuses([status(key)]) == [None]
    assert len(organisation.tables.rows["c2c_billing"]) == 1


# Batches

ANSWERS = (
    b"--batchresponse_1\r\nContent-Type: application/http\r\n"
    b"Content-Transfer-Encoding: binary\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n\r\n"
    b"--batchresponse_1\r\nContent-Type: application/http\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\nREQ_ID: 7\r\n\r\n"
    b'{"error":{"code":"0x1","message":"gone"}}\r\n'
    b"--batchresponse_1--\r\n"
)
TYPE = "multipart/mixed; boundary=batchresponse_1"


@pytest.mark.parametrize("content", [ANSWERS, ANSWERS.replace(b"\r\n", b"\n"), b"\r\n" + ANSWERS])
@pytest.mark.parametrize("kind", [TYPE, 'multipart/mixed;boundary="batchresponse_1"'])
def test_a_batch_s_answers_are_read_in_order(content: bytes, kind: str) -> None:
    first, second = batch.answers(kind, content, 2)
    assert first == batch.Answer(204, "")
    assert second == batch.Answer(404, '{"error":{"code":"0x1","message":"gone"}}')


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (TYPE, ANSWERS[:-25]),
        (TYPE, ANSWERS[:60]),
        (TYPE, b""),
        (TYPE, ANSWERS.replace(b"HTTP/1.1 204", b"")),
        ("application/json", ANSWERS),
        ("multipart/mixed", ANSWERS),
        ("", ANSWERS),
    ],
)
def test_a_batch_s_answer_that_is_none_is_told(kind: str, content: bytes) -> None:
    with pytest.raises(batch.MalformedBatch):
        batch.answers(kind, content, 2)


def test_a_batch_that_reads_holds_no_body() -> None:
    parts = [batch.Part("GET", "/a?$select=x%20y", headers=("Accept: application/json",))]
    lines = batch.encoded([*parts, batch.Part("PATCH", "/b", {"c": None})], "x").split(b"\r\n")
    assert lines == [
        b"--x",
        b"Content-Type: application/http",
        b"Content-Transfer-Encoding: binary",
        b"",
        b"GET /a?$select=x%20y HTTP/1.1",
        b"Accept: application/json",
        b"",
        b"",
        b"--x",
        b"Content-Type: application/http",
        b"Content-Transfer-Encoding: binary",
        b"",
        b"PATCH /b HTTP/1.1",
        b"Content-Type: application/json; type=entry",
        b"",
        b'{"c": null}',
        b"--x--",
        b"",
    ]


def test_a_part_that_is_no_object_spoils_no_other() -> None:
    content = ANSWERS.replace(b"204 No Content", b"200 OK")
    api = api_of(
        lambda request: httpx.Response(200, content=content, headers={"Content-Type": TYPE})
    )
    first, second = api.gets([("a", {}), ("b", {})])
    assert isinstance(first, GatewayError)
    assert isinstance(second, GatewayError)
    assert (first.code, second.code) == ("unexpected_answer", "not_found")


def test_a_batch_of_another_length_is_no_answer() -> None:
    with pytest.raises(batch.MalformedBatch, match="of 3 was answered with 2"):
        batch.answers(TYPE, ANSWERS, 3)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"opportunityid": "x"},
        {"opportunityid": "x", "modifiedon": None},
        {"opportunityid": "x", "modifiedon": "yesterday"},
        {"opportunityid": 7, "modifiedon": "2026-01-10T00:00:00Z"},
    ],
)
def test_a_deal_without_its_id_or_time_is_told(row: dict[str, Any]) -> None:
    crm = DynamicsCrm(api_of(always(200, {"value": [row]})), closed_since=date(2026, 1, 1))
    error = refusal(lambda: crm.won_deals(SINCE))
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")


def test_a_deal_without_its_state_is_not_taken_for_one_that_is_not_won() -> None:
    crm = DynamicsCrm(api_of(always(200, {"name": "x"})), closed_since=date(2026, 1, 1))
    error = refusal(lambda: crm.is_due("6de09109-dcc6-4961-b8af-31049b1e099a"))
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")


@pytest.mark.parametrize("empty", ["Relationship", "WhoAmI", "RetrieveUserPrivileges"])
def test_a_check_of_the_setup_takes_no_empty_answer_for_all_is_well(
    organisation: Organisation, dynamics_url: str, empty: str
) -> None:
    class Emptied(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if empty in str(request.url):
                return httpx.Response(200, json={})
            return super().handle_request(request)

    http = pooled_client(dynamics_url, transport=Emptied())
    token = EntraToken(
        pooled_client(dynamics_url),
        TENANT,
        CLIENT_ID,
        Secret.of(SECRET),
        scope=f"{dynamics_url}/.default",
        system="dynamics",
    )
    api = DynamicsApi(http, token, system="dynamics", calls_per_second=10_000)
    crm = DynamicsCrm(api, closed_since=date(2026, 1, 1))
    error = refusal(crm.missing_setup)
    crm.close()
    assert (error.kind, error.code) == (DEFECT, "unexpected_answer")
