"""The tables of an export, column by column: the one place that says what they hold.

Amounts have the sign that makes sums right: a credit note and a refund are negative. Days are those
of the legal entity's zone; months are the first day of the month.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, NamedTuple

from contracts.analytics.columns import Table, in_currency, table_of

_ContractId = Annotated[str, "The contract's id."]
_Customer = Annotated[str, "The customer's name: in Odoo, that of the firm and not of its contact."]
_Currency = Annotated[str, "The currency of the amounts, by its ISO 4217 code."]
_Books = Annotated[str, "The currency of the legal entity's books."]
_Month = Annotated[date, "The first day of the month."]
_InvoiceNumber = Annotated[str, "The number of the invoice or credit note in Odoo."]


class Pipeline(NamedTuple):
    """A contract that is known and not running yet: it awaits its data to be right, its signature,
    or its project."""

    contract: _ContractId
    customer: Annotated[str, "The customer's name; empty before the contract's data is valid."]
    stage: Annotated[str, "received, validating, signing or provisioning."]
    value: Annotated[
        Decimal | None,
        in_currency("currency"),
        "What it is worth, without tax; none before its data is valid.",
    ]
    currency: Annotated[str | None, "The currency of the value."]
    waits_for: Annotated[str, "Whom or what it waits for, as lists show it."]
    waiting_since: Annotated[datetime | None, "Since when it waits for that."]
    began_at: Annotated[datetime, "When it became known here."]


class Contracts(NamedTuple):
    """A contract that is valid: running, or ended within the last thirteen months."""

    contract: _ContractId
    title: Annotated[str, "The contract's title."]
    customer: Annotated[str, "The customer's name, as the contract has it."]
    stage: Annotated[str, "Its stage, such as active."]
    ending: Annotated[str, "How it ended: completed, expired, terminated or cancelled; or empty."]
    value: Annotated[Decimal, in_currency("currency"), "What it comes to as amended, without tax."]
    currency: _Currency
    version: Annotated[int, "The version of its terms."]
    project: Annotated[str, "The project's name in Odoo; empty before there is one."]
    sales_order: Annotated[str, "The sales order's number in Odoo; empty before there is one."]
    signed_on: Annotated[date, "The day it was signed."]
    starts_on: Annotated[date, "Its first day."]
    ends_on: Annotated[date | None, "Its last day, where it has one."]
    began_at: Annotated[datetime | None, "When it became known here."]
    ended_at: Annotated[datetime | None, "When it was closed or cancelled here."]
    touchless: Annotated[bool, "Whether nothing of it has waited for a person's correction so far."]


class Backlog(NamedTuple):
    """A position of a running contract's order, as far as it is sold and not billed."""

    contract: _ContractId
    customer: Annotated[str, "The customer's name, as the contract has it."]
    order_line: Annotated[str, "The key of the line: a milestone's, a plan's or such as retainage."]
    name: Annotated[str, "What the line is called."]
    entitled: Annotated[
        Decimal, in_currency("currency"), "Earned and on no issued invoice, without tax."
    ]
    planned: Annotated[
        Decimal, in_currency("currency"), "At a fixed price, and not earned yet, without tax."
    ]
    billed: Annotated[Decimal, in_currency("currency"), "On issued invoices, without tax."]
    currency: _Currency


class Billed(NamedTuple):
    """A posted invoice or credit note of a contract; also a credit note that people made in Odoo.
    Amounts of a credit note are negative."""

    contract: _ContractId
    project: Annotated[str, "The project's name in Odoo; empty where there is none."]
    customer: _Customer
    invoice: _InvoiceNumber
    kind: Annotated[str, "invoice or credit_note."]
    invoiced_on: Annotated[date, "The invoice's date."]
    month: _Month
    due_on: Annotated[date | None, "The day all of it is due."]
    untaxed: Annotated[Decimal, in_currency("currency"), "What is billed, without tax."]
    tax: Annotated[Decimal, in_currency("currency"), "The tax on it."]
    total: Annotated[Decimal, in_currency("currency"), "What is billed, with tax."]
    currency: _Currency
    untaxed_in_books: Annotated[
        Decimal, in_currency("books"), "What is billed, without tax, as it is booked."
    ]
    books: _Books


class Collected(NamedTuple):
    """Money that came in for an invoice, or was paid back for a credit note (negative): one row for
    each payment and each invoice that it settles. A difference that the payment's own entry books,
    such as what is within the tolerance, is in it."""

    contract: _ContractId
    customer: _Customer
    invoice: _InvoiceNumber
    how: Annotated[str, "payment, or refund where money was paid back."]
    settled_on: Annotated[date, "The day it counts: the later of the payment's and the invoice's."]
    month: _Month
    amount: Annotated[Decimal, in_currency("currency"), "What is settled by it, with tax."]
    currency: _Currency
    in_books: Annotated[Decimal, in_currency("books"), "The same, as it is booked."]
    books: _Books


