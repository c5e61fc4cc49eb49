"""Salesforce as others know it: simple-salesforce and jsforce drive the stand-in and their requests
are held against ours; every query that we send is parsed by a parser that is not ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.login import SalesforceLogin

from gateways.crm.salesforce import queries
from gateways.crm.salesforce.crm import SalesforceCrm
from gateways.crm.salesforce.features import Features
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.status import status_texts
from sandbox.salesforce import SalesforceError, soql
from tests.standins.recorder import Recorded
from tests.unit.crm.asking import SINCE, all_won, status
from tests.unit.crm.salesforce.connected import (
    MISSING,
    PRIVATE_PEM,
    PUBLIC_PEM,
    Connected,
    deal,
)

JUDGES = Path(__file__).parents[3] / "judges"
MY_DOMAIN = "firm.my.salesforce.com"


# A parser that is not ours


def queries_sent() -> list[str]:
    """Every query, with everything and with nothing switched on."""
    deal_id, moment = MISSING, datetime(2026, 1, 10, 12, 0, 5, 1000, UTC)
    every = FieldNames(country="ISO__c", billing_frequency="Every__c", signed_on="Signed__c")
    none = FieldNames(
        **dict.fromkeys(
            (
                "starts_on",
                "ends_on",
                "payment_term",
                "purchase_order",
                "terms",
                "vat_number",
                "milestones",
            ),
            "",
        )
    )
    on, off = Features(*[True] * 5), Features(*[False] * 5)
    return [
        *(queries.deal(deal_id, fields, org) for fields in (every, none) for org in (on, off)),
        *(queries.quote_lines("0Q0Hs00000000AAIAQ", org) for org in (on, off)),
        queries.schedules(deal_id),
        queries.won_deals(SINCE, "", None),
        queries.won_deals(SINCE, queries.mark(moment, deal_id), date(2026, 3, 1)),
        queries.is_due(deal_id, date(2026, 3, 1)),
        queries.quote_lines('it\'s a \\ "quote"\n', on),
    ]


def judge(script: str, asked: Any) -> Any:
    """What a script of tests/judges answers."""
    done = subprocess.run(
        ["node", script],
        input=json.dumps(asked),
        cwd=JUDGES,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"make installs the judges (needs Node): {done.stderr}"
    return json.loads(done.stdout)


def test_the_judges_are_locked_by_hashes_and_no_addresses() -> None:
    lock = json.loads((JUDGES / "package-lock.json").read_text(encoding="utf-8"))
    locked = [item for name, item in lock["packages"].items() if name]
    assert all("integrity" in item and "resolved" not in item for item in locked)


def test_every_query_we_send_is_soql_to_a_parser_of_others() -> None:
    sent = queries_sent()
    assert judge("soql.js", sent) == [True] * len(sent)


def test_the_parser_of_others_refuses_what_is_no_soql() -> None:
    wrong = [
        "SELECT FROM Opportunity",
        "SELECT Id FROM Opportunity WHERE IsWon",
        "SELECT Id FROM Opportunity WHERE Name = 'it's'",
        "SELECT Id, (SELECT Id FROM) FROM Opportunity",
    ]
    assert judge("soql.js", wrong) == [False] * len(wrong)
    for text in wrong:
        with pytest.raises(soql.MalformedQuery):
            soql.parsed(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\n\r\t")))
def test_no_text_ends_its_literal(value: str) -> None:
    query = soql.parsed(queries.quote_lines(value, Features(*[True] * 5)))
    [found] = soql.comparisons(query.where)
    assert found.literals == (soql.Literal("text", value),)


# simple-salesforce


class ToStandIn(requests.adapters.HTTPAdapter):
    """Sends what is meant for https and a host of Salesforce's to the stand-in."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._place = urlsplit(url)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        request.url = (
            urlsplit(request.url)
            ._replace(scheme=self._place.scheme, netloc=self._place.netloc)
            .geturl()
        )
        return super().send(request, *args, **kwargs)


