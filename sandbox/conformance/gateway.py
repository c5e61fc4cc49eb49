"""What the kit holds every connector to, whatever its group: building, failures, secrets."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Generic, TypeVar, cast

import pytest

from contracts.exception_codes import BY_CODE
from contracts.policy import LegalEntity
from contracts.problems import Problem
from gateways.connectors import Surroundings
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from gateways.settings import BankSettings
from gateways.throttle import Throttle
from sandbox.conformance.remote import EMPTY, NAME, Remote, System
from sandbox.conformance.wire import FateOf, Wire
from sandbox.proxy import Fate, Kind, Request

S = TypeVar("S", bound=System)
R = TypeVar("R", bound=Remote)

ENTITY = "northwind"
TIME_ZONE = "Europe/Brussels"
ACCOUNT = "BE68539007547034"
ADOPTED_DAYS_AGO = 30
_WAIT_SECONDS = 30
_MOST_REQUESTS = 20
_NO_HOST = "http://crm.example"

Call = Callable[[Any], object]
"""A call of a gateway. It can be repeated, and gives the same each time."""


class ConnectorConformance(ABC, Generic[S]):
    """What holds for every connector, whatever its system is spoken to in."""

    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[S]:
        """The remote: each connector's class has this fixture. It must listen while it is used."""
        raise NotImplementedError("a fixture `remote` of the scope class")

    @pytest.fixture
    def gateway(self, remote: S) -> Iterator[Any]:
        with built(remote, remote.address) as gateway:
            yield gateway

    def test_the_declaration_says_what_people_need_to_know(self, remote: S) -> None:
        connector = remote.connector
        assert connector.about, "one line for `c2c connectors`"
        assert connector.build is not None
        own = set(connector.settings.model_fields)
        silent = [name for name in own if not connector.settings.model_fields[name].description]
        assert not set(silent) - {"kind"}, f"settings without a description: {silent}"

    def test_settings_refuse_what_they_do_not_know_and_hide_their_secrets(self, remote: S) -> None:
        table = full(remote, remote.settings(remote.address))
        with pytest.raises(ValueError, match="colour"):
            remote.connector.settings.model_validate({**table, "colour": "red"})
        shown = repr(remote.connector.settings.model_validate(table))
        assert not [secret for secret in remote.secrets() if secret in shown]

    # --- set-up -----------------------------------------------------------------------------------

    def test_an_account_that_is_set_up_lacks_nothing(self, gateway: Any) -> None:
        assert gateway.ensure_setup() == []
        assert gateway.missing_setup() == []

    def test_what_an_account_lacks_is_named_and_made_once(self, remote: S) -> None:
        if not remote.can("without_setup"):
            return
        with remote.without_setup() as bare, built(bare, bare.address) as gateway:
            missing = gateway.missing_setup()
            assert missing, "nothing is missing in an account that nobody has set up"
            assert all(isinstance(item, Problem) and item.expected for item in missing)
            left = gateway.ensure_setup()
            assert all(item in missing for item in left)
            assert gateway.ensure_setup() == left == gateway.missing_setup()