class Adjusted(NamedTuple):
    """What settles an invoice or credit note and is no money. What is billed (with tax) is what is
    collected, adjusted and open."""

    contract: _ContractId
    customer: _Customer
    invoice: _InvoiceNumber
    how: Annotated[
        str, "credit (an invoice and a credit note settle each other), write_off, or entry."
    ]
    settled_on: Annotated[date, "The day it counts."]
    month: _Month
    amount: Annotated[
        Decimal,
        in_currency("currency"),
        "What is settled by it, with tax; negative for the credit note's side.",
    ]
    currency: _Currency


class Aging(NamedTuple):
    """An open part of an invoice by the day it is due, or of a credit note (negative)."""

    contract: _ContractId
    customer: _Customer
    invoice: _InvoiceNumber
    due_on: Annotated[date, "The day this part is due."]
    days_late: Annotated[int, "Days since it was due; 0 before."]
    bucket: Annotated[str, "not due, 1-30, 31-60, 61-90 or over 90 (days late)."]
    open: Annotated[Decimal, in_currency("currency"), "What is open of it, with tax."]
    currency: _Currency
    in_books: Annotated[Decimal, in_currency("books"), "The same, as it is booked."]
    books: _Books


class Margin(NamedTuple):
    """A part of a contract's margin in a month. The margin is the sum of the amounts, by contract,
    project, customer or month alike."""

    contract: _ContractId
    project: Annotated[str, "The project's name in Odoo; empty where there is none."]
    customer: _Customer
    month: _Month
    part: Annotated[str, "revenue, hours (at cost) or expenses (and vendors' bills)."]
    amount: Annotated[Decimal, in_currency("books"), "Revenue without tax; costs are negative."]
    books: _Books
    hours: Annotated[Decimal, "The hours behind it; 0 for other parts."]


class Utilization(NamedTuple):
    """An employee's month, one of the last thirteen, up to the day of the export: since the person
    was entered in Odoo, and of who left, the months with hours."""

    employee: Annotated[str, "The employee's name."]
    email: Annotated[str, "The work e-mail address; empty where there is none."]
    role: Annotated[str, "The job title as it is now."]
    month: _Month
    working_hours: Annotated[
        Decimal | None,
        "The working schedule's hours, on working days less public holidays; none without one.",
    ]
    worked_hours: Annotated[Decimal, "All hours on projects."]
    billable_hours: Annotated[Decimal, "Hours on projects of this legal entity's contracts."]
    billed_hours: Annotated[
        Decimal, "Hours of these contracts that issued invoices bill, or a retainer's fee covers."
    ]


class Forecast(NamedTuple):
    """Something that is to come: work to bill, a renewal, or money for an open invoice."""

    contract: _ContractId
    customer: Annotated[str, "The customer's name."]
    what: Annotated[str, "milestone, plan, renewal or cash_in."]
    subject: Annotated[str, "The milestone, the plan or the invoice."]
    expected_on: Annotated[date | None, "The day it is expected; none for a milestone without one."]
    month: Annotated[date | None, "The first day of that month."]
    amount: Annotated[
        Decimal | None,
        in_currency("currency"),
        "What is expected: without tax, but cash_in with it; none where nothing says how much.",
    ]
    currency: _Currency


class CycleTimes(NamedTuple):
    """How long something of a contract took."""

    contract: _ContractId
    measure: Annotated[
        str, "signature_to_project, signature_to_staffed, earned_to_invoice or invoice_to_cash."
    ]
    subject: Annotated[str, "The milestone, the bill or the invoice; empty for the contract."]
    began_on: Annotated[date, "The day it began."]
    ended_on: Annotated[date, "The day it ended."]
    month: Annotated[date, "The first day of the month in which it ended."]
    days: Annotated[int, "The days between; 0 where the end lies before."]


class Kpis(NamedTuple):
    """A key figure of the legal entity."""

    name: Annotated[
        str,
        "signature_to_project_days, signature_to_staffed_days, earned_to_invoice_days, "
        "invoice_to_cash_days (medians of what ended in the month); exceptions_open_days, "
        "approvals_open_days (medians of how long what is open waits); dso_days; or "
        "touchless_share (of 1, of the contracts that ended in the month).",
    ]
    month: Annotated[date, "The month it is of; of what is open, the month of the export."]
    currency: Annotated[str | None, "The currency that dso_days is of."]
    value: Annotated[Decimal, "The figure."]
    measured: Annotated[
        int, "Of how many it is made: durations, contracts, invoices, or what is open."
    ]


PIPELINE = table_of("pipeline", Pipeline)
CONTRACTS = table_of("contracts", Contracts)
BACKLOG = table_of("backlog", Backlog)
BILLED = table_of("billed", Billed)
COLLECTED = table_of("collected", Collected)
ADJUSTED = table_of("adjusted", Adjusted)
AGING = table_of("aging", Aging)
MARGIN = table_of("margin", Margin)
UTILIZATION = table_of("utilization", Utilization)
FORECAST = table_of("forecast", Forecast)
CYCLE_TIMES = table_of("cycle_times", CycleTimes)
KPIS = table_of("kpis", Kpis)

TABLES: tuple[Table, ...] = (
    *(PIPELINE, CONTRACTS, BACKLOG, BILLED, COLLECTED, ADJUSTED, AGING),
    *(MARGIN, UTILIZATION, FORECAST, CYCLE_TIMES, KPIS),
)
