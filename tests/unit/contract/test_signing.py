"""A contract that waits for its envelope, and the signed document on its order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import combinations, permutations
from typing import Any

import pytest

from contracts.agenda.actions import Failed
from contracts.contract import signing
from contracts.contract.messages import (
    CustomerRefresh,
    SignatureConfirmed,
    SignatureReported,
)
from contracts.contract.signature import MOST_ENVELOPES, Signature
from contracts.contract.state import ContractStage
from contracts.contract.waits import contract_waits
from contracts.model import Source
from contracts.parking import Action as Choice
from contracts.signatures import Envelope, EnvelopeStatus
from contracts.views.details import contract_details
from contracts.views.statement import statement
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import SAM, Played, Refused

AT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
"""In Brussels it is the day after."""
STATED = date(2026, 2, 10)
COMPLETED, DECLINED, VOIDED, SENT = (
    EnvelopeStatus.COMPLETED,
    EnvelopeStatus.DECLINED,
    EnvelopeStatus.VOIDED,
    EnvelopeStatus.SENT,
)


def report(
    status: EnvelopeStatus,
    envelope_id: str = "env-1",
    hours: int = 0,
    *,
    deal: str = "9001",
    reason: str = "",
) -> SignatureReported:
    at, is_signed = AT + timedelta(hours=hours), status is COMPLETED
    envelope = Envelope(
        envelope_id=envelope_id,
        status=status,
        changed_at=at,
        completed_at=at if is_signed else None,
        signers=("Ada <ada@client.example>",) if is_signed else (),
        deal=Source(system="hubspot", id=deal),
        reason=reason,
    )
    return SignatureReported(system="docusign", envelope=envelope)


def waiting(**terms: Any) -> Played:
    return Played(fixed_price(**terms), system="hubspot", signature="docusign")


def stages(life: Played) -> list[str]:
    texts = [entry.text for entry in life.state.journal.entries]
    return [text.removeprefix("Stage: ") for text in texts if text.startswith("Stage: ")]


def exception(life: Played) -> tuple[str, str, list[str]]:
    [found] = life.state.exceptions
    return found.code, found.message, [str(item) for item in found.allowed]


def test_a_won_deal_waits_for_its_envelope_before_anything_is_set_up() -> None:
    life = waiting()
    assert life.stage() is ContractStage.SIGNING
    assert "provision" not in life.begun
    assert contract_waits(life.state) == ("signature", "the signature, by docusign")
    assert life.crm[-1].waiting_on == "signature"
    life.signal(report(COMPLETED))
    assert life.stage() is ContractStage.ACTIVE


def test_the_day_of_signature_is_the_envelopes_in_the_legal_entitys_zone() -> None:
    life = waiting()
    assert life.state.terms.signed_on == STATED
    life.signal(report(COMPLETED))
    assert life.state.terms.signed_on == date(2026, 3, 2)
    assert [item.on for item in life.state.versions] == [date(2026, 3, 2)]
    assert life.begun.count("validate") == 2


def test_what_is_signed_is_the_deal_as_it_is_at_the_signature() -> None:
    """It waited for weeks, and was negotiated on: until then the terms are the CRM's."""
    life = waiting()
    life.deal = fixed_price(title="As negotiated", purchase_order="PO-2")
    life.signal(report(COMPLETED))
    assert (life.state.terms.title, life.state.terms.purchase_order) == ("As negotiated", "PO-2")
    assert life.state.terms.signed_on == date(2026, 3, 2)
    assert life.begun.count("read_deal") == 2


def test_a_deal_that_changes_before_the_signature_gives_the_new_terms_at_once() -> None:
    life = waiting()
    life.deal = fixed_price(title="As negotiated", purchase_order="PO-2")
    life.send(CustomerRefresh(by="hubspot"))
    assert life.stage() is ContractStage.SIGNING
    assert (life.state.terms.title, life.state.terms.purchase_order) == ("As negotiated", "PO-2")
    assert life.state.terms.signed_on == STATED
    assert {text.partition(":")[0] for text in life.state.refreshed} == {"title", "purchase_order"}
    life.send(CustomerRefresh(by="hubspot"))
    assert life.begun.count("validate") == 2, "the same once more is no news"
    life.signal(report(COMPLETED))
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.terms.title == "As negotiated"


def test_a_deal_that_changes_while_it_is_read_is_read_once_more() -> None:
    life = waiting()
    life.held_back.add("read_deal")
    life.send(CustomerRefresh(by="hubspot"))
    life.deal = fixed_price(title="Later")
    old = life.acts["read_deal"]
    life.send(CustomerRefresh(by="hubspot"))
    assert life.acts["read_deal"] is old
    life.release("read_deal")
    assert life.state.terms.title == "Later"
    assert life.begun.count("read_deal") == 3


