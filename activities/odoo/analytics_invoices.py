"""Posted invoices of contracts with what settles them, for the analytics export, receivables and
figures: in pages.

Each page takes as many queries as any other, however many invoices there are of a contract.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from activities.odoo.needs import ACCOUNTING, EXPORT, SALES, Need
from activities.odoo.paging import pages_of
from contracts.analytics.invoices import (
    How,
    Part,
    PostedInvoice,
    Settlement,
    cash_in,
    usual_delay,
)
from contracts.analytics.tables import Forecast
from contracts.billing.lines import rounded
from contracts.currencies import EXPONENTS
from contracts.identifiers import (
    contract_of,
    legal_entity_of,
    origins_of_entity,
    workflow_of_origin,
)
from gateways.fields import names
from gateways.odoo import OdooClient

PAGE_ROWS = 500
"""Invoices of a page; Odoo answers in about a second."""
PAGE_IDS = 5_000
BEHAVIOUR_DAYS = 730
"""How far back it is looked when customers paid."""
MOST_CUSTOMERS = 5_000
"""How many customers' delays are kept at a time, so that most are looked up once."""

_MOVE, _LINE, _PARTIAL = "account.move", "account.move.line", "account.partial.reconcile"
_MOVE_FIELDS = names("""
    name move_type invoice_date invoice_date_due invoice_origin commercial_partner_id currency_id
    company_currency_id amount_untaxed amount_total amount_untaxed_signed
""")
_LINE_FIELDS = ("move_id", "date_maturity", "amount_currency", "balance")
_PARTIAL_FIELDS = names("""
    debit_move_id credit_move_id debit_amount_currency credit_amount_currency amount max_date
""")
_DUE_FIELDS = ("partner_id", "date_maturity")
_OTHER_FIELDS = ("move_id", "move_type", "journal_id")
_SALES = ["out_invoice", "out_refund"]
_OF_MONEY = ["bank", "cash", "credit"]

NEEDS = (
    Need(_MOVE, (*_MOVE_FIELDS, "state", "company_id", "amount_residual"), access=ACCOUNTING),
    Need(
        _LINE,
        (
            *(*_LINE_FIELDS, *_OTHER_FIELDS, *_DUE_FIELDS),
            *("company_id", "display_type", "parent_state", "reconciled"),
        ),
        access=ACCOUNTING,
    ),
    Need("account.journal", ("type", "company_id", "active"), access=ACCOUNTING),
    Need(_PARTIAL, (*_PARTIAL_FIELDS, "company_id"), access=ACCOUNTING, only_for=EXPORT),
    Need("sale.order", ("origin", "project_id"), access=SALES),
)

Row = Mapping[str, Any]
LeftOut = Callable[[str, str], None]
"""Receives the number of each invoice that cannot be read, and why."""