@pytest.fixture
def session(sf: Connected) -> Iterator[requests.Session]:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", ToStandIn(sf.url))
    yield session
    session.close()


@pytest.fixture
def official(sf: Connected, session: requests.Session) -> Any:
    """simple-salesforce, signed in by the consumer secret."""
    token, instance = SalesforceLogin(
        session=session,
        domain="firm.my",
        consumer_key=sf.client.consumer_key,
        consumer_secret=sf.client.consumer_secret,
    )
    assert instance == urlsplit(sf.url).netloc
    return Salesforce(instance=MY_DOMAIN, session_id=token, session=session, version="67.0")


def request_of(sf: Connected, call: Callable[[], object]) -> Recorded:
    """The one request that a call makes, beside those to sign in or describe."""
    sf.recorder.requests.clear()
    call()
    [request] = [item for item in sf.calls if not item.path.endswith("/describe")]
    return request


def asked(request: Recorded) -> tuple[Any, ...]:
    """What a request asks; simple-salesforce ends some paths with a slash."""
    scheme = request.headers["authorization"].split()[0]
    return request.method, request.path.rstrip("/"), request.query, request.body, scheme


def test_both_sign_in_by_the_consumer_secret_alike(
    sf: Connected, official: Any, sf_crm: SalesforceCrm
) -> None:
    theirs = sf.recorder.requests[0]
    sf_crm.won_deals(SINCE)
    ours = next(item for item in sf.recorder.requests[1:] if "oauth2" in item.path)
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    assert ours.headers["authorization"] == theirs.headers["authorization"]


def test_both_sign_in_by_a_key_alike(sf: Connected, session: requests.Session) -> None:
    token, _ = SalesforceLogin(
        session=session,
        instance_url="firm.my",
        username=sf.client.user,
        consumer_key=sf.client.consumer_key,
        privatekey=PRIVATE_PEM,
    )
    assert token in sf.client.tokens
    theirs = sf.recorder.requests[-1]
    crm = sf.crm(private_key=PRIVATE_PEM, user=sf.client.user)
    crm.won_deals(SINCE)
    crm.close()
    ours = [item for item in sf.recorder.requests if "oauth2" in item.path][-1]

    key = RSAKey.import_key(PUBLIC_PEM)
    read = [
        jwt.decode(item.body["assertion"], key, algorithms=["RS256"]) for item in (ours, theirs)
    ]
    assert read[0].header["alg"] == read[1].header["alg"] == "RS256"
    claims = [{**item.claims, "exp": None} for item in read]
    assert claims[0] == claims[1]
    assert int(read[0].claims["exp"]) <= int(read[1].claims["exp"])
    assert ours.body["grant_type"] == theirs.body["grant_type"]
    assert ours.body.keys() == theirs.body.keys()


def test_simple_salesforce_understands_why_it_is_not_let_in(
    sf: Connected, session: requests.Session
) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        SalesforceLogin(
            session=session,
            domain="firm.my",
            consumer_key=sf.client.consumer_key,
            consumer_secret="wrong",
        )
    assert caught.value.code == "invalid_client"


def test_both_query_alike(sf: Connected, official: Any, sf_crm: SalesforceCrm) -> None:
    deal_id = deal(sf.org)
    text = queries.deal(deal_id, FieldNames(), Features(True, True, True, True, True))
    theirs = request_of(sf, lambda: official.query(text))
    ours = request_of(sf, lambda: sf_crm.read_contract(deal_id))
    assert asked(ours) == asked(theirs)

    found = official.query(text)
    [row] = found["records"]
    assert (found["totalSize"], found["done"], row["Amount"]) == (1, True, 10500.5)
    assert row["Account"]["Name"] == "Acme NV"
    assert [line["Product2"]["ProductCode"] for line in row["OpportunityLineItems"]["records"]] == [
        "BUILD",
        "TRAINING",
    ]


