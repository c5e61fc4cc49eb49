"""Business metrics, recorded where the business happens: in activities, once each succeeded.

Through OpenTelemetry's API: without a configured exporter every call is a no-op. Names follow
OpenTelemetry's conventions; amounts are in units of the currency in the `currency` attribute.
"""

from __future__ import annotations

from opentelemetry import metrics

_meter = metrics.get_meter("contract-to-cash")

contracts_validated = _meter.create_counter(
    "c2c.contracts.validated", description="Contract data checked, by outcome"
)
orders_confirmed = _meter.create_counter(
    "c2c.orders.confirmed", description="Sales orders confirmed: contracts that became projects"
)
orders_amended = _meter.create_counter(
    "c2c.orders.amended", description="Change orders carried out on the sales order"
)
invoices_posted = _meter.create_counter(
    "c2c.invoices.posted", description="Invoices posted, by legal entity and currency"
)
amount_invoiced = _meter.create_counter(
    "c2c.invoices.amount", unit="{currency}", description="Amounts invoiced, without tax"
)
invoice_cycle_days = _meter.create_histogram(
    "c2c.invoices.cycle",
    unit="d",
    description="Days from proposal to the date of the posted invoice",
)
credit_notes_posted = _meter.create_counter(
    "c2c.credits.posted", description="Credit notes posted, by legal entity and currency"
)
amount_credited = _meter.create_counter(
    "c2c.credits.amount", unit="{currency}", description="Amounts credited, without tax"
)
amount_written_off = _meter.create_counter(
    "c2c.losses.amount", unit="{currency}", description="Amounts written off, with tax"
)
hours_read = _meter.create_counter(
    "c2c.time.hours", unit="h", description="Approved hours read that were new or changed"
)
reminders_sent = _meter.create_counter("c2c.reminders.sent", description="Payment reminders sent")
mails = _meter.create_counter(
    "c2c.mails", description="Mails to the firm's own people, by what became of each"
)
payments_registered = _meter.create_counter(
    "c2c.payments.registered", description="Payments registered from outside Odoo"
)
odoo_call_seconds = _meter.create_histogram(
    "c2c.odoo.call", unit="s", description="Duration of calls to Odoo, by model, method, outcome"
)

odoo_call_requests = _meter.create_histogram(
    "c2c.odoo.requests", description="Requests that shared a call to Odoo, by model and method"
)


def observe_odoo_call(model: str, method: str, seconds: float, outcome: str, requests: int) -> None:
    """For the Odoo client's `on_call`."""
    odoo_call_seconds.record(seconds, {"model": model, "method": method, "outcome": outcome})
    odoo_call_requests.record(requests, {"model": model, "method": method})