class OdooPostedInvoices:
    """The posted invoices of one legal entity's contracts, up to a day. Raises GatewayError, and
    KeyError for an invoice that cannot be read, unless `left_out` receives it."""

    def __init__(
        self,
        odoo: OdooClient,
        company_id: int,
        legal_entity: str,
        day: date,
        left_out: LeftOut | None = None,
    ) -> None:
        self._odoo = odoo.with_company(company_id)
        self._company_id = company_id
        self._entity = legal_entity
        self._day = day
        self._left_out = left_out
        self._delays: dict[int, int] = {}

    def pages(self, touched_since: date | None = None) -> Iterator[list[PostedInvoice]]:
        """All of them, in the order of their ids; or of them those that are open now, and those
        that were invoiced or settled after a day."""
        if touched_since is None:
            yield from self._pages()
            return
        since = str(touched_since)
        yield from self._pages("|", ("amount_residual", "!=", 0), ("invoice_date", ">", since))
        for ids in self._settled_after(since):
            before = ("amount_residual", "=", 0), ("invoice_date", "<=", since)
            yield from self._pages(("id", "in", ids), *before)

    def _pages(self, *also: Any) -> Iterator[list[PostedInvoice]]:
        domain = [
            ("company_id", "=", self._company_id),
            ("move_type", "in", _SALES),
            ("state", "=", "posted"),
            ("invoice_origin", "=like", origins_of_entity(self._entity)),
            ("invoice_date", "<=", str(self._day)),
            *also,
        ]
        for rows in pages_of(self._odoo, _MOVE, domain, _MOVE_FIELDS, PAGE_ROWS):
            # `=like` takes an underscore for any letter.
            ours = {
                row["id"]: row
                for row in rows
                if self._entity == legal_entity_of(_id(row)) and self._is_readable(row)
            }
            if ours:
                yield self._invoices(ours)

    def _is_readable(self, row: Row) -> bool:
        unknown = row["currency_id"][1] not in EXPONENTS
        if unknown and self._left_out is not None:
            self._left_out(row["name"], f"{row['currency_id'][1]} is no currency of ISO 4217")
            return False
        return True

    def _settled_after(self, since: str) -> Iterator[list[int]]:
        """The invoices that something settles since a day, each once, in lists of bounded size."""
        domain = [("company_id", "=", self._company_id), ("max_date", ">", since)]
        sides = ("debit_move_id", "credit_move_id")
        seen: set[int] = set()
        for rows in pages_of(self._odoo, _PARTIAL, domain, sides, PAGE_ROWS):
            lines = {row[side][0] for row in rows for side in sides}
            found = self._odoo.by_id(_LINE, lines, ["move_id"], also=[("move_type", "in", _SALES)])
            new = {row["move_id"][0] for row in found.values()} - seen
            seen |= new
            if new:
                yield sorted(new)

    def _invoices(self, moves: Mapping[int, Row]) -> list[PostedInvoice]:
        projects = self._projects({contract_of(_id(row)) for row in moves.values()})
        parts = self._parts(moves)
        return [
            _invoice(row, projects.get(contract_of(_id(row)), ""), parts.get(key, []))
            for key, row in moves.items()
        ]

    def _projects(self, contracts: Collection[str]) -> dict[str, str]:
        orders = self._odoo.find(
            "sale.order", "origin", sorted(contracts), ["origin", "project_id"]
        )
        return {row["origin"]: row["project_id"][1] for row in orders if row["project_id"]}

    def _parts(self, moves: Mapping[int, Row]) -> dict[int, list[Part]]:
        lines = self._odoo.find(
            _LINE,
            "move_id",
            sorted(moves),
            _LINE_FIELDS,
            also=[("display_type", "=", "payment_term")],
            order="id",
        )
        settlements = self._settlements(moves, {line["id"]: line for line in lines})
        found: dict[int, list[Part]] = defaultdict(list)
        for line in lines:
            move = moves[line["move_id"][0]]
            part = Part(
                due_on=date.fromisoformat(line["date_maturity"] or move["invoice_date"]),
                amount=_amount(line["amount_currency"], move["currency_id"]),
                in_books=_amount(line["balance"], move["company_currency_id"]),
                settlements=tuple(settlements.get(line["id"], ())),
            )
            found[move["id"]].append(part)
        return found

    def _settlements(
        self, moves: Mapping[int, Row], lines: Mapping[int, Row]
    ) -> dict[int, list[Settlement]]:
        """By line, what settles it."""
        sides = {side: self._partials(side, lines) for side in ("debit", "credit")}
        others = self._others(sides)
        found: dict[int, list[Settlement]] = defaultdict(list)
        for side, other, sign in (("debit", "credit", 1), ("credit", "debit", -1)):
            for row in sides[side]:
                line = row[f"{side}_move_id"][0]
                move = moves[lines[line]["move_id"][0]]
                settlement = Settlement(
                    # A payment that is deleted meanwhile is an entry that nobody knows.
                    how=others.get(row[f"{other}_move_id"][0], How.ENTRY),
                    on=date.fromisoformat(row["max_date"]),
                    amount=sign * _amount(row[f"{side}_amount_currency"], move["currency_id"]),
                    in_books=sign * _amount(row["amount"], move["company_currency_id"]),
                )
                found[line].append(_back(settlement) if sign < 0 else settlement)
        return found

    def _partials(self, side: str, lines: Collection[int]) -> list[dict[str, Any]]:
        return self._odoo.find(
            _PARTIAL,
            f"{side}_move_id",
            sorted(lines),
            _PARTIAL_FIELDS,
            also=[("max_date", "<=", str(self._day))],
            order="id",
        )

    def _others(self, sides: Mapping[str, Sequence[Row]]) -> dict[int, How]:
        """What the lines are that settle ours, by their ids."""
        wanted = {row["credit_move_id"][0] for row in sides["debit"]}
        wanted |= {row["debit_move_id"][0] for row in sides["credit"]}
        rows = self._odoo.by_id(_LINE, wanted, _OTHER_FIELDS)
        how = {key: self._how(row) for key, row in rows.items()}
        entries = {rows[key]["move_id"][0] for key, item in how.items() if item is How.ENTRY}
        origins = self._odoo.by_id(_MOVE, entries, ["invoice_origin"])
        ours = {
            key for key, row in origins.items() if workflow_of_origin(row["invoice_origin"] or "")
        }
        return {
            key: How.WRITE_OFF if row["move_id"][0] in ours else how[key]
            for key, row in rows.items()
        }

    def _how(self, line: Row) -> How:
        """What a line is that settles another; a bank's entry is money, be it a payment's or a
        statement's."""
        if line["move_type"] in _SALES:
            return How.CREDIT
        return How.PAYMENT if line["journal_id"][0] in self._journals else How.ENTRY

    @cached_property
    def _journals(self) -> frozenset[int]:
        """Where money comes and goes."""
        domain = [
            ("company_id", "=", self._company_id),
            ("type", "in", _OF_MONEY),
            ("active", "in", [True, False]),  # also of banks that are no longer used
        ]
        rows = self._odoo.search_read("account.journal", domain, ["type"])
        return frozenset(row["id"] for row in rows)

    # --- when customers pay ---------------------------------------------------------------------

    def look_up_delays(self, customers: Collection[int]) -> None:
        """Find out how many days after the due date each of these customers usually pays."""
        unknown = set(customers) - self._delays.keys()
        if len(self._delays) + len(unknown) > MOST_CUSTOMERS:
            self._delays, unknown = {}, set(customers)
        if unknown:
            paid = self._paid(unknown)
            self._delays |= {key: usual_delay(paid.get(key, ())) for key in unknown}

    def cash_in(self, invoice: PostedInvoice) -> list[Forecast]:
        """The money that is expected for an invoice, of whose customer the delay was looked up."""
        return cash_in(invoice, self._delays.get(invoice.payer, 0), self._day)

    def _paid(self, customers: Collection[int]) -> dict[int, list[tuple[date, date]]]:
        """By customer, the due dates of what was paid in full, and the days it was."""
        # What customers owe is booked on the firm, whichever contact the invoice is for.
        domain = [
            ("partner_id", "in", sorted(customers)),
            ("company_id", "=", self._company_id),
            ("display_type", "=", "payment_term"),
            ("parent_state", "=", "posted"),
            ("reconciled", "=", True),
            ("balance", ">", 0),
            ("date_maturity", ">=", str(self._day - timedelta(days=BEHAVIOUR_DAYS))),
        ]
        found: dict[int, list[tuple[date, date]]] = defaultdict(list)
        for rows in pages_of(self._odoo, _LINE, domain, _DUE_FIELDS, PAGE_ROWS):
            last = self._last_payments({row["id"] for row in rows})
            for row in rows:
                if row["id"] in last:
                    due = date.fromisoformat(row["date_maturity"])
                    found[row["partner_id"][0]].append((due, last[row["id"]]))
        return found

    def _last_payments(self, lines: Collection[int]) -> dict[int, date]:
        """By line, the day of the last payment of it; lines without one are left out."""
        partials = self._partials("debit", lines)
        credits = {row["credit_move_id"][0] for row in partials}
        rows = self._odoo.by_id(_LINE, credits, ["journal_id"])
        found: dict[int, date] = {}
        for partial in partials:
            line, credit = partial["debit_move_id"][0], rows.get(partial["credit_move_id"][0])
            if credit is not None and credit["journal_id"][0] in self._journals:
                on = date.fromisoformat(partial["max_date"])
                found[line] = max(on, found.get(line, on))
        return found


