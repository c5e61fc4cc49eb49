"""How our business keys name Odoo's records: external ids make creation safe to repeat.

Behind each kind stands which keys it takes; `entity` is the legal entity.
"""

from __future__ import annotations

from functools import partial

from contracts.identifiers import external_id

customer_id = partial(external_id, "customer")
"""(system, customer key): a customer is one partner across its contracts."""
new_customer_id = partial(external_id, "new-customer")
"""(system, customer key, deal): a person said that it is none of those that Odoo has."""
firm_id = partial(external_id, "firm")
"""(what the firm is by itself, contracts.customers.key_of): one partner across systems."""
customer_link_id = partial(external_id, "customer-link")
"""(system, customer key): the archived contact that remembers which partner a customer is."""
project_id = partial(external_id, "project")
"""(entity, contract)"""
project_update_id = partial(external_id, "project-update")
"""(entity, contract, key): one a suspension or resumption."""
order_id = partial(external_id, "order")
"""(entity, contract)"""
order_line_id = partial(external_id, "order-line")
"""(entity, contract, the order line's key: a milestone's, a plan's, or such as `deposit`)"""
milestone_id = partial(external_id, "milestone")
"""(entity, contract, milestone)"""
task_id = partial(external_id, "task")
"""(entity, contract, the key of its milestone or plan)"""
template_task_id = partial(external_id, "template-task")
"""(entity, contract, the task's id in its template)"""
document_id = partial(external_id, "document")
"""(entity, contract, its address)"""
handover_todo_id = partial(external_id, "handover")
"""(entity, contract, version)"""
tag_id = partial(external_id, "tag")
"""(its name)"""
invoice_id = partial(external_id, "invoice")
"""(entity, contract, number): of an invoice or a credit note, which share one count."""
invoice_line_id = partial(external_id, "invoice-line")
"""(entity, contract, number, line)"""
write_off_id = partial(external_id, "write-off")
"""(entity, contract, number, key): the journal entry; `key` tells a second one apart."""
write_off_line_id = partial(external_id, "write-off-line")
"""(entity, contract, number, key, side)"""
payment_id = partial(external_id, "payment")
"""(the invoice's id in Odoo, the reference under which the payment came in)"""
reversal_id = partial(external_id, "reversal")
"""(the invoice's id in Odoo, the reference of what undoes a payment of it)"""
payout_id = partial(external_id, "payout")
"""(the processor, the payout's id there, what it is: the payout, or its return)"""
payout_line_id = partial(external_id, "payout-line")
"""(the processor, the payout's id there, what it is, which amount, which side)"""
todo_id = partial(external_id, "todo")
"""(the invoice's id in Odoo, summary)"""
closing_record_id = partial(external_id, "closing")
"""(entity, contract)"""
signed_id = partial(external_id, "signed")
"""(entity, contract): the signed document"""

bank_statement_id = partial(external_id, "bank-statement")
"""(the journal's id in Odoo, the digest of its content)"""
bank_line_id = partial(external_id, "bank-line")
"""(the journal's id in Odoo, the line's key)"""
partner_account_id = partial(external_id, "partner-account")
"""(the partner's id in Odoo, the account's number)"""


def time_line_id(system: str, entry_id: str) -> str:
    """The timesheet line of an entry of a time system."""
    return external_id(f"time-{system}", entry_id)
