"""The kinds of what an invoice does."""

from __future__ import annotations

from contracts import parking

CREATE = parking.CREATE_INVOICE.name
POST = parking.POST_INVOICE.name
DISCARD = parking.DISCARD.name
NOTIFY = parking.NOTIFY.name
DELIVER = parking.DELIVER.name
BALANCE = parking.BALANCE.name
REGISTER_PAYMENT = parking.REGISTER_PAYMENT.name
SETTLE_PAYMENT = parking.SETTLE_PAYMENT.name
REVERSE_PAYMENT = parking.REVERSE_PAYMENT.name
RECONCILE = parking.RECONCILE.name
REMIND = parking.REMIND.name
WRITE_OFF = parking.WRITE_OFF.name
TAKE_BACK = parking.TAKE_BACK.name
TODO = "todo"
PAYMENT_LINK = "payment_link"
TELL_CONTRACT = "tell_contract"
ASK_CREDIT = "ask_credit"
TELL_INVOICE = "tell_invoice"