def test_a_deal_that_is_mended_in_the_crm_mends_a_contract_that_was_not_valid() -> None:
    life = Played(fixed_price(title=""), system="hubspot", signature="docusign")
    assert [item.step for item in life.state.exceptions] == ["validate"]
    life.deal = fixed_price(title="Website")
    life.send(CustomerRefresh(by="hubspot"))
    assert life.state.exceptions == ()
    assert (life.stage(), life.state.terms.title) == (ContractStage.SIGNING, "Website")


def test_a_deal_that_is_won_again_is_read_again_by_itself() -> None:
    life = waiting()
    life.fates["read_deal"] = [Failed("business", "deal_not_won", "it was reopened")]
    life.send(CustomerRefresh(by="hubspot"))
    assert exception(life)[0] == "deal_not_won"
    life.send(CustomerRefresh(by="hubspot"))
    assert (life.stage(), life.state.exceptions) == (ContractStage.SIGNING, ())


def test_a_deal_that_changes_after_the_signature_changes_no_terms() -> None:
    life = Played(fixed_price(), system="hubspot", signature="docusign", held_back={"validate"})
    life.release("validate")
    life.held_back.add("validate")
    life.signal(report(COMPLETED))
    life.deal = fixed_price(title="After the signature")
    with pytest.raises(Refused, match="counts as its deal was then"):
        life.send(CustomerRefresh(by="hubspot"))
    life.release("validate")
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.terms.title != "After the signature"


def test_what_a_person_amended_is_not_read_over_either() -> None:
    life = Played(fixed_price(title=""), system="hubspot", signature="docusign")
    life.resolve(Choice.AMEND, changes={"title": "Amended"})
    with pytest.raises(Refused, match="somebody has amended what the deal said"):
        life.send(CustomerRefresh(by="hubspot"))
    assert life.state.terms.title == "Amended"


def test_a_second_envelope_signs_the_deal_as_it_is_then() -> None:
    life = waiting()
    life.held_back.add("validate")
    life.signal(report(COMPLETED))
    life.signal(report(VOIDED, hours=1))
    life.release("validate")
    life.deal = fixed_price(title="As negotiated")
    life.signal(report(COMPLETED, "env-2", hours=2))
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.terms.title == "As negotiated"


def test_what_a_person_amended_before_the_signature_is_not_read_over() -> None:
    life = Played(fixed_price(title=""), system="hubspot", signature="docusign")
    life.resolve(Choice.AMEND, changes={"title": "Amended"})
    assert life.stage() is ContractStage.SIGNING
    life.signal(report(COMPLETED))
    assert life.state.terms.title == "Amended"


def test_a_deal_that_is_won_no_more_at_its_signature_is_for_a_person() -> None:
    life = waiting()
    life.fates["read_deal"] = [Failed("business", "deal_not_won", "it was reopened")]
    life.signal(report(COMPLETED))
    assert exception(life) == ("deal_not_won", "it was reopened", ["retry", "cancel"])
    life.resolve(Choice.RETRY)
    assert life.stage() is ContractStage.ACTIVE


def test_a_day_of_signature_that_the_terms_do_not_bear_parks_for_sales() -> None:
    life = waiting(starts_on=None, ends_on="2026-03-01")
    life.signal(report(COMPLETED))
    [found] = life.state.exceptions
    assert (found.step, found.code, found.field) == ("validate", "dates_out_of_order", "ends_on")
    life.resolve(Choice.AMEND, changes={"ends_on": "2026-12-31"})
    assert life.stage() is ContractStage.ACTIVE


def test_an_envelope_that_comes_before_the_deal_is_read_is_kept() -> None:
    life = Played(fixed_price(), system="hubspot", signature="docusign", held_back={"read_deal"})
    life.signal(report(COMPLETED))
    life.release("read_deal")
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.terms.signed_on == date(2026, 3, 2)


def test_a_contract_whose_crm_waits_for_no_signature_is_set_up_at_once() -> None:
    life = Played(fixed_price(), system="hubspot")
    assert "signing" not in stages(life)
    life.signal(report(COMPLETED))
    assert life.state.terms.signed_on == STATED
    assert life.state.signature.attached is not None


@pytest.mark.parametrize(
    ("status", "code"), [(DECLINED, "envelope_declined"), (VOIDED, "envelope_voided")]
)
def test_an_envelope_without_a_signature_is_for_a_person(status: EnvelopeStatus, code: str) -> None:
    life = waiting()
    life.signal(report(status, reason="the price is wrong"))
    text = f"the envelope was {status}: the price is wrong"
    assert exception(life) == (code, text, ["retry", "skip", "cancel"])