class GatewayConformance(ConnectorConformance[R]):
    """The same for those that speak HTTP. Its subclass for a group of connectors says which calls
    there are."""

    @pytest.fixture(scope="class")
    @classmethod
    def shared_wire(cls, remote: R) -> Iterator[Wire]:
        with Wire(remote.address).open() as wire:
            yield wire

    @pytest.fixture
    def wire(self, shared_wire: Wire) -> Wire:
        """All calls of `gateway` go through it."""
        shared_wire.clear()
        return shared_wire

    @pytest.fixture(autouse=True)
    def unhurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The connector's own limits would only slow the kit down."""
        monkeypatch.setattr(Throttle, "wait", lambda throttle: None)

    @pytest.fixture
    def gateway(self, remote: R, wire: Wire) -> Iterator[Any]:
        with built(remote, wire.url) as gateway:
            yield gateway

    @abstractmethod
    def calls(self, remote: R) -> Mapping[str, Call]:
        """Every method of the protocol, as a call that succeeds."""

    # --- declaration ------------------------------------------------------------------------------

    def test_building_sends_nothing_and_takes_the_configured_name(
        self, remote: R, wire: Wire
    ) -> None:
        with built(remote, wire.url) as gateway:
            assert gateway.system == NAME
        assert wire.requests == []

    def test_credentials_are_never_sent_in_clear_text(self, remote: R) -> None:
        with pytest.raises(ValueError), built(remote, _NO_HOST):  # noqa: PT011
            pass

    # --- failures ---------------------------------------------------------------------------------

    def test_a_limit_is_waited_out_for_as_long_as_the_remote_says(
        self, remote: R, wire: Wire
    ) -> None:
        def limited(request: Request) -> Fate:
            answer = remote.rate_limited(_WAIT_SECONDS, request)
            return Fate(Kind.STATUS, status=answer.status, headers=answer.headers, body=answer.body)

        for failure in self.failures(remote, wire, limited):
            assert failure.kind is FailureKind.TRANSIENT, failure
            assert failure.code == "rate_limited", failure
            wait = failure.retry_after or timedelta(0)
            # A remote may state a moment in whole seconds, by its own clock.
            assert abs(wait - timedelta(seconds=_WAIT_SECONDS)) <= timedelta(seconds=2), failure

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_an_outage_passes_by_itself(self, remote: R, wire: Wire, status: int) -> None:
        page = b"<html><body>The upstream server is not there</body></html>"
        headers = {"Content-Type": "text/html"}
        fate = Fate(Kind.STATUS, status=status, headers=headers, body=page)
        for failure in self.failures(remote, wire, fate):
            assert failure.kind is FailureKind.TRANSIENT, failure

    @pytest.mark.parametrize("kind", [Kind.CUT_BEFORE, Kind.CUT_AFTER, Kind.HALF])
    def test_an_answer_that_is_lost_is_asked_for_again(
        self, remote: R, wire: Wire, kind: Kind
    ) -> None:
        """Also where the remote did it before the answer was lost: repeating it changes nothing."""
        for failure in self.failures(remote, wire, Fate(kind)):
            assert failure.kind is FailureKind.TRANSIENT, failure
            assert failure.maybe_done, failure

    def test_a_remote_that_is_away_was_not_asked(self, remote: R) -> None:
        nobody = "http://127.0.0.1:1"
        with built(remote, nobody) as gateway:
            for call in self.calls(remote).values():
                failure = refusal(remote, call, gateway)
                assert failure.kind is FailureKind.TRANSIENT, failure
                assert not failure.maybe_done, failure

    def test_an_answer_that_nobody_understands_is_no_answer(self, remote: R, wire: Wire) -> None:
        for body in remote.malformed:
            calls = dict(self.calls(remote))
            if body in EMPTY:
                calls.pop("missing_setup")  # an account may have nothing at all
            fate = Fate(Kind.STATUS, status=200, body=body)
            for failure in self.failures(remote, wire, fate, calls):
                assert failure.kind in (FailureKind.DEFECT, FailureKind.TRANSIENT), (body, failure)

    def test_a_redirect_is_not_followed(self, remote: R, wire: Wire) -> None:
        elsewhere = {"Location": "https://elsewhere.example/login"}
        fate = Fate(Kind.STATUS, status=302, headers=elsewhere, body=b"")
        assert list(self.failures(remote, wire, fate))

    def test_credentials_that_are_refused_are_a_matter_of_their_own(
        self, remote: R, wire: Wire
    ) -> None:
        for call in self.calls(remote).values():
            # Built for each call: a system may lock out who tries a wrong password repeatedly.
            with built(remote, wire.url, wrong=True) as gateway:
                failure = refusal(remote, call, gateway)
            assert failure.kind is FailureKind.CREDENTIALS, failure

    def test_a_session_that_ends_is_replaced(self, remote: R, gateway: Any) -> None:
        if remote.can("end_sessions"):
            for call in self.calls(remote).values():
                before = call(gateway)
                remote.end_sessions()
                assert call(gateway) == before

    # --- how --------------------------------------------------------------------------------------

    def failures(
        self,
        remote: R,
        wire: Wire,
        fate: Fate | FateOf,
        calls: Mapping[str, Call] | None = None,
    ) -> Iterator[GatewayError]:
        """What comes of each call when each of its requests in turn has this fate. After each
        failure the same gateway does the call as if nothing had been.

        What only a new gateway sends comes first: it signs in.
        """
        fate_of = (lambda _: fate) if isinstance(fate, Fate) else fate
        for name, call in (calls or self.calls(remote)).items():
            with built(remote, wire.url) as gateway:
                expected, cold = _counted(wire, call, gateway)
                _, warm = _counted(wire, call, gateway)
                assert 0 < cold <= _MOST_REQUESTS, f"{name} takes {cold} requests"
                for place in range(warm):
                    wire.fail(place, fate_of)
                    yield refusal(remote, call, gateway, f"{name}, request {place}")
                    again = _counted(wire, call, gateway)[0]
                    assert again == expected, f"{name} after a failed request {place}"
            for place in range(cold - warm):
                with built(remote, wire.url) as gateway:
                    wire.fail(place, fate_of)
                    yield refusal(remote, call, gateway, f"{name}, first request {place}")
                    again = _counted(wire, call, gateway)[0]
                    assert again == expected, f"{name} after a failed first request {place}"


