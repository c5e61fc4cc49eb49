"""Which invoices a bank line pays: each rule, and what must not be booked."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bank.ledger import Ledger
from contracts.bank.matching import CannotApply, decided, match
from contracts.bank.statement import BankLine, Details
from contracts.bank.verdicts import (
    Booked,
    Hint,
    LearnedIban,
    NotOurs,
    NotOursReason,
    OpenItem,
    Parked,
    Part,
    Returned,
    Rule,
    Verdict,
)
from contracts.money import Money
from tests.unit.bank.made import DAY, PAYER, POLICY, euros, invoice, line

ACME, OTHER_IBAN = "Acme Logistics NV", "NL56AGDH9619008421"
REFERENCE = "+++090/9337/55493+++"
GLOBEX: dict[str, Any] = {"partner": 2, "partner_name": "Globex Foods BV", "ibans": (OTHER_IBAN,)}
ITEMS = (
    invoice(11, "INV/2026/00011", reference=REFERENCE),
    invoice(12, "INV/2026/00012", "300.00", ibans=(PAYER,), ids=("DD12",)),
    invoice(13, "INV/2026/00013", "450.00"),
    invoice(21, "INV/2026/00021", "300.00", **GLOBEX),
    invoice(22, "INV/2026/00022", "990.00", **GLOBEX),
    invoice(31, "INV/2026/00031", money=Money("500.00", "USD")),
    invoice(41, "INV/2026/00041", "77.00", company=2),
    invoice(51, "INV/2026/00051", "800.00", open=euros("0.00")),
    invoice(61, "RINV/2026/00001", "-100.00"),
)


def ledger(*more: OpenItem) -> Ledger:
    return Ledger((*ITEMS, *more))


def verdict(amount: str, *texts: str, **facts: Any) -> Verdict:
    return match(line(amount, texts=texts, **facts), ledger(), POLICY)


def parts(found: Verdict) -> dict[int, str]:
    assert isinstance(found, Booked), found
    return {part.move: str(part.amount.amount) for part in found.parts}


def assert_parked(found: Verdict, code: str, *first: int) -> Parked:
    assert isinstance(found, Parked), found
    assert found.problem.code == code
    if first:
        assert [part.move for part in found.candidates[0].parts] == list(first)
    return found


# --- what is named ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        {"references": ("090933755493",)},
        {"references": (REFERENCE,)},
        {"texts": (f"thanks {REFERENCE}",)},
        {"texts": ("090/9337/", "55493")},
        {"references": (REFERENCE,), "counterparty": "Globex", "counterparty_iban": OTHER_IBAN},
    ],
)
def test_a_structured_reference_is_certain_whoever_pays(facts: dict[str, Any]) -> None:
    found = match(line("1210.00", **facts), ledger(), POLICY)
    assert parts(found) == {11: "1210.00"}
    assert isinstance(found, Booked)
    assert found.rule is Rule.REFERENCE


def test_what_is_certain_counts_alone_if_it_has_the_amount() -> None:
    both: dict[str, Any] = {"references": (REFERENCE,), "texts": ("INV/2026/00013",)}
    assert parts(match(line("1210.00", **both), ledger(), POLICY)) == {11: "1210.00"}
    assert parts(match(line("1660.00", **both), ledger(), POLICY)) == {11: "1210.00", 13: "450.00"}
    assert_parked(match(line("1500.00", **both), ledger(), POLICY), "payment_amount_differs")


def test_an_end_to_end_id_of_ours_is_certain() -> None:
    found = verdict("300.00", end_to_end_id="DD12")
    assert parts(found) == {12: "300.00"}
    assert isinstance(found, Booked)
    assert found.rule is Rule.END_TO_END_ID


def test_a_number_in_the_text_is_enough_if_the_amount_is_right() -> None:
    assert parts(verdict("300.00", "inv 2026 00012")) == {12: "300.00"}
    assert parts(verdict("300.00", end_to_end_id="INV/2026/00012")) == {12: "300.00"}


def test_several_numbers_are_paid_together_with_their_credit_notes() -> None:
    assert parts(verdict("750.00", "INV/2026/00012 INV/2026/00013")) == {12: "300.00", 13: "450.00"}
    with_credit = verdict("350.00", "INV/2026/00013 less RINV/2026/00001")
    assert parts(with_credit) == {13: "450.00", 61: "-100.00"}


@pytest.mark.parametrize(
    "text", ["INV/2026/00012, 13", "INV/2026/00012-13", "INV/2026/00012 + 0013"]
)
def test_a_list_may_name_the_rest_by_its_last_digits(text: str) -> None:
    assert parts(verdict("750.00", text)) == {12: "300.00", 13: "450.00"}


def test_a_part_is_paid_of_what_is_named_for_certain_or_by_a_payer_who_is_known() -> None:
    assert parts(verdict("500.00", references=(REFERENCE,))) == {11: "500.00"}
    assert parts(verdict("200.00", "INV/2026/00013", counterparty_iban=PAYER)) == {13: "200.00"}
    assert parts(verdict("200.00", "INV/2026/00013", counterparty="ACME LOGISTICS")) == {
        13: "200.00"
    }
    assert_parked(verdict("200.00", "INV/2026/00013"), "payer_differs", 13)
    assert_parked(verdict("200.00", "INV/2026/00013 INV/2026/00012"), "payment_amount_differs")


def test_a_part_that_is_another_invoice_to_the_cent_is_a_question() -> None:
    # The words of the last transfer, and the amount of this one.
    found = verdict("450.00", references=(REFERENCE,), counterparty_iban=PAYER)
    assert_parked(found, "payment_amount_differs")


def test_within_tolerance_the_difference_is_booked_apart() -> None:
    for amount, difference in (("1209.01", "-0.99"), ("1211.00", "1.00")):
        found = verdict(amount, references=(REFERENCE,))
        assert parts(found) == {11: "1210.00"}
        assert isinstance(found, Booked)
        assert found.difference is not None
        assert (found.difference.amount, found.difference.account) == (euros(difference), "658000")
    assert_parked(verdict("1211.01", references=(REFERENCE,)), "payment_amount_differs", 11)
    strict = match(
        line("1209.50", references=(REFERENCE,)), ledger(), POLICY.replace(difference_account="")
    )
    assert parts(strict) == {11: "1209.50"}, "a part: nothing is tolerated without an account"


def test_what_is_named_and_cannot_be_paid_parks() -> None:
    assert_parked(verdict("800.00", "INV/2026/00051"), "invoice_paid_already")
    assert_parked(verdict("500.00", "INV/2026/00031"), "payment_currency_differs", 31)
    assert_parked(verdict("77.00", "INV/2026/00041"), "payment_company_differs", 41)


def test_somebody_elses_account_parks_unless_the_reference_is_certain() -> None:
    foreign = {"counterparty_iban": OTHER_IBAN}
    assert_parked(verdict("450.00", "INV/2026/00013", **foreign), "payer_differs", 13)
    namesake = verdict("450.00", "INV/2026/00013", counterparty="Globex Foods")
    assert_parked(namesake, "payer_differs", 13)


# --- slips and short numbers --------------------------------------------------------------------


def test_a_slip_is_forgiven_if_payer_and_amount_are_right() -> None:
    found = verdict("450.00", "INV/2026/00103", counterparty_iban=PAYER)
    assert parts(found) == {13: "450.00"}
    assert isinstance(found, Booked)
    assert found.rule is Rule.NUMBER_MISSPELT
    assert_parked(verdict("450.00", "INV/2026/00103"), "payment_unidentified", 13)


def test_a_slip_that_is_another_customers_number_is_not_theirs() -> None:
    # Acme writes 00022, which is Globex's, and means its 00012.
    slip = verdict("300.00", "INV/2026/00022", counterparty_iban=PAYER)
    assert parts(slip) == {12: "300.00"}
    # 00021 has the very amount: nobody knows.
    assert_parked(verdict("300.00", "INV/2026/00021", counterparty_iban=PAYER), "payer_differs")


def test_a_payment_that_comes_twice_is_no_slip() -> None:
    again = invoice(52, "INV/2026/00052", "800.00")
    found = match(
        line("800.00", texts=("INV/2026/00051",), counterparty_iban=PAYER), ledger(again), POLICY
    )
    assert_parked(found, "invoice_paid_already")


@pytest.mark.parametrize("text", ["13", "2026/13", "invoice no. 00013"])
def test_a_short_number_is_enough_of_a_payer_who_is_known(text: str) -> None:
    assert parts(verdict("450.00", text, counterparty_iban=PAYER)) == {13: "450.00"}
    assert_parked(verdict("450.00", text), "payment_unidentified", 13)
    assert_parked(verdict("449.00", text, counterparty_iban=PAYER), "payment_unidentified", 13)


# --- account and amount -------------------------------------------------------------------------


def test_a_known_account_and_the_amount_of_one_invoice_are_enough() -> None:
    found = verdict("450.00", "thank you", counterparty_iban=PAYER)
    assert parts(found) == {13: "450.00"}
    assert isinstance(found, Booked)
    assert (found.rule, found.learned) == (Rule.KNOWN_IBAN, None)


def test_a_name_and_an_amount_are_only_proposed() -> None:
    found = assert_parked(verdict("450.00", counterparty=ACME), "payment_unidentified", 13)
    assert found.candidates[0].hints == (Hint.NAME, Hint.AMOUNT)


@pytest.mark.parametrize(
    ("texts", "references", "code"),
    [
        (("INV/2026/00999",), (), "payment_number_unknown"),
        ((), ("RF18539007547034",), "payment_number_unknown"),
    ],
)
def test_a_number_that_is_unknown_contradicts_the_amount(
    texts: tuple[str, ...], references: tuple[str, ...], code: str
) -> None:
    found = verdict("450.00", *texts, references=references, counterparty_iban=PAYER)
    assert_parked(found, code, 13)


def test_two_invoices_or_sums_of_an_amount_are_a_question() -> None:
    twin = invoice(14, "INV/2026/00014", "450.00")
    paid = line("450.00", counterparty_iban=PAYER)
    assert_parked(match(paid, ledger(twin), POLICY), "payment_ambiguous", 13)
    half = invoice(15, "INV/2026/00015", "150.00")
    assert_parked(match(paid, ledger(half), POLICY), "payment_ambiguous", 13)


def test_the_same_amount_again_within_days_is_a_question() -> None:
    known = ledger(invoice(14, "INV/2026/00014", "450.00"))
    first = line("450.00", texts=("INV/2026/00013",), counterparty_iban=PAYER)
    booked = match(first, known, POLICY)
    assert isinstance(booked, Booked)
    known.book(booked, first)
    for days, is_question in ((5, True), (28, False)):
        again = line("450.00", counterparty_iban=PAYER, booked_on=DAY + timedelta(days))
        found = match(again, known, POLICY)
        if is_question:
            assert_parked(found, "payment_perhaps_repeated", 14)
        else:
            assert parts(found) == {14: "450.00"}


def test_a_sum_without_numbers_is_proposed() -> None:
    found = assert_parked(verdict("750.00", counterparty_iban=PAYER), "payment_unidentified")
    assert {part.move for part in found.candidates[0].parts} == {12, 13}


# --- what is not ours ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "facts", "reason"),
    [
        ("-12.00", {"code": "ACMT/MDOP/CHRG"}, NotOursReason.BANK),
        ("3.00", {"code": "ACMT/MCOP/INTR"}, NotOursReason.BANK),
        ("0.00", {}, NotOursReason.BANK),
        (
            "-300.00",
            {"texts": ("INV/2026/00012",), "counterparty": "Office Ltd"},
            NotOursReason.OUTGOING,
        ),
        ("-300.00", {"details": Details.AWAITED}, NotOursReason.OUTGOING),
        ("300.00", {"is_returned": True, "texts": ("INV/2026/00012",)}, NotOursReason.OUTGOING),
    ],
)
def test_what_pays_nothing_of_ours_is_left_alone(
    amount: str, facts: dict[str, Any], reason: NotOursReason
) -> None:
    found = match(line(amount, **facts), ledger(), POLICY)
    assert found == NotOurs(line=line(amount).key, reason=reason)


def test_money_that_goes_out_to_the_customer_whose_invoice_it_names_is_a_question() -> None:
    found = verdict("-300.00", "INV/2026/00012", counterparty_iban=PAYER)
    assert_parked(found, "payment_direction_differs", 12)


def test_a_strangers_payment_is_not_booked() -> None:
    assert_parked(verdict("450.00", "rent", counterparty="Jan Smit"), "payment_unidentified", 13)
    nothing = match(line("5.55", counterparty="Jan Smit"), Ledger(), POLICY)
    assert assert_parked(nothing, "payment_unidentified").candidates == ()


@pytest.mark.parametrize(
    ("details", "code"),
    [(Details.AWAITED, "payment_details_awaited"), (Details.DIFFERENT, "payment_details_differ")],
)
def test_an_entry_whose_payments_are_not_known_parks(details: Details, code: str) -> None:
    found = match(line("300.00", texts=("INV/2026/00012",), details=details), ledger(), POLICY)
    assert_parked(found, code)


# --- what came back -----------------------------------------------------------------------------


def debited() -> tuple[Ledger, BankLine]:
    """The ledger after a debit of invoice 12 was booked."""
    known = ledger()
    debit = line("300.00", end_to_end_id="DD12", counterparty_iban=PAYER)
    booked = match(debit, known, POLICY)
    assert isinstance(booked, Booked)
    known.book(booked, debit)
    assert known.item(12).open.is_zero
    return known, debit


@pytest.mark.parametrize(
    "facts",
    [
        {"end_to_end_id": "DD12"},
        {"counterparty_iban": PAYER},
        {"counterparty_iban": PAYER, "is_returned": False, "is_reversal": True},
    ],
)
def test_a_return_undoes_the_payment_and_opens_its_invoices(facts: dict[str, Any]) -> None:
    known, debit = debited()
    back = line(
        "-300.00", reference="BACK", **{"is_returned": True, "return_reason": "AM04", **facts}
    )
    found = match(back, known, POLICY)
    assert isinstance(found, Returned)
    assert (found.undoes, found.reason) == (debit.key, "AM04")
    assert found.parts == (Part(move=12, amount=euros("300.00")),)
    known.book(found, back)
    assert known.item(12).open == euros("300.00")
    assert_parked(match(back, known, POLICY), "return_unidentified")


def test_what_the_bank_keeps_of_a_return_is_a_difference_within_tolerance() -> None:
    known, _ = debited()
    back = line("-300.60", is_returned=True, end_to_end_id="DD12")
    found = match(back, known, POLICY)
    assert isinstance(found, Returned)
    assert found.difference is not None
    assert found.difference.amount == euros("-0.60")
    dear = match(line("-305.00", is_returned=True, end_to_end_id="DD12"), known, POLICY)
    assert assert_parked(dear, "return_unidentified").candidates[0].undoes == found.undoes


def test_two_payments_that_a_return_may_undo_are_a_question() -> None:
    known, debit = debited()
    known.remember(known.lines_of_id("DD12")[0].replace(line="another"))
    back = line("-300.00", is_returned=True, counterparty_iban=PAYER)
    found = assert_parked(match(back, known, POLICY), "return_unidentified")
    assert {item.undoes for item in found.candidates} == {debit.key, "another"}


# --- what is learned, what a person decides -----------------------------------------------------


def test_an_account_is_learned_where_the_name_is_the_partners() -> None:
    new = "DE02120300000000202051"
    named = verdict("1210.00", references=(REFERENCE,), counterparty=ACME, counterparty_iban=new)
    assert isinstance(named, Booked)
    assert named.learned == LearnedIban(partner=1, iban=new)
    agent = verdict(
        "1210.00", references=(REFERENCE,), counterparty="Payrail", counterparty_iban=new
    )
    assert isinstance(agent, Booked)
    assert agent.learned is None
    known = ledger()
    known.book(named, line("1210.00", counterparty_iban=new))
    later = match(line("450.00", reference="NEXT", counterparty_iban=new), known, POLICY)
    assert parts(later) == {13: "450.00"}


def test_a_person_decides_and_the_account_is_learned() -> None:
    foreign = line("450.00", counterparty="Globex Foods", counterparty_iban=OTHER_IBAN)
    found = decided(foreign, [13], ledger(), POLICY)
    assert (found.rule, parts(found)) == (Rule.PERSON, {13: "450.00"})
    assert found.learned == LearnedIban(partner=1, iban=OTHER_IBAN)


def test_a_person_applies_in_order_and_up_to_what_is_open() -> None:
    assert parts(decided(line("500.00"), [13, 12], ledger(), POLICY)) == {13: "450.00", 12: "50.00"}
    tolerated = decided(line("750.50"), [13, 12], ledger(), POLICY)
    assert parts(tolerated) == {13: "450.00", 12: "300.00"}
    assert tolerated.difference is not None
    assert tolerated.difference.amount == euros("0.50")


@pytest.mark.parametrize(
    ("amount", "moves", "codes"),
    [
        ("751.50", [13, 12], ["payment_amount_differs"]),
        (
            "1.00",
            [51, 31, 41],
            ["invoice_paid_already", "payment_currency_differs", "payment_company_differs"],
        ),
        ("1.00", [], ["payment_unidentified"]),
    ],
)
def test_a_decision_that_cannot_be_booked_is_refused_with_every_problem(
    amount: str, moves: list[int], codes: list[str]
) -> None:
    with pytest.raises(CannotApply) as refused:
        decided(line(amount), moves, ledger(), POLICY)
    assert [problem.code for problem in refused.value.problems] == codes


# --- what always holds --------------------------------------------------------------------------

_TEXTS = st.sampled_from(
    [
        "INV/2026/00012",
        "INV/2026/00013",
        "13",
        "INV/2026/00051",
        "thanks",
        REFERENCE,
        "RINV/2026/00001",
    ]
)


@given(
    st.integers(-200_000, 200_000),
    st.lists(_TEXTS, max_size=3),
    st.sampled_from(["", PAYER, OTHER_IBAN]),
    st.booleans(),
)
def test_what_is_booked_adds_up_and_never_pays_more_than_is_open(
    cents: int, texts: list[str], iban: str, is_returned: bool
) -> None:
    known = ledger()
    paid = line(
        str(Decimal(cents) / 100),
        texts=tuple(texts),
        counterparty_iban=iban,
        is_returned=is_returned,
    )
    found = match(paid, known, POLICY)
    if isinstance(found, Booked):
        difference = euros("0.00") if found.difference is None else found.difference.amount
        assert Money.total((part.amount for part in found.parts), "EUR") + difference == paid.amount
        assert found.difference is None or POLICY.tolerates(difference)
        for part in found.parts:
            assert 0 < abs(part.amount.amount) <= abs(known.item(part.move).open.amount)
        known.book(found, paid)
        assert all(
            known.item(part.move).open.amount * part.amount.amount >= 0 for part in found.parts
        )
    assert found.line == paid.key


def test_a_ledger_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.bank.ledger.MAX_ITEMS", 1)
    with pytest.raises(ValueError, match="more than 1 invoices"):
        ledger()


def test_a_collection_that_came_back_waits_for_its_payments() -> None:
    """It is not ours to forget: the invoices that it paid are open again."""
    for details, code in [
        (Details.AWAITED, "payment_details_awaited"),
        (Details.DIFFERENT, "payment_details_differ"),
    ]:
        found = match(line("-500.00", is_returned=True, details=details), Ledger(), POLICY)
        assert isinstance(found, Parked)
        assert found.problem.code == code