def test_a_person_waits_for_another_envelope_and_the_declined_one_is_no_news_any_more() -> None:
    life = waiting()
    life.signal(report(DECLINED))
    life.resolve(Choice.RETRY)
    life.signal(report(DECLINED))
    assert life.state.exceptions == ()
    assert life.stage() is ContractStage.SIGNING
    life.signal(report(COMPLETED, "env-2", hours=5))
    assert life.stage() is ContractStage.ACTIVE


def test_a_declined_envelope_that_is_looked_at_again_asks_nobody_again() -> None:
    """A service that knows only when it was opened last gives it another time each time."""
    life = waiting()
    life.signal(report(DECLINED))
    life.resolve(Choice.RETRY)
    life.signal(report(DECLINED, hours=3))
    assert life.state.exceptions == ()


@pytest.mark.parametrize("end", [COMPLETED, DECLINED, VOIDED])
def test_what_was_read_before_the_end_and_comes_after_it_takes_nothing_back(
    end: EnvelopeStatus,
) -> None:
    life = waiting()
    life.held_back.add("read_deal")
    life.signal(report(SENT))
    life.signal(report(end))
    life.signal(report(SENT))
    life.signal(report(SENT, hours=1))
    assert life.state.signature.envelope is not None
    assert life.state.signature.envelope.status is end


def test_the_end_of_an_envelope_counts_whatever_its_time() -> None:
    life = waiting()
    life.signal(report(SENT, hours=2))
    life.signal(report(DECLINED))
    assert exception(life)[0] == "envelope_declined"


def test_another_envelope_that_is_sent_ends_the_exception() -> None:
    life = waiting()
    life.signal(report(VOIDED))
    life.signal(report(SENT, "env-2", hours=1))
    assert life.state.exceptions == ()
    assert contract_waits(life.state)[1] == "the signature, by envelope env-2"


def test_a_person_skips_the_envelope_and_answers_for_the_signature() -> None:
    life = waiting()
    life.signal(report(DECLINED))
    life.resolve(Choice.SKIP, reason="signed on paper")
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.signature.confirmed is not None
    assert life.state.signature.confirmed.reason == "signed on paper"
    assert signing.ATTACH_SIGNED not in life.begun


def test_a_person_cancels_a_contract_that_nobody_signs() -> None:
    life = waiting()
    life.signal(report(DECLINED))
    life.resolve(Choice.CANCEL)
    assert life.stage() is ContractStage.CANCELLED
    assert "provision" not in life.begun


def test_a_person_confirms_a_signature_on_paper_of_a_day() -> None:
    life = waiting()
    life.send(SignatureConfirmed(by=SAM, reason="on paper", on=date(2026, 3, 5)))
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.terms.signed_on == date(2026, 3, 5)
    with pytest.raises(Refused, match="the contract is active: it counts as signed"):
        life.send(SignatureConfirmed(by=SAM, reason="again"))


def test_a_signature_that_nobody_waits_for_is_not_confirmed() -> None:
    life = Played(fixed_price(), system="hubspot", held_back={"validate"})
    with pytest.raises(Refused, match="waits for no signature"):
        life.send(SignatureConfirmed(by=SAM, reason="on paper"))


def test_reports_in_any_order_come_to_the_same() -> None:
    reports = [report(SENT), report(DECLINED, "env-0", hours=-9), report(COMPLETED, hours=2)]
    for order in (reports, reports[::-1], [reports[1], reports[2], reports[0]]):
        life = waiting()
        for item in (*order, *order):
            life.signal(item)
        assert life.stage() is ContractStage.ACTIVE
        assert life.state.signature.envelope == reports[2].envelope
        assert life.state.exceptions == ()


def test_any_number_of_envelopes_comes_to_the_same_in_any_order() -> None:
    """A document is replaced: the first is voided, the next is sent, perhaps in the same second."""
    told = [
        report(SENT),
        report(VOIDED, hours=2),
        report(SENT, "env-2", hours=2),
        report(DECLINED, "env-2", hours=2),
        report(SENT, "env-3"),
    ]
    for count in range(1, len(told) + 1):
        for some in combinations(told, count):
            ends = {Signature().model_dump_json()}
            for order in permutations(some):
                signature = Signature()
                for item in order:
                    signature = signature.with_report(item)
                ends.add(signature.model_dump_json())
            assert len(ends) == 2, some


def test_an_envelope_that_ends_asks_nobody_while_another_is_on_its_way() -> None:
    life = waiting()
    life.signal(report(SENT, "env-2", hours=1))
    life.signal(report(VOIDED, hours=3))
    assert life.state.exceptions == ()
    life.signal(report(VOIDED, "env-2", hours=2))
    assert exception(life)[0] == "envelope_voided"
    life.resolve(Choice.RETRY)
    assert life.state.exceptions == ()


