"""What each module declares to need of Odoo is what it uses: nothing more, and nothing less.

Every activity is run on the stand-in, by every way that calls Odoo otherwise than the others, and
the calls are compared with the modules' `NEEDS`, from which `c2c check` is made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.odoo import entries
from activities.odoo.analytics_invoices import OdooPostedInvoices, invoice_dates
from activities.odoo.analytics_work import OdooWork
from activities.odoo.burn import BurnReading, PortfolioRequest
from activities.odoo.chatter import (
    ClosingRecord,
    Notification,
    attach_closing_record,
    attach_signed,
    find_file,
)
from activities.odoo.company_notes import note_on_company
from activities.odoo.delivery import MailRequest, ReminderRequest, TodoRequest
from activities.odoo.expenses import ExpensesRequest
from activities.odoo.invoices import DiscardRequest
from activities.odoo.milestones import MilestoneMark
from activities.odoo.needs import Need
from activities.odoo.orders import DeliveredRequest, OrderCancel, OrderChange, create_order
from activities.odoo.payments import PaymentRequest, ReconcileRequest
from activities.odoo.payouts import (
    BookedRequest,
    NamedRequest,
    OdooPayouts,
    PayoutBooks,
    PayoutRequest,
)
from activities.odoo.payroll import approved_time
from activities.odoo.projects import ProjectArchive, ProjectStatusRequest, set_up_project
from activities.odoo.questions import OdooQuestions
from activities.odoo.reconciling import OdooContracts
from activities.odoo.requirements import BY_MODULE
from activities.odoo.reversals import OdooReversals, ReversalRequest
from activities.odoo.time_lines import OdooTimeLines
from activities.odoo.timesheets import TimeRequest
from activities.odoo.write_offs import WriteOffRequest
from contracts.billing.lines import InvoiceProposal
from contracts.contract.state import ContractState, OdooRefs
from contracts.invoice.messages import InvoiceBalance, PaymentReceived
from contracts.model import JsonObject
from contracts.money import Money
from contracts.processors import PaymentLink, Payout, PayoutStatus
from contracts.sweeps import SweepWindow
from contracts.timesheets.entries import LoggedTime
from contracts.timesheets.importing import Changes, PlacedTime
from contracts.timesheets.mapping import Target
from contracts.timesheets.payroll import Period
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from sandbox.clearing_books import FEES, JOURNAL, TRANSFER, clearing_books
from tests.activities.firm import APPROVED_FIELD, INVOICE_ON, Firm, Ordered
from tests.activities.handed import ADA, PM, handed, log, one, template
from tests.activities.mixed import mixed, taxed
from tests.activities.recorder import Recorder, Uses, remember_activities, remember_callers
from tests.activities.refusals import code, refused
from tests.odoo.bank_books import Books, use_everything
from tests.servers import OdooServer
from tests.world import contract_data, credit, single, unique


@pytest.fixture
def recorder(odoo: OdooClient) -> Recorder:
    return Recorder(odoo._transport)


@pytest.fixture
def recorded(
    odoo_server: OdooServer,
    recorder: Recorder,
    admin_odoo: OdooClient,
    monkeypatch: pytest.MonkeyPatch,
) -> Firm:
    """The activities on a client whose calls are noted."""
    remember_callers(monkeypatch)
    client = OdooClient(recorder)
    return Firm.of(odoo_server, client, admin_odoo)


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
def test_each_module_declares_what_it_uses(
    recorded: Firm, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = remember_activities(monkeypatch)
    _provision(recorded)
    _change(recorded)
    _hand_over(recorded)
    _read_work(recorded)
    _draft(recorded)
    _settle(recorded, recorder)
    _process(recorded)
    use_everything(Books.of(recorded.odoo, recorded.client))
    _deliver(recorded, recorder)
    _sweep(recorded)
    _export(recorded)
    _reconcile(recorded)
    assert len(called) > 20
    assert [name for name, was in called.items() if not was] == []
    used = {line for module, uses in recorder.uses.items() for line in _used(module, uses)}
    declared = {line for module, needs in BY_MODULE.items() for line in _declared(module, needs)}
    assert sorted(used - declared) == []
    assert sorted(declared - used) == []


def _used(module: str, uses: Uses) -> Iterator[str]:
    for model, used in uses.items():
        fields = used.fields - {APPROVED_FIELD}
        yield from _lines(module, model, fields, used.rights, used.methods)


def _declared(module: str, needs: tuple[Need, ...]) -> Iterator[str]:
    for need in needs:
        yield from _lines(module, need.model, need.fields, need.rights, need.methods)


def _lines(module: str, model: str, *names: Iterable[str]) -> Iterator[str]:
    """A line for the model, and for each field, right and method."""
    yield f"{module}: {model}"
    for what, of_these in zip(("field", "right", "method"), names, strict=True):
        yield from (f"{module}: {model}: {what} {name}" for name in of_these)


def _export(firm: Firm) -> None:
    """What the analytics export, receivables and questions read, of all that the others have
    made."""
    made = firm.confirmed(mixed())
    company, entity, day = made.company, made.contract.legal_entity, date(2099, 1, 1)
    posted = OdooPostedInvoices(firm.client, company, entity, day)
    pages = [item for page in posted.pages() for item in page]
    assert [item for page in posted.pages(date(2000, 1, 1)) for item in page]
    firm.create_milestones(made)
    [last, *_] = firm.odoo.search_read("project.milestone", [], ["id"], order="id desc", limit=1)
    firm.odoo.write("project.milestone", [last["id"]], {"deadline": date(2026, 1, 31)})
    questions = OdooQuestions(firm.client, company, entity)
    assert [item.due_on for item in questions.late_milestones(day).rows]
    questions.unbilled_time(APPROVED_FIELD)
    posted.look_up_delays({item.payer for item in pages})
    invoice_dates(firm.client, {1}, day)
    work = OdooWork(firm.client, company, entity, day)
    assert sum(len(page) for page in work.pages())
    [employees] = work.employees()
    work.worked(employees)


def _reconcile(firm: Firm) -> None:
    """What a comparison after a restore reads."""
    made = firm.confirmed(contract_data())
    posted = firm.posted(made, made.proposal())
    contract = made.contract
    name = made.workflow_id
    state = ContractState(
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        source=contract.source,
        clock=datetime.now(UTC),
        odoo=OdooRefs(order_id=made.order, project_id=made.project),
    )
    reading = OdooContracts(firm.client, made.company)
    found = reading.of({name: state})[name]
    assert (found.order_ids, found.has_project) == ((made.order,), True)
    assert [item.invoice_id for item in found.invoices] == [posted.invoice_id]
    assert any(name in page for page in reading.running(contract.legal_entity))


# --- how a contract is provisioned and changed --------------------------------------------------


def _provision(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    firm.create_milestones(made)
    firm.customer(made.contract)
    without = contract_data()
    without["customer"]["vat_number"] = None
    firm.customer(firm.accepted(without)[0])
    chosen = made.contract.customer.model_copy(update={"odoo_partner": made.partner, "name": "-"})
    chosen = chosen.model_copy(update={"vat_number": None, "key": unique("Key")})
    firm.customer(made.contract.model_copy(update={"customer": chosen}))
    parent = {"key": unique("Key"), "name": unique("Above"), "country": "BE"}
    firm.customer(firm.accepted(customer_of(parent=parent, zip="9000", street="Meir 1"))[0])
    _merged(firm)
    keys = {
        "legal_entity": made.contract.legal_entity,
        "contract_id": made.contract.contract_id,
    }
    firm.orders.set_delivered(DeliveredRequest(**keys, quantities={"api": Decimal(1)}))
    firm.chatter.notify(
        Notification(
            order_id=made.order,
            people=("accountant@northwind.example",),
            subject=unique("Note"),
            text="An approval is due",
        )
    )
    attach_closing_record(
        firm.client,
        ClosingRecord(
            **keys, order_id=made.order, file_name="a.json", content="{}", sha256="0", text="Closed"
        ),
    )
    attach_signed(firm.client, **keys, order_id=made.order, name="a.pdf", pdf=b"%PDF-")
    subject = unique("Anchor")
    note_on_company(firm.client, "Northwind Consulting", subject=subject, text="An anchor")
    assert find_file(firm.client, made.order, "a.pdf") is not None
    firm.projects.set_project_status(
        ProjectStatusRequest(
            **keys, project_id=made.project, suspended=True, key="suspend", text="Overdue"
        )
    )
    firm.figures(made)
    firm.orders.cancel_order(OrderCancel(order_id=made.order))
    firm.projects.archive_project(ProjectArchive(project_id=made.project))


def customer_of(**changes: Any) -> JsonObject:
    contract = contract_data()
    contract["customer"] |= changes
    return contract


def _merged(firm: Firm) -> None:
    """People merged the customer in Odoo after its project, order or invoice was made."""
    accepted, company = firm.accepted(single())
    refs = OdooRefs(company_id=company)
    set_up_project(firm.client, accepted, refs)
    gone = refs.model_copy(update={"partner_id": 2**30})
    create_order(firm.client, firm.catalogue, accepted, gone)
    made = firm.confirmed(single())
    request = made.invoice_request().model_copy(update={"partner_id": 2**30})
    draft = firm.invoices.create_draft(request)
    firm.invoices.post_invoice(made.post_request(draft))
    firm.delivery.send_reminder(
        ReminderRequest(
            invoice_id=draft.invoice_id, partner_id=2**30, subject=unique("Due"), text="Late"
        )
    )


def _change(firm: Firm) -> None:
    """A milestone is moved, another dropped, the order gets another number and payment term."""
    made = firm.confirmed(contract_data())
    moved, dropped, last = made.contract.milestones
    later = moved.model_copy(update={"due_on": date(2027, 6, 1)})
    whole = last.model_copy(update={"amount": last.amount + dropped.amount})
    after = made.contract.model_copy(
        update={
            "milestones": (later, whole),
            "purchase_order": "PO-2",
            "payment_term": "Immediate Payment",
        }
    )
    firm.orders.amend_order(OrderChange(before=made.contract, after=after, order_id=made.order))
    firm.milestones.mark_milestone(MilestoneMark(milestone_id=made.milestones[moved.key]))
    [mark] = firm.amend_project(made, after).reached
    assert mark.milestone_id == made.milestones[moved.key]


def _hand_over(firm: Firm) -> None:
    """From a template with a role, with all that a hand-over may name; then a change order, and
    what was worked on a sub-task that somebody added."""
    role = unique("Tester")
    of = template(firm.odoo, role)
    documents = [{"name": "SOW", "url": "https://docs.example/sow"}]
    people = [{"task": "all", "person": ADA, "hours": "8"}, {"role": role, "person": ADA}]
    budget = {"service": "s", "template": of.name, "hours": "40", "cost": "2000.00"}
    named = {"manager": PM, "tags": [unique("Tag")], "documents": documents, "people": people}
    done = handed(firm, one({**named, "services": [budget]}))
    done.change(set={"handover.manager": ADA, "handover.people": []})
    below = {"name": "Part", "project_id": done.made.project, "user_ids": False}
    below["parent_id"] = done.tasks()["QA"]["id"]
    log(firm.odoo, done.made.project, firm.odoo.create("project.task", [below])[0], 1)
    services = {task: item.service for task, item in done.last.copied.items()}
    firm.burn.read_burn(
        BurnReading(
            project_id=done.made.project, analytic_account_id=done.made.account, services=services
        )
    )
    firm.burn.read_portfolio(PortfolioRequest())


# --- what is billed by what was done ------------------------------------------------------------


def _read_work(firm: Firm) -> None:
    made, pm = firm.confirmed(mixed()), firm.server.client("pm")
    [employee] = firm.odoo.search_read("hr.employee", [("name", "=", "Petra Developer")], ["id"])
    part = {"name": "Part", "project_id": made.project, "parent_id": made.tasks["support"]}
    [below] = pm.create("project.task", [part])
    line = {
        "project_id": made.project,
        "task_id": below,
        "employee_id": employee["id"],
        "date": "2026-03-10",
        "unit_amount": Decimal(1),
        "name": "Work",
        APPROVED_FIELD: True,
    }
    [worked] = pm.create("account.analytic.line", [line])
    window: dict[str, Any] = {"until": date(2026, 3, 31), "known": (1,)}
    window |= {"since": datetime.now(UTC) - timedelta(days=1), "seen_until": date(2026, 2, 28)}
    hours = firm.timesheets.read_time(
        TimeRequest(
            tasks={"dev": made.tasks["dev"], "support": made.tasks["support"]},
            order_lines={"dev": made.lines["dev"]},
            **window,
        )
    )
    assert [item.plan for item in hours.found] == ["support"]
    firm.expenses.read_expenses(
        ExpensesRequest(plan="costs", analytic_account_id=made.account, currency="EUR", **window)
    )
    bring_time(firm, made)
    march = Period(year=2026, month=3)
    paid = approved_time(firm.client, made.company, APPROVED_FIELD, march)
    assert worked in [item.line for item in paid]


def bring_time(firm: Firm, made: Ordered) -> None:
    """An entry of a time system comes, and is deleted."""
    lines = OdooTimeLines(firm.client, firm.catalogue, APPROVED_FIELD, "harvest", firm.company)
    contract, petra = made.contract, "petra@northwind.example"
    target = Target(contract_id=contract.contract_id, key="dev")
    known = lines.directory(contract.legal_entity, {petra}, [target, Target(task=1)])
    [employee] = known.employees[petra]
    entry = LoggedTime(
        entry_id=unique("E"),
        person_id="7",
        project_id="11",
        on=date(2026, 3, 10),
        hours=Decimal("7.5"),
        is_approved=True,
        changed_at=datetime.now(UTC),
    )
    placed = PlacedTime(entry=entry, employee=employee, place=known.tasks[target])
    assert lines.write(Changes(load=[placed])).loaded == 1
    [line] = lines.of_entries([entry.entry_id])
    assert placed.is_shown_by(line)
    assert line in lines.between(entry.on, entry.on)
    assert lines.write(Changes(withdraw=[line.line])).withdrawn == 1
    assert lines.write(Changes(delete=[line.line])).deleted == 1
    assert lines.of_entries([entry.entry_id]) == []


# --- invoices -----------------------------------------------------------------------------------


def _draft(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    gone, there, *_ = made.milestones.values()
    firm.odoo.call("project.milestone", "unlink", [gone])
    # Parts of a cent, so that Odoo's sum is another and the lines are written once more.
    parts = [made.charge("dev", f"{hours}.33", "99.99") for hours in range(1, 9)]
    request = made.request(made.proposal(*parts, made.charge("support", "1", "500")))
    request = request.model_copy(update={"reached": (gone, there)})
    draft = firm.invoices.create_draft(request)
    assert draft.odoo_totals.taxes
    rewritten = request.model_copy(update={"rewrites": True, "reached": ()})
    assert firm.invoices.create_draft(rewritten) == draft
    at_once = made.proposal(number=2).model_copy(update={"payment_term": ""})
    firm.invoices.create_draft(made.request(at_once))
    origin = made.invoice_origin()
    firm.invoices.discard_draft(DiscardRequest(origin=origin))
    firm.invoices.discard_draft(DiscardRequest(origin=origin, invoice_id=draft.invoice_id))


def _settle(firm: Firm, recorder: Recorder) -> None:
    made = firm.confirmed(contract_data(payment_term="30% Now, Balance 60 Days"))
    first = firm.posted(made, made.proposal())
    firm.pays(first.invoice_id, "100.00")
    _pay_with_discount(firm, recorder, first)
    assert firm.balance(first.invoice_id).instalments
    back = firm.posted(made, made.credit_note(made.milestone(), number=2))
    request = ReconcileRequest(invoice_id=first.invoice_id, credit_note_id=back.invoice_id)
    firm.payments.reconcile_credit(request)
    third = firm.posted(made, _numbered(made, 3))
    lost = WriteOffRequest(
        legal_entity=made.contract.legal_entity,
        contract_id=made.contract.contract_id,
        number=3,
        key="1",
        invoice_id=third.invoice_id,
        company_id=made.company,
        account_code="650000",
        amount=Money("1.00", "EUR"),
        reason="Lost",
        written_off_on=INVOICE_ON,
    )
    firm.write_offs.write_off(lost)
    assert firm.balance(third.invoice_id).written_off == Money("1.00", "EUR")
    _give_up(firm, made, lost.model_copy(update={"key": "2"}))


def _give_up(firm: Firm, made: Ordered, lost: WriteOffRequest) -> None:
    """Odoo has drafts of a payment and a write-off that are given up."""
    memo, invoice = unique("pay"), lost.invoice_id
    draft = {"memo": memo, "payment_type": "inbound", "partner_id": made.partner, "amount": 1.0}
    firm.odoo.create("account.payment", [{**draft, "invoice_ids": [[6, 0, [invoice]]]}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "post", _does_not_answer)
        with pytest.raises(ConnectionError):
            firm.write_offs.write_off(lost)
    discard = DiscardRequest(origin=made.invoice_origin(lost.number), invoice_id=invoice)
    for given_up in ({"payment": memo}, {"write_off": lost.key}):
        firm.invoices.discard_draft(discard.model_copy(update=given_up))


def _does_not_answer(*_: object) -> None:
    raise ConnectionError("nobody answers")


def _process(firm: Firm) -> None:
    """A processor's payment, in two parts undone, and a payout that is booked and returned."""
    clearing_books(firm.odoo)
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    payment = PaymentReceived(
        reference=unique("pi"), amount=Money("50.00", "EUR"), paid_on=INVOICE_ON, journal=JOURNAL
    )
    firm.payments.register_payment(PaymentRequest(invoice_id=invoice, payment=payment))
    reversals, payouts = OdooReversals(firm.client), OdooPayouts(firm.client, firm.catalogue)
    undone: list[str] = []
    for _ in range(2):
        request = ReversalRequest(
            invoice_id=invoice,
            payment=payment.reference,
            key=unique("re"),
            others=tuple(undone),
            amount=Money("20.00", "EUR"),
            on=INVOICE_ON,
        )
        reversals.reverse_payment(request)
        undone.append(request.key)
    firm.invoices.discard_draft(
        DiscardRequest(origin="", invoice_id=invoice, reversal=unique("re"))
    )
    payout = Payout(
        payout_id=unique("po"),
        status=PayoutStatus.PAID,
        net=Money("9.00", "EUR"),
        fees=Money("1.00", "EUR"),
        on=INVOICE_ON,
    )
    books = PayoutBooks(
        company="Northwind Consulting", journal=JOURNAL, fee_account=FEES, payout_account=TRANSFER
    )
    for status in (PayoutStatus.PAID, PayoutStatus.FAILED):
        booked = payout.replace(status=status)
        payouts.book_payout(PayoutRequest(system="stripe", payout=booked, books=books))
    number = firm.balance(invoice).number
    named = NamedRequest(legal_entity=made.contract.legal_entity, text=f"for {number}, thanks")
    assert payouts.invoice_named(named).workflow_id
    references = [payment.reference, *undone, "pi_unknown"]
    unbooked = payouts.unbooked_payments(BookedRequest(references=references))
    assert unbooked.references == ["pi_unknown"]


