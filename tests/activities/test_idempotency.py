"""Each activity called twice: the second call changes nothing in Odoo and answers the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest

from activities.odoo.balances import InvoiceRef
from activities.odoo.chatter import Notification
from activities.odoo.clock import utc
from activities.odoo.delivery import ReminderRequest
from activities.odoo.milestones import MilestoneMark
from activities.odoo.orders import OrderCancel, create_order
from activities.odoo.payments import PaymentRequest
from activities.odoo.projects import ProjectArchive, set_up_project
from activities.odoo.sweeps import SWEEP_OVERLAP
from contracts.billing.lines import Line
from contracts.contract.state import OdooRefs
from contracts.identifiers import contract_workflow_id
from contracts.invoice.messages import PaymentReceived
from contracts.model import Contract, JsonObject
from contracts.money import Money
from contracts.sweeps import OdooChanges, SweepWindow
from gateways.errors import GatewayError
from tests.activities.firm import COMPANY, INVOICE_ON, TERM, Firm, Ordered, ids_of, line_of
from tests.activities.refusals import code, refused
from tests.odoo.helpers import locked
from tests.world import contract_data, eur, single, unique

T = TypeVar("T")


# --- the whole way, each step twice -----------------------------------------------------------


def test_the_whole_way_each_step_twice(firm: Firm) -> None:
    source = contract_data()
    contract, company = firm.accepted(source)
    assert firm.accepted(source) == (contract, company)

    def twice(call: Callable[[], T]) -> T:
        first, seen = call(), firm.everything(contract)
        assert call() == first
        assert firm.everything(contract) == seen
        return first

    projects, milestones = firm.projects, firm.milestones
    invoices, delivery = firm.invoices, firm.delivery

    def step(act: Callable[[OdooRefs], None], refs: OdooRefs) -> OdooRefs:
        """What there is after a step of provisioning."""
        after = refs.model_copy(deep=True)
        act(after)
        return after

    begun = OdooRefs(company_id=company)
    project = twice(lambda: step(partial(set_up_project, firm.client, contract), begun))
    order = twice(
        lambda: step(partial(create_order, firm.client, firm.catalogue, contract), project)
    )
    made = Ordered.of(contract, order)
    partner = made.partner
    confirmed = twice(lambda: firm.confirm(made))
    assert confirmed.order_name.startswith("S")
    assert list(confirmed.milestone_ids) == [item.key for item in contract.milestones]
    made.lines, made.milestones = confirmed.order_line_ids, confirmed.milestone_ids
    # A change order finds what there is.
    unchanged = twice(lambda: firm.amend_project(made, contract))
    assert unchanged.milestone_ids == confirmed.milestone_ids
    assert len(unchanged.task_ids) == len(contract.milestones)
    provisioned = firm.everything(contract)
    assert {name: len(rows) for name, rows in provisioned.items() if name != "messages"} == {
        "customers": 1,
        "projects": 1,
        "updates": 0,
        "milestones": 3,
        "tasks": 3,
        "orders": 1,
        "order lines": 3,
        "invoices": 0,
        "invoice lines": 0,
        "payments": 0,
        "files": 0,
        "to-dos": 0,
        "mails": 0,
    }
    assert provisioned["orders"][0]["state"] == "sale"

    first = contract.milestones[0]
    reached = MilestoneMark(milestone_id=made.milestones[first.key])
    # When it was marked may differ: Odoo's write_date moves with every write.
    twice(lambda: milestones.mark_milestone(reached).model_copy(update={"as_of": None}))
    delivered = [row["qty_delivered"] for row in firm.everything(contract)["order lines"]]
    assert delivered == [1, 0, 0]

    request = made.invoice_request()
    draft = twice(lambda: invoices.create_draft(request))
    invoice = draft.invoice_id
    posted = twice(lambda: invoices.post_invoice(made.post_request(draft)))
    assert posted.posted
    assert posted.number
    assert posted.untaxed == first.amount
    assert posted.due_on == INVOICE_ON + timedelta(days=30)
    # A retry of the creation after the posting (its answer was lost) finds the invoice.
    assert invoices.create_draft(request).invoice_id == invoice
    assert firm.balances.read_balance(InvoiceRef(invoice_id=invoice)) == posted

    twice(lambda: delivery.send_invoice(firm.mail_request(made, invoice)))
    assert len(firm.mails(contract)) == 1
    reminder = ReminderRequest(
        invoice_id=invoice,
        partner_id=partner,
        subject=f"Reminder: invoice {posted.number}",
        text="It is late.",
    )
    twice(lambda: delivery.send_reminder(reminder))
    assert [str(mail["Subject"]) for mail in firm.mails(contract)][1:] == [reminder.subject]
    note = Notification(
        order_id=made.order,
        people=("accountant@northwind.example", "nobody@northwind.example"),
        subject=f"Reminder: proposal 1 of {contract.contract_id}",
        text="An approval is due.",
    )
    before = len(firm.server.mails("accountant@northwind.example"))
    twice(lambda: firm.chatter.notify(note))
    assert len(firm.server.mails("accountant@northwind.example")) == before + 1

    figures = twice(lambda: firm.figures(made))
    assert (figures.total, figures.invoiced) == (contract.value, first.amount)
    assert [item.residual for item in figures.invoices] == [first.amount]

    part = eur("1000.00")
    for reference, amount, residual in (
        (f"{contract.contract_id}-1", part, first.amount - part),
        (f"{contract.contract_id}-2", first.amount - part, eur("0.00")),
    ):
        payment = PaymentReceived(reference=reference, amount=amount, paid_on="2026-03-20")
        balance = twice(
            lambda payment=payment: firm.payments.register_payment(  # type: ignore[misc]
                PaymentRequest(invoice_id=invoice, payment=payment)
            )
        )
        assert balance.residual == residual
    assert balance.is_clear
    assert len(firm.everything(contract)["payments"]) == 2

    twice(lambda: projects.archive_project(ProjectArchive(project_id=made.project)))
    assert [row["active"] for row in firm.everything(contract)["projects"]] == [False]


def test_cancelling_an_order_twice(firm: Firm) -> None:
    made = firm.ordered(single())
    firm.confirm(made)
    firm.orders.cancel_order(OrderCancel(order_id=made.order))
    seen = firm.everything(made.contract)
    firm.orders.cancel_order(OrderCancel(order_id=made.order))
    assert firm.everything(made.contract) == seen
    assert [row["state"] for row in seen["orders"]] == ["cancel"]
    refusal = refused(lambda: firm.confirm(made))
    assert code(refusal) == "order_cancelled"


def test_what_runs_eight_times_at_once_is_there_once(firm: Firm) -> None:
    contract, company = firm.accepted(single())
    project = OdooRefs(company_id=company)
    set_up_project(firm.client, contract, project)

    def create(_: int) -> int | GatewayError | None:
        made = project.model_copy()
        try:
            create_order(firm.client, firm.catalogue, contract, made)
        except GatewayError as error:
            return error
        return made.order_id

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    lost = {answer.kind for answer in answers if isinstance(answer, GatewayError)}
    assert lost <= {"transient"}
    orders = {answer for answer in answers if isinstance(answer, int)}
    assert ids_of(firm.everything(contract)["orders"]) == list(orders) == [create(0)]
    assert len(firm.everything(contract)["order lines"]) == 1


# --- what people did stays ----------------------------------------------------------------------


def test_a_repeat_leaves_what_people_edited_in_odoo(firm: Firm) -> None:
    made = firm.ordered(contract_data())
    ids = firm.create_milestones(made)
    first = made.contract.milestones[0].key
    firm.odoo.write(
        "project.project", [made.project], {"name": f"Ours {made.contract.contract_id}"}
    )
    firm.odoo.write(
        "project.milestone", [ids[first]], {"name": "Kick-off", "deadline": "2026-05-01"}
    )
    firm.odoo.write("sale.order", [made.order], {"client_order_ref": "typed by hand"})
    seen = firm.everything(made.contract)
    set_up_project(firm.client, made.contract, made.refs())
    firm.create_milestones(made)
    create_order(firm.client, firm.catalogue, made.contract, made.refs())
    assert firm.everything(made.contract) == seen
    [order] = firm.odoo.read("sale.order", [made.order], ["client_order_ref"])
    assert order["client_order_ref"] == "typed by hand"


def test_a_draft_invoice_is_the_contract_s_and_rewritten(firm: Firm) -> None:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    invoice = draft.invoice_id
    [move] = firm.odoo.read("account.move", [invoice], ["invoice_line_ids"])
    firm.odoo.write("account.move.line", move["invoice_line_ids"], {"price_unit": 1.0})
    assert code(refused(lambda: firm.invoices.post_invoice(made.post_request(draft)))) == (
        "invoice_differs_from_approval"
    )
    assert firm.invoices.create_draft(request).invoice_id == invoice
    assert firm.invoices.post_invoice(made.post_request(draft)).untaxed == eur("1000.00")


# --- what an activity refuses -------------------------------------------------------------------


def test_an_order_that_does_not_total_the_contract_is_not_confirmed(firm: Firm) -> None:
    made = firm.ordered(single())
    milestone = made.contract.milestones[0].model_copy(update={"amount": eur("1000.01")})
    priced = made.contract.model_copy(update={"milestones": (milestone,)})
    refusal = refused(lambda: firm.confirm(replace(made, contract=priced)))
    assert code(refusal) == "order_total_differs"
    assert "1000.00 EUR" in refusal.detail.message
    assert "1000.01 EUR" in refusal.detail.message
    assert firm.everything(made.contract)["orders"][0]["state"] == "draft"


def test_a_cancelled_invoice_is_not_posted(firm: Firm) -> None:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    invoice = draft.invoice_id
    firm.odoo.call("account.move", "button_cancel", [invoice])
    assert firm.invoices.create_draft(request).invoice_id == invoice
    refusal = refused(lambda: firm.invoices.post_invoice(made.post_request(draft)))
    assert code(refusal) == "invoice_cancelled"


@pytest.mark.parametrize("until", ["2026-03-31", "2099-12-31"])
@pytest.mark.parametrize("lock", ["fiscalyear_lock_date", "sale_lock_date", "tax_lock_date"])
def test_nothing_is_posted_on_another_date_than_its_own(firm: Firm, lock: str, until: str) -> None:
    """Odoo itself would book it on another date and say nothing, unless that is locked too."""
    contract = single()
    contract["services"][0]["code"] = "TRAINING"  # with tax, so that the tax lock concerns it
    made, request = firm.drafted(contract)
    draft = firm.invoices.create_draft(request)
    invoice = draft.invoice_id
    with locked(firm.client, firm.odoo, until, lock=lock):
        refusal = refused(lambda: firm.invoices.post_invoice(made.post_request(draft)))
        assert (code(refusal), refusal.detail.field) == ("period_locked", "invoice_on")
        assert refusal.detail.value == str(INVOICE_ON)
        [move] = firm.odoo.read("account.move", [invoice], ["state"])
        assert move["state"] == "draft"
    assert firm.invoices.post_invoice(made.post_request(draft)).posted
    [move] = firm.odoo.read("account.move", [invoice], ["date", "invoice_date"])
    assert move["date"] == move["invoice_date"] == str(INVOICE_ON)


def test_an_amended_date_leaves_the_locked_period(firm: Firm) -> None:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    invoice = draft.invoice_id
    with locked(firm.client, firm.odoo, "2026-03-31"):
        later = request.model_copy(update={"invoice_on": date(2026, 4, 1), "rewrites": True})
        again = firm.invoices.create_draft(later)
        assert again.invoice_id == invoice
        balance = firm.invoices.post_invoice(made.post_request(again))
    assert balance.due_on == date(2026, 5, 1)


def test_an_invoice_that_cannot_be_mailed_is_not_called_delivered(firm: Firm) -> None:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    invoice = draft.invoice_id
    firm.invoices.post_invoice(made.post_request(draft))
    ref = firm.mail_request(made, invoice)
    firm.server.refuse_mail(True)
    try:
        refusal = refused(lambda: firm.delivery.send_invoice(ref))
        assert code(refusal) == "invoice_not_delivered"
    finally:
        firm.server.refuse_mail(False)
    assert firm.mails(made.contract) == []
    for _ in range(2):
        firm.delivery.send_invoice(ref)
    assert len(firm.mails(made.contract)) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"currency": "CHF"}, ("currency_not_in_odoo", "currency", "CHF")),
        ({"payment_term": "Some day"}, ("payment_term_not_in_odoo", "payment_term", "Some day")),
    ],
)
def test_what_odoo_does_not_have_is_found_at_validation(
    firm: Firm, change: JsonObject, problem: tuple[str, str, str]
) -> None:
    source = {"source": {"system": "file", "id": "1"}}
    found = firm.validation.check(single() | source | change, COMPANY, TERM).problems
    assert [(item.code, item.field, item.value) for item in found] == [problem]


@pytest.mark.parametrize(
    ("currency", "value", "parts"),
    [
        ("JPY", "100000", ["33330", "33330", "33340"]),
        ("KWD", "100.001", ["33.330", "33.330", "33.341"]),
    ],
)
def test_other_currencies_come_to_the_contract_s_value(
    firm: Firm, currency: str, value: str, parts: list[str]
) -> None:
    contract = contract_data(currency=currency, value=value)
    contract["services"][0]["amount"] = value
    made, request = firm.drafted(contract)
    assert [str(item.amount.amount) for item in made.contract.milestones] == parts
    draft = firm.invoices.create_draft(request)
    invoice = draft.invoice_id
    balance = firm.invoices.post_invoice(made.post_request(draft))
    assert balance.residual == balance.untaxed == Money(parts[0], currency)
    payment = PaymentReceived(
        reference=unique("P"), amount=Money(parts[0], currency), paid_on="2026-03-20"
    )
    for _ in range(2):
        paid = firm.payments.register_payment(PaymentRequest(invoice_id=invoice, payment=payment))
        assert paid.residual == Money.zero(currency)


# --- sweeps and the close-out ---------------------------------------------------------------------


def test_a_sweep_finds_the_changed_invoice_and_the_reached_milestone(firm: Firm) -> None:
    made, request = firm.drafted(single())
    contract = made.contract
    workflow_id = contract_workflow_id(contract.legal_entity, contract.contract_id)
    milestone = firm.create_milestones(made)["all"]
    start = datetime.now(UTC) - timedelta(minutes=1)
    draft = firm.invoices.create_draft(request)
    balance = firm.invoices.post_invoice(made.post_request(draft))
    firm.server.client("pm").write("project.milestone", [milestone], {"is_reached": True})

    changes = firm.sweeps.read_changes(SweepWindow(since=start))
    ours = [item for item in changes.invoices if item.workflow_id == f"{workflow_id}/invoice/1"]
    assert [item.balance for item in ours] == [balance]
    reached = [item for item in changes.milestones if item.workflow_id == workflow_id]
    assert [item.mark.milestone_id for item in reached] == [milestone]
    assert reached[0].mark.on is not None
    assert changes.watermark == max(
        [item.balance.as_of for item in changes.invoices]
        + [item.mark.as_of for item in changes.milestones]
    )
    assert firm.sweeps.read_changes(SweepWindow(since=start)) == changes


def test_a_sweep_of_a_quiet_time_finds_nothing_and_keeps_its_watermark(firm: Firm) -> None:
    future = datetime.now(UTC) + SWEEP_OVERLAP + timedelta(minutes=1)
    changes = firm.sweeps.read_changes(SweepWindow(since=future))
    assert (changes.invoices, changes.milestones) == ([], [])
    assert changes.watermark == future


def test_a_sweep_tells_a_milestone_taken_back_from_one_never_touched(firm: Firm) -> None:
    start = datetime.now(UTC)
    made = firm.confirmed(contract_data())

    def unreached() -> list[int]:
        changes = firm.sweeps.read_changes(SweepWindow(since=start))
        ours = [item for item in changes.unreached if item.workflow_id == made.workflow_id]
        return [item.mark.milestone_id for item in ours]

    assert unreached() == []
    pm, milestone = firm.server.client("pm"), made.milestones["build"]
    for reached in (True, False):
        _next_second(firm, milestone)
        pm.write("project.milestone", [milestone], {"is_reached": reached})
        assert unreached() == ([] if reached else [milestone])


def test_a_sweep_does_not_tell_a_contract_its_own_marks(firm: Firm) -> None:
    start = datetime.now(UTC)
    made = firm.confirmed(single())
    _mark_ourselves(firm, made, "all")
    firm.invoices.create_draft(made.invoice_request())
    changes = firm.sweeps.read_changes(SweepWindow(since=start))
    assert _told(changes, made) == []
    # Read it is, and left behind: the next sweep does not look at it again.
    [row] = firm.odoo.read("project.milestone", [made.milestones["all"]], ["write_date"])
    assert changes.watermark >= utc(row["write_date"])


def test_a_person_s_mark_is_told_also_where_we_write_the_milestone_before_the_sweep(
    firm: Firm,
) -> None:
    start = datetime.now(UTC)
    made = firm.confirmed(contract_data())
    pm = firm.server.client("pm")
    for key in ("design", "build"):
        pm.write("project.milestone", [made.milestones[key]], {"is_reached": True})
    changes = firm.sweeps.read_changes(SweepWindow(since=start))
    assert _told(changes, made) == [made.milestones["design"], made.milestones["build"]]

    [before] = firm.odoo.read("project.milestone", [made.milestones["build"]], ["write_uid"])
    read_back = firm.amend_project(made, _build_later(made))
    [row] = firm.odoo.read("project.milestone", [made.milestones["build"]], _WRITTEN)
    assert row["write_uid"] != before["write_uid"]
    changes = firm.sweeps.read_changes(SweepWindow(since=start))
    assert set(_told(changes, made)) == {made.milestones["design"], made.milestones["build"]}
    # It is told by the change itself too, should a draft make it look like a mark of ours.
    [mark] = read_back.reached
    assert mark.milestone_id == made.milestones["build"]
    assert (str(mark.on), mark.as_of) == (row["reached_date"], utc(row["write_date"]))


def test_a_mark_that_a_person_takes_back_is_told_also_where_we_write_it_afterwards(
    firm: Firm,
) -> None:
    start = datetime.now(UTC)
    made = firm.confirmed(contract_data())
    _mark_ourselves(firm, made, "build")
    firm.invoices.create_draft(made.request(made.proposal(_charge_of(made, "build"))))
    _next_second(firm, made.milestones["build"])
    pm = firm.server.client("pm")
    pm.write("project.milestone", [made.milestones["build"]], {"is_reached": False})
    assert firm.amend_project(made, _build_later(made)).reached == []
    changes = firm.sweeps.read_changes(SweepWindow(since=start))
    assert _told(changes, made) == []
    taken_back = [item for item in changes.unreached if item.workflow_id == made.workflow_id]
    assert [item.mark.milestone_id for item in taken_back] == [made.milestones["build"]]


_WRITTEN = ["reached_date", "write_date", "write_uid"]


def _mark_ourselves(firm: Firm, made: Ordered, milestone: str) -> None:
    firm.milestones.mark_milestone(MilestoneMark(milestone_id=made.milestones[milestone]))


def _told(changes: OdooChanges, made: Ordered) -> list[int]:
    """The milestones of a contract that a sweep tells it are reached."""
    return [
        item.mark.milestone_id
        for item in changes.milestones
        if item.workflow_id == made.workflow_id
    ]


def _charge_of(made: Ordered, milestone: str) -> Line:
    [item] = [item for item in made.contract.milestones if item.key == milestone]
    code = made.contract.service(item.service).code
    return line_of(item.key, code, item.name, item.amount)


def _build_later(made: Ordered) -> Contract:
    """The contract after a change order that moves a milestone's day."""
    moved = tuple(
        item.model_copy(update={"due_on": date(2027, 6, 1)}) if item.key == "build" else item
        for item in made.contract.milestones
    )
    return made.contract.model_copy(update={"milestones": moved})