def test_the_envelope_that_was_signed_first_counts() -> None:
    life = waiting()
    life.held_back.add("read_deal")
    life.signal(report(COMPLETED, "env-2", hours=60))
    life.signal(report(COMPLETED, "env-1", hours=2))
    life.release("read_deal")
    assert life.state.signature.envelope is not None
    assert life.state.signature.envelope.envelope_id == "env-1"
    assert life.state.terms.signed_on == date(2026, 3, 2)


def test_what_a_contract_keeps_of_envelopes_is_bounded() -> None:
    signature = Signature()
    for number in range(100):
        signature = signature.with_report(report(DECLINED, f"env-{number}", hours=number))
    assert len(signature.envelopes) == MOST_ENVELOPES
    assert signature.envelope is not None
    assert signature.envelope.envelope_id == "env-99"


def test_a_signature_is_not_taken_back_because_its_envelope_was_deleted_since() -> None:
    """What was read of it last was that it was on its way."""
    life = waiting()
    life.held_back.add("read_deal")
    life.signal(report(SENT))
    life.signal(report(COMPLETED, hours=2))
    life.signal(report(VOIDED, reason="the service has it no more"))
    assert life.state.signature.is_completed


def test_a_decline_after_the_set_up_is_only_noted() -> None:
    life = waiting()
    life.signal(report(COMPLETED))
    life.signal(report(VOIDED, hours=50, reason="a mistake"))
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.exceptions == ()
    assert life.state.signature.is_completed
    [text] = [e.text for e in life.state.journal.entries if "signed already" in e.text]
    assert text == "Envelope env-1 of docusign is voided: a mistake; the contract is signed already"


def test_an_envelope_that_is_voided_before_the_set_up_counts_as_it_is_now() -> None:
    life = Played(fixed_price(), system="hubspot", signature="docusign", held_back={"validate"})
    life.signal(report(COMPLETED))
    life.signal(report(VOIDED, hours=1))
    life.release("validate")
    assert exception(life)[0] == "envelope_voided"


def test_an_envelope_of_another_deal_is_refused() -> None:
    life = waiting()
    other = report(COMPLETED, deal="77")
    with pytest.raises(Refused, match="the envelope signs deal 77 of hubspot"):
        life.send(other)


def test_the_signed_document_is_attached_beside_everything_else() -> None:
    life = Played(
        fixed_price(), system="hubspot", signature="docusign", held_back={"attach_signed"}
    )
    life.signal(report(COMPLETED))
    life.reach("design")
    assert len(life.invoices) == 1
    life.release("attach_signed")
    attached = life.state.signature.attached
    assert attached is not None
    sentence = f"Attached to the order: env-1.pdf, SHA-256 {attached.sha256}"
    assert sentence in contract_details(life.state)
    assert sentence in statement(life.state).signed
    assert "by Ada <ada@client.example>" in statement(life.state).signed[0]


def test_a_document_that_cannot_be_had_parks_and_holds_up_the_close_only() -> None:
    life = Played(fixed_price(), system="hubspot", signature="docusign")
    life.fates["attach_signed"] = [Failed("business", "envelope_not_found", "it is gone")]
    life.signal(report(COMPLETED))
    life.reach(*(item.key for item in life.state.terms.milestones))
    numbers = list(life.invoices)
    life.issue(*numbers)
    life.settle(*numbers)
    assert life.stage() is ContractStage.CLOSING
    assert exception(life) == ("envelope_not_found", "it is gone", ["retry", "skip"])
    life.resolve(Choice.SKIP, reason="attached by hand")
    assert life.stage() is ContractStage.CLOSED
    assert life.state.signature.not_attached == "olga@northwind.example: attached by hand"


def test_what_is_signed_while_the_contract_is_closed_out_is_attached_first() -> None:
    life = Played(fixed_price(), system="hubspot", held_back={"close_out"})
    life.reach(*(item.key for item in life.state.terms.milestones))
    numbers = list(life.invoices)
    life.issue(*numbers)
    life.settle(*numbers)
    assert "close_out" in life.acts
    life.signal(report(COMPLETED))
    life.release("close_out")
    assert life.stage() is ContractStage.CLOSED
    assert life.state.signature.attached is not None
    assert life.begun.count("close_out") == 2


def test_an_ended_contract_refuses_what_is_reported_of_its_envelope() -> None:
    life = waiting()
    life.signal(report(DECLINED))
    life.resolve(Choice.CANCEL)
    with pytest.raises(Refused, match="the contract is cancelled"):
        life.send(report(COMPLETED))


def test_it_waits_on_in_another_run() -> None:
    life = waiting()
    life.renew()
    life.signal(report(COMPLETED))
    life.renew()
    assert life.stage() is ContractStage.ACTIVE
    assert life.begun.count("attach_signed") == 1