def _counted(wire: Wire, call: Call, gateway: Any) -> tuple[object, int]:
    """A call's answer, and how many requests it took."""
    wire.clear()
    return call(gateway), len(wire.requests)


def full(remote: System, table: dict[str, Any]) -> dict[str, Any]:
    """The table of the configuration, with what every one has."""
    common: dict[str, Any] = {"kind": remote.connector.kind, "legal_entity": ENTITY}
    if "closed_since" in remote.connector.settings.model_fields:
        common["closed_since"] = adopted(remote)
    if issubclass(remote.connector.settings, BankSettings):
        common["accounts"] = {ACCOUNT: "BNK1"}
    return {**common, **table}


def adopted(remote: System) -> date:
    """The day since which the firm uses c2c, in the kit."""
    return (remote.now() - timedelta(days=ADOPTED_DAYS_AGO)).date()


@contextlib.contextmanager
def built(remote: System, address: str, *, wrong: bool = False) -> Iterator[Any]:
    """The gateway as the product builds it: of its table in the configuration."""
    table = remote.wrong_settings(address) if wrong else remote.settings(address)
    with made(remote, table, remote.odoo(address, wrong=wrong)) as gateway:
        yield gateway


@contextlib.contextmanager
def made(remote: System, table: dict[str, Any], odoo: OdooClient | None = None) -> Iterator[Any]:
    """The same of any table of the remote's."""
    settings = remote.connector.settings.model_validate(full(remote, table))
    around = Surroundings(
        name=NAME,
        entity=cast(Any, LegalEntity).model_construct(time_zone=TIME_ZONE),
        odoo=cast(OdooClient, odoo),
    )
    assert remote.connector.build is not None
    gateway = remote.connector.build(settings, around)
    try:
        yield gateway
    finally:
        close = getattr(gateway, "close", None)
        if close is not None:
            close()


def refusal(remote: System, call: Call, gateway: Any, what: str = "the call") -> GatewayError:
    """The GatewayError that a call raises. Nothing else may come of it: neither an answer nor an
    error that says nothing to people."""
    failure: GatewayError | None = None
    answer: object = None
    try:
        answer = call(gateway)
    except GatewayError as error:
        failure = error
    assert failure is not None, f"{what} answers {answer!r} although its request failed"
    told = f"{failure} {failure!r} {failure.field} {failure.value} {failure.__cause__!r}"
    assert failure.message.strip(), what
    assert failure.code in BY_CODE, f"{what}: the code {failure.code} is not described"
    assert failure.system in (NAME, remote.names_itself), f"{what}: it names {failure.system}"
    assert not [secret for secret in remote.secrets() if secret in told], what
    return failure