def _numbered(made: Ordered, number: int) -> InvoiceProposal:
    return made.proposal(number=number)


def _pay_with_discount(firm: Firm, recorder: Recorder, invoice: InvoiceBalance) -> None:
    """Odoo's wizard books a discount itself; the stand-in has no such payment term."""

    def discounted(model: str, method: str, answer: Any) -> Any:
        if (model, method) != ("account.payment.register", "web_save"):
            return answer
        return [row | {"payment_difference_handling": "reconcile"} for row in answer]

    recorder.changed, before = discounted, recorder.changed
    firm.pays(invoice.invoice_id, "50.00")
    recorder.changed = before


# --- what goes out ------------------------------------------------------------------------------


def _deliver(firm: Firm, recorder: Recorder) -> None:
    posted = [_invoice(firm) for _ in range(6)]
    made, balance = posted[0]
    invoice = balance.invoice_id
    paid_online, alone = _invoice(firm)
    firm.delivery.send_invoice(
        firm.mail_request(paid_online, alone.invoice_id).model_copy(
            update={"link": PaymentLink(url="https://pay.example/1", words="Pay online")}
        )
    )
    entries.post(firm.client, invoice)  # it is posted already, which Odoo refuses
    refs = [firm.mail_request(made, found.invoice_id) for made, found in posted]
    _together(recorder, [partial(firm.delivery.send_invoice, ref) for ref in refs[:3]])
    _together(recorder, [partial(_send_again, firm, ref) for ref in refs[3:]])
    reminder = ReminderRequest(
        invoice_id=invoice, partner_id=made.partner, subject=unique("Reminder"), text="Late"
    )
    firm.server.refuse_mail(True)
    try:
        refusal = refused(lambda: firm.delivery.send_reminder(reminder))
    finally:
        firm.server.refuse_mail(False)
    assert code(refusal) == "reminder_not_delivered"
    firm.delivery.send_reminder(reminder)
    firm.delivery.create_todo(
        TodoRequest(
            invoice_id=invoice,
            people=("accountant@northwind.example",),
            summary="Telephone",
            text="No address",
            due_on=INVOICE_ON,
        )
    )


