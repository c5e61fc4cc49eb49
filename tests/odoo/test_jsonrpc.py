"""JSON-RPC, for Odoo before 19: the real Odoo 19 still serves it, so it is held to the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.odoo.catalogue import Catalogue
from activities.odoo.chatter import Notification
from activities.odoo.delivery import ReminderRequest
from activities.odoo.milestones import MilestoneMark
from activities.odoo.payments import PaymentRequest
from activities.odoo.projects import ProjectArchive
from contracts.invoice.messages import PaymentReceived
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, OdooClient, connect
from gateways.secrets import Secret
from sandbox.real_odoo import RealOdoo
from tests.activities.firm import INVOICE_ON, Firm
from tests.servers import RealServer
from tests.world import single, unique

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(real: RealOdoo) -> RealServer:
    return RealServer(real)


@pytest.fixture(scope="module")
def rpc(server: RealServer) -> Iterator[OdooClient]:
    client = over_rpc(server, Secret.file(server.keys["c2c"]))
    yield client
    client.close()


def over_rpc(server: RealServer, secret: Secret, database: str = "") -> OdooClient:
    """A client as the service user, who signs in with an API key for a password."""
    return connect(server.url, database or server.database, secret, protocol="jsonrpc", login="c2c")


def refusal(client: OdooClient, model: str, method: str, *ids: int, **arguments: Any) -> str:
    """Kind and code of a refused call."""
    with pytest.raises(GatewayError) as caught:
        client.call(model, method, ids, **arguments)
    return f"{caught.value.kind} {caught.value.code}"


def test_the_main_road_from_contract_to_cash(server: RealServer, rpc: OdooClient) -> None:
    firm = Firm.of(server, rpc, server.client("admin"))
    made, request = firm.drafted(single())
    contract, invoices, delivery = made.contract, firm.invoices, firm.delivery
    reached = MilestoneMark(milestone_id=made.milestones["all"])
    payment = PaymentReceived(
        reference=unique("P"), amount=contract.fixed_price, paid_on=str(INVOICE_ON)
    )
    for _ in range(2):
        made.lines = firm.confirm(made).order_line_ids
        firm.milestones.mark_milestone(reached)
        draft = invoices.create_draft(request)
        invoice = draft.invoice_id
        posted = invoices.post_invoice(made.post_request(draft))
        delivery.send_invoice(firm.mail_request(made, invoice))
        reminder = ReminderRequest(
            invoice_id=invoice, partner_id=made.partner, subject=posted.number, text="Late."
        )
        delivery.send_reminder(reminder)
        firm.chatter.notify(
            Notification(
                order_id=made.order,
                people=("accountant@northwind.example",),
                subject=f"Due: {contract.contract_id}",
                text="Approve.",
            )
        )
        balance = firm.payments.register_payment(
            PaymentRequest(invoice_id=invoice, payment=payment)
        )
        firm.projects.archive_project(ProjectArchive(project_id=made.project))
    assert balance.is_clear
    figures = firm.figures(made)
    assert figures.total == contract.fixed_price
    assert [(row.delivered, row.invoiced) for row in figures.lines] == [(Decimal(1), Decimal(1))]
    seen = firm.everything(contract)
    assert [row["qty_invoiced"] for row in seen["order lines"]] == [1]
    assert (len(seen["invoices"]), len(seen["mails"])) == (1, 2)
    assert [row["active"] for row in seen["projects"]] == [False]


def test_both_protocols_read_the_same(server: RealServer, rpc: OdooClient) -> None:
    other = server.client()
    assert Catalogue(rpc).own_user() == Catalogue(other).own_user()
    for client, second in ((rpc, other), (other, rpc)):
        row = {"id": f"c2c.{unique('partner')}", "name": unique("Acme"), "city": "Ghent"}
        [partner] = client.load("res.partner", [row], create_once=True)
        assert second.load("res.partner", [row], create_once=True) == [partner]
        fields = ["name", "city", "write_date", "country_id", "is_company"]
        assert client.read("res.partner", [partner], fields) == second.read(
            "res.partner", [partner], fields
        )
        assert client.search_read("res.partner", [("name", "=", row["name"])], fields) == (
            second.search_read("res.partner", [("name", "=", row["name"])], fields)
        )
    other.close()


def test_refusals_are_told_as_over_json2(server: RealServer, rpc: OdooClient) -> None:
    assert refusal(rpc, "no.such.model", "search_read", domain=[]) == "business module_missing"
    assert refusal(rpc, "res.partner", "no_such_method") == "defect unknown_method"
    assert refusal(rpc, "res.partner", "_compute_avatar") == "defect unknown_method"
    unknown = refusal(rpc, "res.partner", "search_read", domain=[], fields=["no_such_field"])
    assert unknown == "business field_unknown"
    assert refusal(rpc, "res.company", "create", vals_list=[{"name": "x"}]) == (
        "business access_denied"
    )
    missing = refusal(rpc, "res.partner", "write", 2_000_000, vals={"city": "x"})
    assert missing == "business record_missing"
    order = Firm.of(server, rpc, server.client("admin")).ordered(single()).order
    rpc.call("sale.order", "action_confirm", [order])
    assert refusal(rpc, "sale.order", "action_confirm", order) == "business wrong_state"
    row = {"id": f"c2c.{unique('p')}", "name": "Acme", "country_id/id": "base.atlantis"}
    with pytest.raises(LoadRefused) as caught:
        rpc.load("res.partner", [row])
    assert (caught.value.code, caught.value.field) == ("reference_unknown", "country_id/id")


def test_the_key_is_read_anew_and_a_wrong_one_is_a_matter_of_credentials(
    server: RealServer, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("0" * 40)
    client = over_rpc(server, Secret.file(file))
    refused = "credentials api_key_refused"
    assert refusal(client, "res.partner", "search_count", domain=[]) == refused
    file.write_text(server.keys["c2c"].read_text())
    assert client.call("res.partner", "search_count", domain=[]) > 0
    file.write_text("1" * 40)
    assert refusal(client, "res.partner", "search_count", domain=[]) == refused
    client.close()


def test_an_unknown_database_is_a_matter_of_configuration(server: RealServer) -> None:
    client = over_rpc(server, Secret.file(server.keys["c2c"]), database="nowhere")
    told = refusal(client, "res.partner", "search_count", domain=[])
    assert told.startswith("credentials ")
    client.close()


def test_eight_at_once_make_one_record(rpc: OdooClient) -> None:
    row = {"id": f"c2c.{unique('partner')}", "name": unique("Contended")}

    def load(_: int) -> list[int] | FailureKind:
        try:
            return rpc.load("res.partner", [row], create_once=True)
        except GatewayError as error:
            return error.kind

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(load, range(8)))
    found = rpc.search_read("res.partner", [("name", "=", row["name"])], ["id"])
    assert len(found) == 1
    assert all(answer in ([found[0]["id"]], FailureKind.TRANSIENT) for answer in answers)