def test_simple_salesforce_follows_the_pages_to_the_same_deals(
    sf: Connected, official: Any, sf_crm: SalesforceCrm
) -> None:
    sf.org.batch_size = 4
    ids = [deal(sf.org) for _ in range(10)]
    text = queries.won_deals(SINCE, "", date(2026, 1, 1))

    sf.recorder.requests.clear()
    found = official.query_all(text)
    theirs = [(item.method, item.path.rpartition("/")[0]) for item in sf.calls[1:]]
    assert [row["Id"] for row in found["records"]] == ids
    sf.recorder.requests.clear()
    assert [item.deal_id for item in all_won(sf_crm)] == ids
    ours = [(item.method, item.path.rpartition("/")[0]) for item in sf.calls[1:]]
    assert ours == theirs
    assert len(ours) == 2


def test_simple_salesforce_sees_what_is_in_the_recycle_bin_only_if_it_asks(
    sf: Connected, official: Any
) -> None:
    deal_id = deal(sf.org)
    sf.org.delete(deal_id)
    text = "SELECT Id, IsDeleted FROM Opportunity"
    assert official.query(text)["records"] == []
    [row] = official.query(text, include_deleted=True)["records"]
    assert (row["Id"], row["IsDeleted"]) == (deal_id, True)


def test_both_describe_alike(sf: Connected, official: Any, sf_crm: SalesforceCrm) -> None:
    sf.recorder.requests.clear()
    described = official.Opportunity.describe()
    sf_crm.missing_setup()
    theirs, *ours = (item for item in sf.calls if item.path.endswith("Opportunity/describe"))
    assert [asked(item) for item in ours] == [asked(theirs)]
    types = {field["name"]: field["type"] for field in described["fields"]}
    assert types["c2c_terms__c"] == "textarea"
    with pytest.raises(SalesforceResourceNotFound):
        official.Nonsense__c.describe()


def test_both_update_many_alike(sf: Connected, official: Any, sf_crm: SalesforceCrm) -> None:
    ids = [deal(sf.org), MISSING, deal(sf.org)]
    sf.org.delete(ids[2])
    values = {f"{name}__c": text or None for name, text in status_texts(status("")).items()}
    body = {
        "allOrNone": False,
        "records": [
            {"attributes": {"type": "Opportunity"}, "id": key, **values} for key in ids[:1]
        ],
    }

    def update() -> Any:
        return official.restful("composite/sobjects", method="PATCH", json=body)

    theirs = request_of(sf, update)
    ours = request_of(sf, lambda: sf_crm.write_statuses([status(ids[0])]))
    assert asked(ours) == asked(theirs)

    body["records"] = [{"attributes": {"type": "Opportunity"}, "id": key, **values} for key in ids]
    good, absent, deleted = update()
    assert good == {"id": ids[0], "success": True, "errors": []}
    assert absent["errors"][0]["statusCode"] == "INVALID_CROSS_REFERENCE_KEY"
    assert deleted["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def test_simple_salesforce_understands_the_stand_in_s_errors(sf: Connected, official: Any) -> None:
    for text, code in (
        ("SELECT Nonsense FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Account.Nonsense FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Nonsense.Id FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM Nonsense) FROM Opportunity", "INVALID_TYPE"),
        ("SELECT Id FROM Opportunity WHERE c2c_terms__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE CloseDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE CloseDate > 2026-01-01T00:00:00Z", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Name = 5", "INVALID_FIELD"),
        (
            "SELECT Id FROM Opportunity WHERE IsWon = TRUE AND Name = 'a' OR Name = 'b'",
            "MALFORMED_QUERY",
        ),
        ("SELECT Id FROM Opportunity nonsense", "MALFORMED_QUERY"),
    ):
        with pytest.raises(SalesforceMalformedRequest) as caught:
            official.query(text)
        content: Any = caught.value.content
        assert content[0]["errorCode"] == code, text
    sf.client.expire_tokens()
    with pytest.raises(SalesforceExpiredSession):
        official.query("SELECT Id FROM Opportunity")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Amount = 20", ["20"]),
        ("Amount > 20", ["100"]),
        ("Amount >= 20", ["20", "100"]),
        ("Amount < 20", ["3"]),
        ("Amount <= 20", ["3", "20"]),
        ("Amount != 20", ["3", "100", None]),
        ("Amount IN (3, 100)", ["3", "100"]),
        ("Amount = NULL", [None]),
        ("Name = 'DEAL' AND (Amount = 3 OR Amount = 20)", ["3", "20"]),
    ],
)
def test_the_stand_in_compares_as_salesforce_does(
    sf: Connected, official: Any, condition: str, expected: list[str | None]
) -> None:
    for amount in ("100", "3", "20", None):
        sf.org.add_deal(name="Deal", amount=amount)
    text = f"SELECT Amount FROM Opportunity WHERE {condition} ORDER BY Amount"
    found = [row["Amount"] for row in official.query(text)["records"]]
    wanted = [None if amount is None else int(amount) for amount in expected]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert found == sorted(found, key=lambda amount: amount or 0), "nulls come first"


