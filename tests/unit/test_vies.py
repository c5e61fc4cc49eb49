"""VIES is asked where it is configured; what it does not say holds nothing up."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateways.vies import Verdict, Vies
from gateways.vies_settings import ViesSettings
from sandbox import vies as stand_in

NUMBER, OWN, GREEK = "BE0477472701", "BE0403019261", "EL094014201"


@pytest.fixture
def register() -> stand_in.Vies:
    return stand_in.Vies(valid={NUMBER, GREEK})


def asking(register: stand_in.Vies, **settings: Any) -> Vies:
    return Vies(ViesSettings(enabled=True, **settings), register.transport)


def test_a_number_that_vies_knows_is_valid_with_its_consultation(register: stand_in.Vies) -> None:
    found = asking(register, requester="BE 0403.019.261").check("BE 0477.472.701", "BE")
    assert found is not None
    assert (found.verdict, found.on) == (Verdict.VALID, "2026-03-02")
    assert str(found) == (
        "VIES: BE0477472701 is valid on 2026-03-02, consultation WAPIAAAA00000001"
    )
    assert register.asked == [
        {
            "countryCode": "BE",
            "vatNumber": "0477472701",
            "requesterMemberStateCode": "BE",
            "requesterNumber": "0403019261",
        }
    ]


def test_a_number_that_vies_does_not_know_is_invalid(register: stand_in.Vies) -> None:
    found = asking(register).check(OWN, "BE")
    assert found is not None
    assert (found.verdict, found.consultation) == (Verdict.INVALID, "")


def test_greece_has_its_own_prefix(register: stand_in.Vies) -> None:
    found = asking(register).check(GREEK, "GR")
    assert found is not None
    assert found.verdict is Verdict.VALID
    assert register.asked[0]["countryCode"] == "EL"


def test_a_country_that_is_away_is_no_verdict(register: stand_in.Vies) -> None:
    register.away = {"BE"}
    found = asking(register).check(NUMBER, "BE")
    assert found is not None
    assert str(found) == "VIES did not answer about BE0477472701 (MS_UNAVAILABLE)"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(500, text="<html>"), "HTTP 500"),
        (httpx.Response(200, text="<html>"), "HTTP 200"),
        (httpx.Response(200, json=[True]), "HTTP 200"),
        (httpx.Response(200, json={"valid": "yes"}), "HTTP 200"),
        (httpx.Response(200, json={"valid": False, "userError": "TIMEOUT"}), "TIMEOUT"),
        (httpx.Response(429, json={"errorWrappers": ["x"]}), "HTTP 429"),
    ],
)
def test_an_answer_that_says_nothing_is_no_verdict(answer: httpx.Response, reason: str) -> None:
    vies = Vies(ViesSettings(enabled=True), httpx.MockTransport(lambda request: answer))
    found = vies.check(NUMBER, "BE")
    assert found is not None
    assert (found.verdict, found.reason) == (Verdict.UNAVAILABLE, reason)


def test_a_register_that_is_down_is_no_verdict(register: stand_in.Vies) -> None:
    register.down = True
    found = asking(register).check(NUMBER, "BE")
    assert found is not None
    assert (found.verdict, found.reason) == (Verdict.UNAVAILABLE, "ConnectTimeout")


@pytest.mark.parametrize(
    ("number", "country"), [(None, "BE"), ("", "BE"), ("BE1", "BE"), ("GB980780684", "GB")]
)
def test_what_is_no_number_of_a_member_state_is_not_asked(
    register: stand_in.Vies, number: str | None, country: str
) -> None:
    assert asking(register).check(number, country) is None
    assert register.asked == []


def test_vies_is_off_unless_it_is_switched_on() -> None:
    assert not ViesSettings().enabled


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"requester": "0403019261"}, "its country's prefix"),
        ({"url": "http://vies.example.com"}, "use https"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, str], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        ViesSettings.model_validate(settings)
