"""What mails to our own people say, and to whom."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalRequirement,
    ApprovalRound,
    Delegation,
    RequiredApproval,
    Subject,
)
from contracts.events import Delivery, EventOutcome, EventRecord, ForEnvelope, InboundEvent
from contracts.mails import (
    MAX_LINES,
    MAX_MAILS,
    Mail,
    OpenApproval,
    Parked,
    digests,
    escalation,
    has_address,
    subject_of,
    text_of,
)
from contracts.parking import POST_INVOICE, Responsible, StepException
from contracts.signatures import EnvelopeStatus
from gateways.mail_settings import MailSettings
from sandbox.stack import CONFIG
from starters import mailing
from starters.findings import Verdict
from tests.world import ANA, BOB, CLEO, DORA, eur
from wiring.settings import ConfigurationError, Settings, load_settings

DAY = date(2026, 5, 4)
NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)
INVOICE, CONTRACT = "contract/northwind/C-1001/invoice/3", "contract/northwind/C-1001"
HASH = "ab12" * 16


def a_round(asked_on: date = DAY, **changes: Any) -> ApprovalRound:
    """An invoice of a named customer that Ana or Bob approves, and from the escalation on Cleo."""
    requirement = {
        "rule": "any amount: 1 of finance",
        "required": (RequiredApproval(group="finance", people=(ANA, BOB)),),
        "escalate_to": (CLEO,),
        "asked_on": asked_on,
        "remind_on": asked_on + timedelta(days=2),
        "escalate_on": asked_on + timedelta(days=5),
        **changes.pop("requirement", {}),
    }
    subject = Subject(
        kind=ApprovalKind.INVOICE,
        title="invoice 3 of C-1001 for Harbour Logistics",
        amount=eur("1200.00"),
        content_hash=HASH,
        details=("Harbour Logistics: design",),
        customer_key="harbour",
        customer_name="Harbour Logistics",
    )
    return ApprovalRound(subject=subject, requirement=ApprovalRequirement(**requirement), **changes)


def a_step(since: datetime = NOW, responsible: Responsible = Responsible.FINANCE) -> StepException:
    return StepException(
        step=POST_INVOICE.name,
        kind="business",
        doing=POST_INVOICE.doing,
        responsible=responsible,
        code="invoice_differs_from_approval",
        message="Harbour Logistics has another address",
        allowed=POST_INVOICE.allowed,
        since=since,
    )


def sent(
    *rounds: ApprovalRound, steps: tuple[StepException, ...] = (), **owners: Any
) -> list[Mail]:
    return digests(
        DAY,
        NOW,
        [OpenApproval(INVOICE, item) for item in rounds],
        [Parked.step(INVOICE, item) for item in steps],
        {"northwind": {Responsible(name): people for name, people in owners.items()}},
    ).mails


def to(mails: list[Mail]) -> list[str]:
    return [mail.to for mail in mails]


# --- to whom ------------------------------------------------------------------------------------


def test_who_may_decide_is_mailed_and_nobody_else() -> None:
    assert to(sent(a_round())) == [ANA, BOB]
    assert to(sent(a_round(escalated=True))) == [ANA, BOB, CLEO]
    assert to(sent(a_round(requirement={"requested_by": (ANA,)}))) == [BOB]
    assert to(sent(a_round(rejected_because=f"{BOB}: no"))) == []


def test_who_has_approved_is_not_mailed_again() -> None:
    both = (RequiredApproval(group="finance", people=(ANA, BOB)),) * 2
    by_ana = Approval(by=ANA, content_hash=HASH, at=NOW)
    assert to(sent(a_round(requirement={"required": both}, approvals=(by_ana,)))) == [BOB]


def test_a_deputy_is_mailed_on_the_days_of_the_absence() -> None:
    away = Delegation(person=BOB, to=DORA, since=DAY, until=DAY)
    assert to(sent(a_round(requirement={"delegations": (away,)}))) == [ANA, BOB, DORA]
    past = Delegation(person=BOB, to=DORA, since=date(2026, 4, 1), until=date(2026, 4, 2))
    assert to(sent(a_round(requirement={"delegations": (past,)}))) == [ANA, BOB]
    # Nor may the deputy of who asked for it.
    asked = {"delegations": (away,), "requested_by": (BOB,)}
    assert to(sent(a_round(requirement=asked))) == [ANA]


def test_exceptions_go_to_the_owners_of_their_responsible_in_their_legal_entity() -> None:
    of_sales = a_step(responsible=Responsible.SALES)
    assert to(sent(steps=(a_step(), of_sales), finance=(CLEO,), operations=(DORA,))) == [CLEO]
    elsewhere = Parked.step("contract/other/C-1/invoice/1", a_step())
    owners = {"northwind": {Responsible.FINANCE: (CLEO,)}}
    assert digests(DAY, NOW, [], [elsewhere], owners).mails == []


def an_event(touched: tuple[str, ...] = ()) -> EventRecord:
    """One that is read once it is delivered: before that nobody knows whose it is."""
    return EventRecord(
        event=InboundEvent(
            source="docs",
            key="msg-2f",
            kind="envelope-signed",
            received_at=NOW,
            sha256="0" * 64,
            size=1,
            task=ForEnvelope(system="docs", envelope_id="e1", status=EnvelopeStatus.COMPLETED),
        ),
        delivery=Delivery(outcome=EventOutcome.REFUSED, touched=touched),
        since=NOW,
    )


def test_an_event_goes_to_operations_of_its_legal_entity_or_of_all() -> None:
    owners: dict[str, dict[Responsible, tuple[str, ...]]] = {
        "northwind": {Responsible.OPERATIONS: (ANA, DORA), Responsible.FINANCE: (CLEO,)},
        "southwind": {Responsible.OPERATIONS: (BOB, DORA)},
    }

    def mailed(record: EventRecord) -> list[str]:
        return to(digests(DAY, NOW, [], [Parked.event("event/docs/msg-2f", record)], owners).mails)

    assert mailed(an_event()) == [DORA]
    assert mailed(an_event(touched=(INVOICE,))) == [ANA, DORA]
    assert mailed(an_event(touched=("contract/elsewhere/C-1",))) == []


def test_what_waits_of_a_bank_is_said_without_who_paid() -> None:
    lines = [
        Parked.step("bank/northwind/" + "3f2a9c0d1e2f" + "0" * 52, a_step().replace(step=step))
        for step in ("file", "line-12")
    ]
    owners: dict[str, dict[Responsible, tuple[str, ...]]] = {
        "northwind": {Responsible.FINANCE: (ANA,)}
    }
    [mail] = digests(DAY, NOW, [], [*lines, Parked.event("event/docs/1", an_event())], owners).mails
    said = text_of(mail, "https://x")
    assert "- Apply the bank's file, bank/northwind/3f2a9c0d1e2f, since" in said
    assert "- Line 12, bank/northwind/3f2a9c0d1e2f, since" in said
    assert f"https://x/bank/northwind/3f2a9c0d1e2f{'0' * 52}#line-12\n" in said
    assert "event" not in said


@pytest.mark.parametrize(
    ("person", "is_one"),
    [
        *((ANA, True), ("ana", False), ("ana@", False), ("@firm", False), ("a b@firm", False)),
        *(
            ("a@b, c@d", False),
            ("ana\n@firm", False),
            ("ana@firm@firm", False),
            ("änne@firm", False),
        ),
    ],
)
def test_a_person_is_mailed_who_is_named_by_an_address(person: str, is_one: bool) -> None:
    assert has_address(person) is is_one


# --- what ---------------------------------------------------------------------------------------


def test_a_digest_says_what_waits_since_when_with_links_and_names_no_customer() -> None:
    old = a_round(date(2026, 4, 20))
    [mail, other] = sent(a_round(), old, steps=(a_step(),), finance=(ANA,))
    assert subject_of(other) == "2026-05-04: 2 approvals for you"
    assert subject_of(mail) == "2026-05-04: 2 approvals and 1 exception for you"
    assert text_of(mail, "https://c2c.northwind.example/") == (
        "Waiting for your approval\n\n"
        "- Invoice of 1200.00 EUR, northwind/C-1001/3, asked for on 2026-04-20\n"
        f"  https://c2c.northwind.example/c/northwind/C-1001/invoices/3/approvals/{HASH}\n"
        "- Invoice of 1200.00 EUR, northwind/C-1001/3, asked for on 2026-05-04\n"
        f"  https://c2c.northwind.example/c/northwind/C-1001/invoices/3/approvals/{HASH}\n\n"
        "Exceptions that you look after\n\n"
        "- Post the invoice, northwind/C-1001/3, since 2026-05-04 [invoice_differs_from_approval]\n"
        "  https://c2c.northwind.example/exceptions/northwind/C-1001/3/post_invoice\n"
    )
    assert "Harbour" not in mail.model_dump_json()


def test_an_escalation_goes_to_those_who_may_decide_from_now_on() -> None:
    mails = escalation(CONTRACT, a_round(escalated=True), DAY).mails
    assert to(mails) == [ANA, BOB, CLEO]
    assert subject_of(mails[0]) == "Escalated: invoice of 1200.00 EUR awaits approval"
    assert "Harbour" not in mails[0].model_dump_json()


def test_mails_are_bounded() -> None:
    [mail] = sent(steps=(a_step(),) * (MAX_LINES + 7), finance=(ANA,))
    assert (len(mail.exceptions), mail.more_exceptions) == (MAX_LINES, 7)
    assert subject_of(mail) == f"2026-05-04: {MAX_LINES + 7} exceptions for you"
    assert "- 7 more\n  https://x/exceptions\n" in text_of(mail, "https://x")
    many = tuple(f"p{number}@northwind.example" for number in range(MAX_MAILS + 3))
    owners = {"northwind": {Responsible.FINANCE: many}}
    found = digests(DAY, NOW, [], [Parked.step(INVOICE, a_step())], owners)
    assert (len(found.mails), found.left_out) == (MAX_MAILS, 3)


def test_the_largest_day_is_below_what_the_engine_keeps_of_one_result() -> None:
    everybody = tuple(f"person-{number}@northwind.example" for number in range(MAX_MAILS))
    of_all = {"required": (RequiredApproval(group="all", people=everybody),)}
    rounds = (a_round(requirement=of_all),) * (MAX_LINES + 1)
    owners = {"northwind": {Responsible.FINANCE: everybody}}
    found = digests(
        DAY,
        NOW,
        [OpenApproval(INVOICE, item) for item in rounds],
        [Parked.step(INVOICE, a_step())] * (MAX_LINES + 1),
        owners,
    )
    assert len(found.mails) == MAX_MAILS
    assert len(found.model_dump_json()) < 1_500_000


# --- configuration ------------------------------------------------------------------------------


def mail_settings(**changes: Any) -> MailSettings:
    given = {"host": "smtp.northwind.example", "from_address": "c2c@northwind.example"}
    return MailSettings.model_validate(given | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"security": "none"},
        {"user": "c2c"},
        {"password": "x"},
        {"user": "c2c", "password": "x", "password_file": "x"},
        {"from_address": "c2c"},
        {"from_address": "büro@northwind.example"},
        {"time_zone": "Mars/Olympus"},
        {"digest_at": "07:00:01"},
        {"owners": {"northwind": {"nobody": [ANA]}}},
        {"owners": {"northwind": {"finance": ["ana"]}}},
    ],
)
def test_what_cannot_be_right_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        mail_settings(**changes)


def test_plain_is_for_this_machine_only() -> None:
    assert mail_settings(host="127.0.0.1", security="none").security == "none"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    monkeypatch.delenv("C2C_ODOO__API_KEY_FILE", raising=False)


def with_mail(**changes: Any) -> Settings:
    return load_settings(
        web={"public_url": "https://c2c.northwind.example"}, mail=mail_settings(**changes)
    )


@pytest.mark.usefixtures("configured")
def test_mails_need_pages_to_link_to_and_owners_of_legal_entities() -> None:
    with pytest.raises(ConfigurationError, match=r"web\.public_url"):
        load_settings(mail=mail_settings(), web={})
    with pytest.raises(ConfigurationError, match=r"mail\.owners\.nowhere"):
        with_mail(owners={"nowhere": {"finance": [ANA]}})


@pytest.mark.usefixtures("configured")
def test_the_check_names_who_cannot_be_mailed_and_what_nobody_owns() -> None:
    assert [item.verdict for item in mailing.check(load_settings())] == [Verdict.WARN]
    owners = {"northwind": {"finance": [ANA], "sales": [BOB]}}
    settings = with_mail(owners=owners)
    entity = settings.entities["northwind"]
    groups = {**entity.approval.groups, "finance": (ANA, "bob", "cleo of finance")}
    approval = entity.approval.model_copy(update={"groups": groups})
    named = entity.model_copy(update={"approval": approval})
    found = mailing.check(settings.model_copy(update={"entities": {"northwind": named}}))
    assert [item.subject for item in found] == [
        "server",
        "approvers of northwind",
        "owners of northwind",
    ]
    assert "bob, cleo of finance" in found[1].detail
    assert "operations" in found[2].detail
    assert "finance" not in found[2].detail


@pytest.mark.usefixtures("configured")
def test_the_check_says_that_the_password_cannot_be_read() -> None:
    settings = with_mail(user="c2c", password_file="/nowhere/smtp")
    assert mailing.check(settings)[0].verdict is Verdict.MISSING
