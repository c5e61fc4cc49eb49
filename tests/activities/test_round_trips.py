"""How many calls to Odoo the steps of a bill take: each is a wait, and a part of Odoo's time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from activities.odoo.balances import InvoiceRef, OdooBalances
from activities.odoo.catalogue import Catalogue
from activities.odoo.delivery import MailRequest, OdooDelivery
from activities.odoo.invoices import OdooInvoices
from activities.odoo.milestones import MilestoneMark, OdooMilestones
from gateways.odoo import connect
from gateways.secrets import Secret
from tests.activities.firm import INVOICE_ON, Firm, policies
from tests.servers import OdooServer
from tests.world import single


@dataclass
class Counted:
    """Activities on a client of their own, and the calls it made."""

    invoices: OdooInvoices
    balances: OdooBalances
    delivery: OdooDelivery
    milestones: OdooMilestones
    calls: list[str]

    def since(self) -> list[str]:
        """The calls since the last look."""
        found, self.calls[:] = list(self.calls), []
        return found


@pytest.fixture
def counted(odoo_server: OdooServer) -> Iterator[Counted]:
    calls: list[str] = []
    client = connect(
        odoo_server.url,
        odoo_server.database,
        Secret.file(odoo_server.keys["c2c"]),
        on_call=lambda model, method, *_: calls.append(f"{model}.{method}"),
    )
    yield Counted(
        OdooInvoices(client, policies(odoo_server), Catalogue(client)),
        OdooBalances(client),
        OdooDelivery(client),
        OdooMilestones(client),
        calls,
    )
    client.close()


def test_a_milestone_is_marked_in_one_call(firm: Firm, counted: Counted) -> None:
    made = firm.confirmed(single())
    [milestone] = made.milestones.values()
    marked = counted.milestones.mark_milestone(MilestoneMark(milestone_id=milestone))
    assert counted.since() == ["project.milestone.web_save"]
    [row] = firm.odoo.read("project.milestone", [milestone], ["is_reached", "write_date"])
    assert row["is_reached"] is True
    assert f"{marked.as_of:%Y-%m-%d %H:%M:%S}" == row["write_date"]


def test_a_bill_takes_two_calls_to_draft_three_to_post_three_to_mail(
    firm: Firm, counted: Counted
) -> None:
    made, request = firm.drafted(single())
    counted.invoices.create_draft(request)  # which looks up the product
    counted.since()
    draft = counted.invoices.create_draft(request)
    assert counted.since() == ["account.move.load", "account.move.web_read"]
    reached = request.model_copy(update={"reached": tuple(made.milestones.values())})
    counted.invoices.create_draft(reached)
    assert counted.since() == [
        "project.milestone.write",
        "account.move.load",
        "account.move.web_read",
    ]
    balance = counted.invoices.post_invoice(made.post_request(draft))
    assert counted.since() == [
        "account.move.web_read",
        "account.move.action_post",
        "account.move.web_read",
    ]
    assert balance.instalments == ()
    ref = InvoiceRef(invoice_id=draft.invoice_id)
    mail = MailRequest(invoice_id=draft.invoice_id, approved=draft.content)
    counted.delivery.send_invoice(mail)
    assert counted.since() == [
        "account.move.send.wizard.web_save",
        "account.move.send.wizard.action_send_and_print",
        "account.move.web_read",
    ]
    counted.delivery.send_invoice(mail)
    assert counted.since() == ["account.move.send.wizard.web_save"]
    assert counted.balances.read_balance(ref) == balance.model_copy(
        update={"as_of": counted.balances.read_balance(ref).as_of, "sent": True}
    )
    assert counted.since() == ["account.move.read"] * 2


def test_the_parts_of_a_bill_are_looked_for_where_its_term_has_several(
    firm: Firm, counted: Counted
) -> None:
    made, request = firm.drafted(single(payment_term="30% Now, Balance 60 Days"))
    draft = counted.invoices.create_draft(request)
    counted.since()
    balance = counted.invoices.post_invoice(made.post_request(draft))
    assert counted.since() == [
        "account.move.web_read",
        "account.move.action_post",
        "account.move.web_read",
        "account.move.line.search_read",
    ]
    assert [part.due_on for part in balance.instalments] == [
        INVOICE_ON,
        INVOICE_ON + timedelta(days=60),
    ]
    assert sum(part.residual.amount for part in balance.instalments) == balance.total.amount
    partly = firm.pays(draft.invoice_id, str(balance.instalments[0].residual.amount))
    assert [part.due_on for part in partly.instalments] == [INVOICE_ON + timedelta(days=60)]