# jsforce


def jsforce(sf: Connected, call: str, asked: Any) -> Any:
    """What jsforce answers to one call, as somebody who is signed in."""
    [token] = sf.client.tokens
    found = judge("salesforce.js", {"url": sf.url, "token": token, "call": call, "with": asked})
    return found.get("answer", found.get("error"))


def test_jsforce_updates_many_as_we_do(sf: Connected, sf_crm: SalesforceCrm) -> None:
    ids = [deal(sf.org), deal(sf.org), MISSING]
    rule = SalesforceError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", ["StageName"])
    sf.org.refuse_next(ids[1], rule, times=2)
    ours = request_of(sf, lambda: sf_crm.write_statuses([status(key) for key in ids]))
    records = [
        {"Id": row["id"], **{key: value for key, value in row.items() if key[:3] == "c2c"}}
        for row in ours.body["records"]
    ]

    answers: list[Any] = []
    theirs = request_of(sf, lambda: answers.append(jsforce(sf, "update", records)))

    assert asked(ours) == asked(theirs)
    [[good, refused, absent]] = answers
    assert good == {"id": ids[0], "success": True, "errors": []}
    assert refused["errors"] == rule.of_record()["errors"]
    assert absent["errors"][0]["statusCode"] == "INVALID_CROSS_REFERENCE_KEY"


def test_jsforce_follows_the_pages_to_the_same_deals(sf: Connected, sf_crm: SalesforceCrm) -> None:
    sf.org.batch_size = 4
    ids = [deal(sf.org) for _ in range(10)]
    sf.recorder.requests.clear()
    assert [item.deal_id for item in all_won(sf_crm)] == ids
    ours = sf.calls
    sf.recorder.requests.clear()
    found = jsforce(sf, "query", queries.won_deals(SINCE, "", date(2026, 1, 1)))
    theirs = sf.calls
    assert [row["Id"] for row in found["records"]] == ids
    assert asked(ours[0]) == asked(theirs[0])
    assert [item.path.rpartition("/")[0] for item in ours[1:]] == [
        item.path.rpartition("/")[0] for item in theirs[1:]
    ]


def test_jsforce_describes_as_we_do(sf: Connected, sf_crm: SalesforceCrm) -> None:
    sf_crm.missing_setup()
    [ours] = [item for item in sf.calls if item.path.endswith("Opportunity/describe")]
    sf.recorder.requests.clear()
    described = jsforce(sf, "describe", "Opportunity")
    [theirs] = sf.calls
    assert asked(ours) == asked(theirs)
    assert {field["name"] for field in described["fields"]} > {"Id", "c2c_stage__c"}
    assert jsforce(sf, "describe", "Nonsense__c") == "NOT_FOUND"


def test_jsforce_understands_a_query_that_is_refused(sf: Connected, sf_crm: SalesforceCrm) -> None:
    sf_crm.won_deals(SINCE)
    assert jsforce(sf, "query", "SELECT Nonsense FROM Opportunity") == "INVALID_FIELD"
    sf.org.fail_next("rate_limit")
    assert jsforce(sf, "query", "SELECT Id FROM Opportunity") == "REQUEST_LIMIT_EXCEEDED"