def _invoice(firm: Firm) -> tuple[Ordered, InvoiceBalance]:
    made = firm.confirmed(single())
    return made, firm.posted(made, made.proposal())


def _together(recorder: Recorder, sends: list[Callable[[], object]]) -> None:
    """While the first invoice is being mailed the others gather, and go in one call."""
    first = threading.Event()

    def slow(model: str, method: str, answer: Any) -> Any:
        if (model, method) == ("account.move.send.wizard", "web_save") and not first.is_set():
            first.set()
            time.sleep(0.5)
        return answer

    recorder.changed, before = slow, recorder.changed
    with ThreadPoolExecutor(len(sends)) as pool:
        sent = [pool.submit(sends[0])]
        assert first.wait(30)
        sent += [pool.submit(send) for send in sends[1:]]
        for item in sent:
            item.result()
    recorder.changed = before


def _send_again(firm: Firm, ref: MailRequest) -> None:
    """A second attempt, while a wizard of somebody else may still be mailing the invoice."""
    firm.odoo.create("account.move.send.wizard", [{"move_id": ref.invoice_id}])
    engine = ActivityEnvironment()
    engine.info = replace(engine.info, attempt=2)
    with pytest.raises(GatewayError) as caught:
        engine.run(firm.delivery.send_invoice, ref)
    assert caught.value.code == "under_way"


# --- sweeps -------------------------------------------------------------------------------------


def _sweep(firm: Firm) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    made = firm.confirmed(contract_data())
    posted = firm.posted(made, made.proposal())
    credit(firm.server.client("accountant"), posted.invoice_id)
    pm, milestone = firm.server.client("pm"), made.milestones["build"]
    pm.write("project.milestone", [milestone], {"is_reached": True})
    # Other tests change as much in the same minutes: it may be on a later page.
    pages = [firm.sweeps.read_changes(SweepWindow(since=start))]
    while pages[-1].next is not None:
        window = SweepWindow(since=start, after=pages[-1].next)
        pages.append(firm.sweeps.read_changes(window))
    milestones = {item.mark.milestone_id for page in pages for item in page.milestones}
    assert milestone in milestones
    balances = {it.balance.invoice_id: it.balance for page in pages for it in page.invoices}
    assert balances[posted.invoice_id].credited == posted.total
