"""Salesforce's API: signing in, each answer's kind, limits, half answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from gateways.crm.salesforce.api import MAX_BATCH, SalesforceApi
from gateways.crm.salesforce.crm import SalesforceCrm
from gateways.crm.salesforce.login import ClientCredentials, JwtBearer
from gateways.errors import FailureKind, GatewayError
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.throttle import Throttle
from sandbox.salesforce import ExternalClientApp
from tests.unit.crm.asking import SINCE, all_won, refusal, status
from tests.unit.crm.salesforce.connected import (
    MISSING,
    PRIVATE_PEM,
    SYSTEM,
    Connected,
    crm_at,
    deal,
)

LIVE = "https://firm.my.salesforce.com"
TOKEN_PATH = "/services/oauth2/token"
QUERY_PATH = "/services/data/v67.0/query"
JWT: dict[str, Any] = {
    "private_key": PRIVATE_PEM,
    "user": "c2c@firm.example",
    "consumer_secret": None,
}


# Signing in


def test_the_app_signs_in_by_its_key_in_the_name_of_a_user(sf: Connected) -> None:
    crm = sf.crm(**JWT)
    deal_id = deal(sf.org)
    assert [item.deal_id for item in all_won(crm)] == [deal_id]
    crm.close()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"user": "somebody@firm.example"}, "user hasn't approved this consumer"),
        ({"consumer_key": "3MVG9.other"}, "client identifier invalid"),
        ({"audience": "https://test.salesforce.com"}, "audience is invalid"),
        (
            {"private_key": RSAKey.generate_key(2048).as_pem(private=True).decode()},
            "invalid assertion",
        ),
    ],
    ids=["user", "app", "audience", "key"],
)
def test_what_salesforce_does_not_let_in_is_for_a_person(
    sf: Connected, changes: dict[str, Any], why: str
) -> None:
    crm = sf.crm(**{**JWT, **changes})
    error = refusal(lambda: crm.won_deals(SINCE))
    crm.close()
    assert (error.kind, error.code, error.system) == (
        FailureKind.CREDENTIALS,
        "credentials_refused",
        SYSTEM,
    )
    assert why in error.message
    assert error.message.startswith("invalid_")


def test_a_wrong_consumer_secret_is_for_a_person(sf: Connected, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("wrong")
    crm = sf.crm(consumer_secret=None, consumer_secret_file=file)
    error = refusal(lambda: crm.won_deals(SINCE))
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, "credentials_refused")
    assert "wrong" not in str(error)

    file.write_text("secret\n")
    assert crm.won_deals(SINCE), "a rotated secret takes effect at once"
    crm.close()


@pytest.mark.parametrize("key", ["no key at all", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END"])
def test_a_key_that_is_none_is_not_shown(sf: Connected, key: str) -> None:
    crm = sf.crm(**{**JWT, "private_key": key})
    error = refusal(lambda: crm.won_deals(SINCE))
    crm.close()
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, "secret_unreadable")
    assert "AAAA" not in str(error)
    assert "no key at all" not in str(error)
    assert error.__cause__ is None


def test_an_ended_session_is_replaced_once_and_the_call_made_again(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    deal_id = deal(sf.org)
    all_won(sf_crm)
    sf.client.expire_tokens()
    assert [item.deal_id for item in all_won(sf_crm)] == [deal_id]
    assert sf.client.sign_ins == 2

    sf.org.fail_next("expired", times=2)
    error = refusal(lambda: sf_crm.won_deals(SINCE))
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, "credentials_refused")
    assert "INVALID_SESSION_ID" in error.message
    assert sf_crm.won_deals(SINCE)


def test_threads_whose_session_ends_together_sign_in_once(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    sf_crm.won_deals(SINCE)
    sf.client.expire_tokens()
    together = threading.Barrier(6)

    def read(_: int) -> bool:
        together.wait()
        return bool(sf_crm.won_deals(SINCE))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read, range(6)))
    assert sf.client.sign_ins == 2


@pytest.mark.parametrize(
    ("status_code", "body", "kind", "code"),
    [
        (400, {"error": "invalid_grant"}, FailureKind.CREDENTIALS, "credentials_refused"),
        (401, {"error": "invalid_client"}, FailureKind.CREDENTIALS, "credentials_refused"),
        (
            400,
            {"error": "unknown_error", "error_description": "retry your request"},
            FailureKind.TRANSIENT,
            "unavailable",
        ),
        (503, None, FailureKind.TRANSIENT, "unavailable"),
        (429, {"error": "slow_down"}, FailureKind.TRANSIENT, "rate_limited"),
        (404, None, FailureKind.DEFECT, "unexpected_answer"),
        (200, {"token_type": "Bearer"}, FailureKind.DEFECT, "unexpected_answer"),
        (200, {"access_token": "two\nlines"}, FailureKind.DEFECT, "unexpected_answer"),
        (200, None, FailureKind.DEFECT, "unexpected_answer"),
    ],
)
def test_each_answer_to_signing_in_has_its_kind(
    status_code: int, body: Any, kind: FailureKind, code: str
) -> None:
    with respx.mock(base_url=LIVE) as mocked:
        reply = (
            httpx.Response(status_code, text="<p>page</p>")
            if body is None
            else httpx.Response(status_code, json=body)
        )
        mocked.post(TOKEN_PATH).mock(return_value=reply)
        error = refusal(lambda: crm_at(LIVE).won_deals(SINCE))
    assert (error.kind, error.code) == (kind, code)
    assert not error.maybe_done


def test_signing_in_that_gets_no_answer_is_tried_again_by_the_next_call() -> None:
    crm = crm_at(LIVE)
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post(TOKEN_PATH).mock(
            side_effect=[httpx.ConnectError("no route"), httpx.Response(200, json=TOKEN)]
        )
        mocked.get(QUERY_PATH).respond(200, json=EMPTY)
        assert refusal(lambda: crm.won_deals(SINCE)).code == "unreachable"
        assert crm.won_deals(SINCE).deals == []


TOKEN = {"access_token": "00D!x", "instance_url": LIVE}
EMPTY = {"totalSize": 0, "done": True, "records": []}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"consumer_secret": None}, "either private_key_file or consumer_secret_file"),
        ({"private_key_file": "/k", "consumer_secret_file": "/s"}, "either private_key_file"),
        ({"user": "c2c@firm.example"}, "user goes with private_key_file"),
        ({**JWT, "user": ""}, "user goes with private_key_file"),
        ({"api_version": "67"}, "api_version"),
        ({"audience": "https://evil.example"}, "audience"),
        ({"consumer_key": ""}, "consumer_key"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        crm_at(LIVE, **settings)


def test_no_key_or_secret_is_shown() -> None:
    for grant in (
        JwtBearer("k", "u", "https://login.salesforce.com", Secret.of(PRIVATE_PEM), system=SYSTEM),
        ClientCredentials("k", Secret.of("very-secret")),
    ):
        assert "very-secret" not in repr(grant)
        assert "PRIVATE" not in repr(vars(grant))
    with pytest.raises(ValueError, match="clear text"):
        crm_at("http://firm.my.salesforce.com")


# Answers


def live(
    route: Callable[[respx.MockRouter], object], call: Callable[[SalesforceCrm], object]
) -> Any:
    """What a call to a live address gives, its answer being made by `route`."""
    with respx.mock(base_url=LIVE, assert_all_called=False) as mocked:
        mocked.post(TOKEN_PATH).respond(200, json=TOKEN)
        route(mocked)
        crm = crm_at(LIVE)
        try:
            return call(crm)
        finally:
            crm.close()


def answered(
    status_code: int, body: Any = None, headers: dict[str, str] | None = None
) -> GatewayError:
    """The error of one answer to a query."""
    reply = httpx.Response(status_code, json=body, headers=headers)
    return refusal(
        lambda: live(
            lambda mocked: mocked.get(QUERY_PATH).mock(return_value=reply),
            lambda crm: crm.won_deals(SINCE),
        )
    )


def failed(raised: Exception) -> GatewayError:
    return refusal(
        lambda: live(
            lambda mocked: mocked.get(QUERY_PATH).mock(side_effect=raised),
            lambda crm: crm.won_deals(SINCE),
        )
    )


@pytest.mark.parametrize(
    ("status_code", "code", "kind", "ours"),
    [
        (400, "INVALID_FIELD", FailureKind.BUSINESS, "crm_refused"),
        (400, "INVALID_TYPE", FailureKind.BUSINESS, "crm_refused"),
        (400, "SOMETHING_NEW", FailureKind.BUSINESS, "crm_refused"),
        (400, "MALFORMED_QUERY", FailureKind.DEFECT, "unexpected_answer"),
        (400, "QUERY_TIMEOUT", FailureKind.TRANSIENT, "unavailable"),
        (400, "INVALID_QUERY_LOCATOR", FailureKind.TRANSIENT, "unavailable"),
        (400, "UNABLE_TO_LOCK_ROW", FailureKind.TRANSIENT, "locked"),
        (401, "INVALID_AUTH_HEADER", FailureKind.CREDENTIALS, "credentials_refused"),
        (403, "API_DISABLED_FOR_ORG", FailureKind.BUSINESS, "access_denied"),
        (403, "REQUEST_LIMIT_EXCEEDED", FailureKind.TRANSIENT, "rate_limited"),
        (404, "NOT_FOUND", FailureKind.BUSINESS, "crm_version_gone"),
        (405, "METHOD_NOT_ALLOWED", FailureKind.DEFECT, "unexpected_answer"),
        (410, "GONE", FailureKind.BUSINESS, "crm_version_gone"),
        (429, "", FailureKind.TRANSIENT, "rate_limited"),
        (500, "UNKNOWN_EXCEPTION", FailureKind.TRANSIENT, "unavailable"),
        (503, "SERVER_UNAVAILABLE", FailureKind.TRANSIENT, "unavailable"),
    ],
)
def test_each_answer_has_its_kind(
    status_code: int, code: str, kind: FailureKind, ours: str
) -> None:
    error = answered(status_code, [{"errorCode": code, "message": "why it is"}])
    assert (error.kind, error.code, error.system) == (kind, ours, SYSTEM)
    assert "why it is" in error.message
    assert code in error.message
    assert error.maybe_done == (status_code >= 500)


def test_a_moved_org_names_its_new_address() -> None:
    error = answered(302, headers={"Location": "https://firm2.my.salesforce.com/services"})
    assert (error.kind, error.code, error.field) == (FailureKind.BUSINESS, "crm_refused", "url")
    assert error.value == "https://firm2.my.salesforce.com/services"


def test_a_hidden_field_is_named() -> None:
    text = "No such column 'c2c_stage__c' on entity 'Opportunity'."
    error = answered(400, [{"errorCode": "INVALID_FIELD", "message": text}])
    assert error.field == "c2c_stage__c"


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("TotalRequests Limit exceeded.", {}, 900),
        ("ConcurrentPerOrgLongTxn Limit exceeded.", {}, 10),
        ("TotalRequests Limit exceeded.", {"Retry-After": "7"}, 7),
    ],
)
def test_a_limit_says_when_to_come_back(
    message: str, headers: dict[str, str], seconds: int
) -> None:
    error = answered(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": message}], headers)
    assert error.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("raised", "code", "maybe_done"),
    [
        (httpx.ConnectError("no route"), "unreachable", False),
        (httpx.ConnectTimeout("slow"), "unreachable", False),
        (httpx.PoolTimeout("busy"), "client_busy", False),
        (httpx.ReadTimeout("slow"), "no_answer", True),
        (httpx.RemoteProtocolError("cut off"), "no_answer", True),
    ],
)
def test_a_call_without_an_answer_says_whether_it_may_be_done(
    raised: Exception, code: str, maybe_done: bool
) -> None:
    error = failed(raised)
    assert (error.kind, error.code, error.maybe_done) == (
        FailureKind.TRANSIENT,
        code,
        maybe_done,
    )


ROW = {"Id": MISSING, "SystemModstamp": "2026-01-10T00:00:00.000+0000"}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"records": []},
        {"done": True},
        {"done": True, "records": {}},
        {"done": True, "records": ["row"]},
        {"done": "yes", "records": [ROW]},
        {"done": True, "records": [{"Id": MISSING}]},
        {"done": True, "records": [{**ROW, "SystemModstamp": None}]},
        {"done": True, "records": [{**ROW, "SystemModstamp": "yesterday"}]},
        {"done": False, "records": [ROW]},
        {"done": False, "records": [ROW], "nextRecordsUrl": "https://evil.example/services/data/"},
        {"done": False, "records": [ROW], "nextRecordsUrl": "//evil.example/x"},
    ],
)
def test_half_an_answer_is_no_answer(body: Any) -> None:
    error = answered(200, body)
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


@pytest.mark.parametrize("fault", ["malformed", "cut"])
def test_an_answer_that_is_no_json_is_no_answer(
    sf: Connected, sf_crm: SalesforceCrm, fault: str
) -> None:
    deal_id = deal(sf.org)
    for call in (
        lambda: sf_crm.won_deals(SINCE),
        lambda: sf_crm.write_statuses([status(deal_id)]),
        lambda: sf_crm.read_contract(deal_id),
    ):
        sf.org.fail_next(fault)
        error = refusal(call)
        assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")
    assert sf_crm.read_contract(deal_id)


@pytest.mark.parametrize("fields", [None, {}, ["Id"], [{"type": "id"}], [{"name": "Id"}]])
def test_a_description_without_names_and_types_is_no_answer(fields: Any) -> None:
    path = "/services/data/v67.0/sobjects/Opportunity/describe"
    error = refusal(
        lambda: live(
            lambda mocked: mocked.get(path).respond(200, json={"fields": fields}),
            lambda crm: crm.read_contract(MISSING),
        )
    )
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


@pytest.mark.parametrize("versions", [{}, {"versions": []}, "v67.0"])
def test_versions_that_are_no_list_are_no_answer(versions: Any) -> None:
    error = refusal(
        lambda: live(
            lambda mocked: mocked.get("/services/data").respond(200, json=versions),
            lambda crm: crm.missing_setup(),
        )
    )
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


def test_pages_without_an_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateways.crm.salesforce.api.MAX_ROWS", 10)
    page = {"done": False, "records": [ROW] * 4, "nextRecordsUrl": f"{QUERY_PATH}/01g-4"}

    def route(mocked: respx.MockRouter) -> None:
        mocked.get(QUERY_PATH).respond(200, json=page)
        mocked.get(f"{QUERY_PATH}/01g-4").respond(200, json=page)

    error = refusal(lambda: live(route, lambda crm: crm.won_deals(SINCE)))
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")
    assert "without an end" in error.message


def test_an_answer_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateways.crm.salesforce.api._MAX_BYTES", 10)
    assert answered(200, EMPTY).code == "unexpected_answer"


@pytest.mark.parametrize(
    "results",
    [
        {},
        [],
        [{"success": True}, {"success": True}],
        [{"id": MISSING}],
        ["yes"],
        [{"success": False, "errors": ["no"]}],
        [{"success": False, "errors": 5}],
        [{"success": False}],
    ],
)
def test_results_that_do_not_fit_the_records_are_no_verdicts(results: Any) -> None:
    error = refusal(
        lambda: live(
            lambda mocked: mocked.patch("/services/data/v67.0/composite/sobjects").respond(
                200, json=results
            ),
            lambda crm: crm.write_statuses([status(MISSING)]),
        )
    )
    assert (error.kind, error.code) == (FailureKind.DEFECT, "unexpected_answer")


def test_of_several_reasons_one_that_passes_decides() -> None:
    results = [
        {
            "success": False,
            "errors": [
                {"statusCode": "SOME_RULE", "message": "no", "fields": []},
                {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked", "fields": []},
            ],
        }
    ]
    [error] = live(
        lambda mocked: mocked.patch("/services/data/v67.0/composite/sobjects").respond(
            200, json=results
        ),
        lambda crm: crm.write_statuses([status(MISSING)]),
    )
    assert (error.kind, error.code) == (FailureKind.TRANSIENT, "locked")


def test_a_write_whose_answer_is_lost_may_be_done_and_is_harmless_to_repeat(
    sf: Connected, sf_crm: SalesforceCrm
) -> None:
    key = deal(sf.org)
    sf.org.fail_next("no_answer")
    error = refusal(lambda: sf_crm.write_statuses([status(key)]))
    assert (error.kind, error.maybe_done) == (FailureKind.TRANSIENT, True)
    done = sf.org.get(key)
    assert done
    assert done.fields["c2c_stage__c"] == "billing"

    assert sf_crm.write_statuses([status(key)]) == [None]
    again = sf.org.get(key)
    assert again
    assert again.fields == done.fields


@pytest.mark.parametrize(
    ("fault", "code"), [("rate_limit", "rate_limited"), ("unavailable", "unavailable")]
)
def test_a_sweep_that_fails_is_complete_when_it_is_repeated(
    sf: Connected, fault: str, code: str
) -> None:
    deal_id = deal(sf.org)
    sf.org.fail_next(fault)
    crm = sf.crm()
    assert refusal(lambda: crm.won_deals(SINCE)).code == code
    crm.close()
    fresh = sf.crm()  # without the pause that the limit asked for
    assert [item.deal_id for item in all_won(fresh)] == [deal_id]
    fresh.close()


# Limits


def patient_api(url: str) -> tuple[SalesforceApi, list[float]]:
    """An API whose waiting takes no time, and how long it waits."""
    slept: list[float] = []

    def throttle(calls_per_second: float | None) -> Throttle:
        return Throttle(calls_per_second, system=SYSTEM, clock=lambda: 0, sleep=slept.append)

    grant = ClientCredentials("3MVG9.consumer", Secret.of("secret"))
    api = SalesforceApi(
        pooled_client(url),
        grant,
        system=SYSTEM,
        version="v67.0",
        throttle=throttle(None),
        sparing=throttle(0.5),
    )
    return api, slept


@pytest.mark.parametrize(("made", "waits"), [(0, []), (850, []), (900, [2, 4]), (990, [2, 4])])
def test_calls_are_spaced_when_the_day_s_are_nearly_used(
    sf: Connected, made: int, waits: list[int]
) -> None:
    sf.client.calls_allowed, sf.client.calls_made = 1_000, made
    api, slept = patient_api(sf.url)
    for _ in range(4):
        api.query("SELECT Id FROM Account")
    api.close()
    assert slept == waits


def test_the_usage_of_one_app_is_not_the_org_s(sf: Connected) -> None:
    api, slept = patient_api(LIVE)
    usage = {"Sforce-Limit-Info": "per-app-api-usage=249/250(appName=c2c), api-usage=7/5000"}
    with respx.mock(base_url=LIVE) as mocked:
        mocked.post(TOKEN_PATH).respond(200, json=TOKEN)
        mocked.get(QUERY_PATH).respond(200, json=EMPTY, headers=usage)
        for _ in range(3):
            api.query("SELECT Id FROM Account")
    assert slept == []


def test_a_used_up_day_stops_our_own_calls_for_a_minute_only(sf: Connected) -> None:
    sf.client.calls_allowed = 0
    api, _ = patient_api(sf.url)
    assert refusal(lambda: api.query("SELECT Id FROM Account")).retry_after == timedelta(minutes=15)
    held_back = refusal(lambda: api.query("SELECT Id FROM Account"))
    api.close()
    assert held_back.code == "throttled"
    assert held_back.retry_after == timedelta(minutes=1)
    assert sf.client.calls_made == 1


def test_more_records_than_a_call_takes_are_a_mistake_of_the_caller(sf: Connected) -> None:
    api, _ = patient_api(sf.url)
    with pytest.raises(ValueError, match="201 records"):
        api.update_many("Opportunity", [{"id": str(n)} for n in range(MAX_BATCH + 1)])
    api.close()


def test_the_stand_in_knows_its_own_app() -> None:
    """The defaults of the stand-in are those that the tests sign in with."""
    client = ExternalClientApp()
    assert (client.consumer_key, client.consumer_secret) == ("3MVG9.consumer", "secret")