def _next_second(firm: Firm, milestone: int) -> None:
    """Odoo's clock ticks in seconds: whoever edits a milestone does so later than it was made."""
    [row] = firm.odoo.read("project.milestone", [milestone], ["create_date"])
    created = datetime.fromisoformat(row["create_date"]).replace(tzinfo=UTC)
    while datetime.now(UTC) < created + timedelta(seconds=1):
        time.sleep(0.05)


def test_a_milestone_not_reached_and_other_people_s_invoices_are_no_news(firm: Firm) -> None:
    made = firm.ordered(single())
    milestone = firm.create_milestones(made)["all"]
    firm.odoo.write("project.milestone", [milestone], {"deadline": "2026-09-09"})
    values = {"move_type": "out_invoice", "partner_id": made.partner, "invoice_origin": "S00001"}
    [foreign] = firm.odoo.create("account.move", [values])
    changes = firm.sweeps.read_changes(SweepWindow(since=datetime.now(UTC)))
    assert milestone not in [item.mark.milestone_id for item in changes.milestones]
    assert foreign not in [item.balance.invoice_id for item in changes.invoices]


def test_the_figures_follow_the_invoice_from_draft_to_cash(firm: Firm) -> None:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    [drafted] = firm.figures(made).invoices
    assert (drafted.is_draft, drafted.ours, drafted.number) == (True, True, "")
    assert firm.figures(made).invoiced == eur("0.00")
    firm.invoices.post_invoice(made.post_request(draft))
    figures = firm.figures(made)
    assert (figures.state, figures.total, figures.invoiced) == ("sale", eur("1000"), eur("1000"))
    assert [item.residual for item in figures.invoices] == [eur("1000.00")]
    [line] = figures.lines
    assert line.key == "all"
    assert [line.ordered, line.delivered, line.invoiced] == [1, 0, 1]
    firm.pays(draft.invoice_id, "1000.00")
    assert [item.residual for item in firm.figures(made).invoices] == [eur("0.00")]