def invoice_dates(odoo: OdooClient, ids: Collection[int], until: date) -> dict[int, date]:
    """The dates of those of these invoices that are posted, and dated by a day.

    An id of another kind of entry, as after Odoo was restored, is left out.
    """
    found: dict[int, date] = {}
    posted = [("state", "=", "posted"), ("move_type", "in", _SALES)]
    wanted = sorted(ids)
    for start in range(0, len(wanted), PAGE_IDS):
        some = wanted[start : start + PAGE_IDS]
        rows = odoo.by_id(_MOVE, some, ["invoice_date"], also=posted)
        days = {key: date.fromisoformat(row["invoice_date"]) for key, row in rows.items()}
        found |= {key: day for key, day in days.items() if day <= until}
    return found


def _id(move: Row) -> str:
    """The workflow id of an invoice, by its origin; that of a credit note made in Odoo is its
    invoice's."""
    return workflow_of_origin(move["invoice_origin"])


def _invoice(row: Row, project: str, parts: Sequence[Part]) -> PostedInvoice:
    is_credit_note = row["move_type"] == "out_refund"
    sign = -1 if is_credit_note else 1
    return PostedInvoice(
        contract=contract_of(_id(row)).rpartition("/")[2],
        project=project,
        payer=row["commercial_partner_id"][0],
        customer=row["commercial_partner_id"][1],
        number=row["name"],
        is_credit_note=is_credit_note,
        invoiced_on=date.fromisoformat(row["invoice_date"]),
        due_on=date.fromisoformat(row["invoice_date_due"]) if row["invoice_date_due"] else None,
        untaxed=sign * _amount(row["amount_untaxed"], row["currency_id"]),
        total=sign * _amount(row["amount_total"], row["currency_id"]),
        currency=row["currency_id"][1],
        untaxed_in_books=_amount(row["amount_untaxed_signed"], row["company_currency_id"]),
        books=row["company_currency_id"][1],
        parts=tuple(parts),
        workflow_id=_id(row),
    )


def _back(settlement: Settlement) -> Settlement:
    """What settles a credit note: money that was paid back is a refund."""
    if settlement.how is not How.PAYMENT:
        return settlement
    return Settlement(How.REFUND, settlement.on, settlement.amount, settlement.in_books)


def _amount(value: Any, currency: Sequence[Any]) -> Decimal:
    return rounded(Decimal(str(value)), currency[1])
