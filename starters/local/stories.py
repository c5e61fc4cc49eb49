"""Six contracts from signature to cash, each in a way of its own.

Harbour Logistics   fixed price: milestones, approved in one go or by rule, paid on time, closed
Meridian Partners   the deal has a wrong VAT number and an unknown service: parked, amended
Castellan Group     pays late and partially, after two reminders; the rest stays open
Osprey Robotics     hours up to a cap, expenses, a deposit and retainage beside milestones
Lumen Energy        a managed service for three months: included hours, usage, a service
                    credit, a dispute that is partly accepted, notice instead of renewal
Thames Insight      the British company: pounds, VAT, a change order, an early end
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    NoticeGiven,
    ServiceCredit,
    Side,
    TerminationRequest,
    UsageReport,
)
from contracts.contract.state import ContractStage
from contracts.invoice.messages import DisputeOpened, DisputeResolved
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import Action
from starters import amending, collecting, operations
from starters.local.people import CONRAD, PETRA
from starters.local.reckoning import Chapter
from starters.local.telling import ANA, BOB, CLEO, CLERK, DORA, SELLER, Teller

Story = Callable[[Teller, Chapter], Awaitable[None]]
Line = dict[str, str | None]


def chapters() -> list[tuple[Chapter, Story]]:
    """Each contract with its story, and what it has to come to."""
    open_rest = Chapter(
        "Castellan Group",
        billed=_eur("23340.00"),
        stage=ContractStage.CLOSING,
        open=_eur("13340.00"),
    )
    british = Chapter("Thames Insight", billed=Money("9150.00", "GBP"), entity="northwind-uk")
    return [
        (Chapter("Harbour Logistics", billed=_eur("24040.00")), fixed_price),
        (Chapter("Meridian Partners", billed=_eur("7800.00")), parked_and_amended),
        (open_rest, paid_late),
        (Chapter("Osprey Robotics", billed=_eur("18210.00")), time_and_materials),
        (Chapter("Lumen Energy", billed=_eur("6285.00")), managed_service),
        (british, change_and_early_end),
    ]


async def fixed_price(t: Teller, chapter: Chapter) -> None:
    lines = [
        _line("Process design", "CONSULTING", "9000"),
        _line("Build", "BUILD", "15000", "Increment 1 50%; Increment 2 50%"),
        _line("Hand-over", "SUPPORT", "40"),
    ]
    await t.sign_deal(chapter, _deal(t, chapter, "Warehouse automation", "24040", lines))
    state = await t.active(chapter)
    if t.kill_worker:
        t.say(chapter, "the worker is killed (SIGKILL) and started again")
        t.stack.kill_worker()
        t.stack.start_worker()
    numbers = range(1, len(state.milestones) + 1)
    for number, milestone in zip(numbers, state.milestones, strict=True):
        await t.reach(chapter, milestone)
        if number < numbers[-1]:
            await t.proposed(chapter, number)
    await t.issue(chapter, numbers[-1])
    await t.approve_all(chapter, len(numbers) - 1, ANA)
    for number in numbers:
        await t.delivered(chapter, number)
        await t.pay(chapter, number)
    await t.settle(chapter, numbers)


async def parked_and_amended(t: Teller, chapter: Chapter) -> None:
    lines = [_line("Audit", "AUDITING", "7800", "Field work 60%; Report 40%")]
    deal = _deal(t, chapter, "Compliance audit", "7800", lines, vat_number="BE0203430577")
    await t.sign_deal(chapter, deal)
    await t.parked(chapter)
    changes = {"customer.vat_number": "BE0203430576", "services.0.code": "CONSULTING"}
    await t.resolve(chapter, Action.AMEND, SELLER, changes=changes)
    t.say(chapter, "amended by the seller; the step resumes")
    state = await t.active(chapter)
    numbers = range(1, len(state.milestones) + 1)
    for number, milestone in zip(numbers, state.milestones, strict=True):
        await t.reach(chapter, milestone)
        await t.issue(chapter, number, BOB)
        await t.pay(chapter, number)
    await t.settle(chapter, numbers)


async def paid_late(t: Teller, chapter: Chapter) -> None:
    lines = [_line("Platform", "BUILD", "23340")]
    deal = _deal(t, chapter, "Data platform", "23340", lines, hs_country_code="DE", vat_number=None)
    await t.sign_deal(chapter, deal)
    state = await t.active(chapter)
    await t.reach(chapter, next(iter(state.milestones)))
    await t.issue(chapter, 1, CLEO, DORA)
    for level in (1, 2):
        await t.reminded(chapter, 1, level)
    await t.pay(chapter, 1, _eur("10000.00"))
    await t.invoice(
        chapter,
        1,
        "to be paid in part",
        lambda found: found.balance is not None and found.balance.residual == chapter.open,
    )
    t.say(chapter, f"paid a part; {chapter.open} stays open and is dunned on")


_HOURS_AND_COSTS = """
    deposit = {percent = "25", service = "DEPOSIT"}
    retainage = {percent = "5", service = "RETAINAGE"}

    [[time]]
    key = "hours"
    service = "DEVELOPMENT"
    every = "2 weeks"
    cap = "6000.00"
    rates = [
        {role = "Developer", price = "120.00"},
        {role = "Senior Consultant", price = "150.00"},
    ]

    [[expenses]]
    key = "travel"
    service = "EXPENSES"
    every = "2 weeks"
    markup = "5"
"""


async def time_and_materials(t: Teller, chapter: Chapter) -> None:
    first, last = t.today, t.today + timedelta(days=27)
    lines = [
        _line("Packaging line", "BUILD", "12000", "Design 40%; Commissioning 60%"),
        _line("Development", "DEVELOPMENT", "6000"),
        _line("Travel", "EXPENSES", "0"),
        _line("Down payment", "DEPOSIT", "0"),
        _line("Retainage", "RETAINAGE", "0"),
    ]
    deal = _deal(
        t,
        chapter,
        "Packaging line",
        "18000",
        lines,
        vat_number=None,
        terms=f"starts_on = {first}\nends_on = {last}\n{_HOURS_AND_COSTS}",
    )
    await t.sign_deal(chapter, deal)
    state = await t.active(chapter)
    design, commissioning = state.milestones
    await t.issue(chapter, 1, ANA)  # the deposit: 3000
    await t.reach(chapter, design)
    await t.issue(chapter, 2, ANA)  # 4800 - 1200 of the deposit - 240 held back
    await t.work(chapter, "hours", PETRA, "20", first + timedelta(days=2))
    await t.work(chapter, "hours", CONRAD, "8", first + timedelta(days=3))
    await t.spend(chapter, CONRAD, "Train to Ghent", "200.00", first + timedelta(days=3))
    await t.later(chapter, 15)
    await t.issue(chapter, 3, BOB)  # 3600 + 210 - 180 held back
    await t.reach(chapter, commissioning)
    await t.issue(chapter, 4, ANA)  # 7200 - 1800 of the deposit - 360 held back
    await t.work(chapter, "hours", PETRA, "30", first + timedelta(days=20))
    await t.later(chapter, 15)
    await t.parked(chapter)
    reason = "billed up to the cap, as agreed with the customer"
    await t.resolve(chapter, Action.SKIP, BOB, reason=reason)
    t.say(chapter, f"{reason}: the rest stays unbilled, on record")
    await t.issue(chapter, 5, BOB)  # 2400 up to the cap - 120 held back
    await t.issue(chapter, 6, ANA)  # everything is billed: what was held back, 900
    for number in range(1, 7):
        await t.pay(chapter, number)
    await t.settle(chapter, range(1, 7))


_SERVICE_TERMS = """
    term = {auto_renew = true, renew_months = 3, notice_days = 30}

    [[retainers]]
    service = "RETAINER"
    included_hours = "10"
    overage_price = "110.00"

    [[usage]]
    key = "calls"
    service = "USAGE"
    unit = "call"
    tiers = [{up_to = "1000", price = "0.05"}, {price = "0.03"}]
"""


async def managed_service(t: Teller, chapter: Chapter) -> None:
    months = [_first_of(t.today, number) for number in range(1, 5)]
    lines = [
        _line("Service desk", "RETAINER", "2000")
        | {
            "recurringbillingfrequency": "monthly",
            "hs_recurring_billing_start_date": str(months[0]),
            "hs_recurring_billing_period": "P3M",
        },
        _line("API calls", "USAGE", "0"),
    ]
    deal = _deal(
        t,
        chapter,
        "Managed platform",
        "6000",
        lines,
        hs_country_code="US",
        vat_number=None,
        terms=_SERVICE_TERMS,
    )
    await t.sign_deal(chapter, deal)
    await t.active(chapter)

    await t.until_day(chapter, months[0])
    first = await t.issue(chapter, 1, ANA)  # the fee of the first month, in advance
    invoice = t.invoice_workflow(chapter, 1)
    opened = DisputeOpened(by=CLERK, reason="the desk opened late", amount=_eur("460.00"))
    await collecting.dispute(t.client, invoice, opened)
    t.say(chapter, f"{opened.amount} disputed: {opened.reason}")
    accepted = DisputeResolved(by=CLERK, accepted=_eur("115.00"), comment="a day and a half late")
    await collecting.resolve_dispute(t.client, invoice, accepted)
    t.say(chapter, f"{accepted.accepted} of it accepted: {accepted.comment}")
    await t.issue(chapter, 2, BOB)  # the credit note
    await t.invoice(
        chapter,
        1,
        "to be credited in part",
        lambda found: bool(
            found.balance and first.balance and found.balance.residual < first.balance.residual
        ),
    )
    await t.pay(chapter, 1)
    await t.work(chapter, "RETAINER-fee", PETRA, "13", months[0] + timedelta(days=9))
    await _use(t, chapter, "m1", months[0], "1500")
    credit = ServiceCredit(
        retainer="RETAINER-fee",
        reference="outage-1",
        reason="four hours down",
        amount=_eur("100.00"),
        by=CLERK,
    )
    await amending.credit_service(t.client, chapter.workflow_id, credit)
    t.say(chapter, f"service credit of {credit.amount}: {credit.reason}")

    await t.until_day(chapter, months[1])
    await t.issue(chapter, 3, ANA)  # fee, three hours beyond, 1500 calls, less the credit: 2295
    notice = NoticeGiven(side=Side.CUSTOMER, by=CLERK)
    await amending.give_notice(t.client, chapter.workflow_id, notice)
    t.say(chapter, "the customer gives notice: the term will not be renewed")
    await t.work(chapter, "RETAINER-fee", PETRA, "8", months[1] + timedelta(days=9))
    await _use(t, chapter, "m2", months[1], "1000")

    await t.until_day(chapter, months[2])
    await t.issue(chapter, 4, ANA)  # fee and 1000 calls: 2050
    await _use(t, chapter, "m3", months[2], "800")

    await t.until_day(chapter, months[3])
    await t.issue(chapter, 5, ANA)  # what was used in the last month: 40
    for number in (3, 4, 5):
        await t.pay(chapter, number)
    await t.settle(chapter, range(1, 6))


async def _use(t: Teller, chapter: Chapter, name: str, month: date, quantity: str) -> None:
    """Metered records come in, twice: a repeat counts once."""
    on = str(month + timedelta(days=4))
    record = UsageRecord.model_validate(
        {"id": name, "plan": "calls", "on": on, "quantity": quantity}
    )
    for _ in range(2):
        report = UsageReport(records=(record,))
        await operations.record_usage(t.client, chapter.workflow_id, report)
    t.say(chapter, f"{quantity} calls metered on {on}; reported twice, counted once")


async def change_and_early_end(t: Teller, chapter: Chapter) -> None:
    contract_data: JsonObject = {
        "contract_id": "UK-2001",
        "legal_entity": chapter.entity,
        "title": "Analyst academy",
        "customer": {
            "key": "thames-insight",
            "name": chapter.customer,
            "country": "GB",
            "vat_number": "GB980780684",
            "billing_email": "accounts@thames.example.com",
            "street": "1 Embankment",
            "city": "London",
            "zip": "SE1 7PB",
        },
        "currency": "GBP",
        "value": "15000.00",
        "signed_on": str(t.today),
        "requested_by": SELLER,
        "services": [
            {"key": "course", "code": "TRAINING", "description": "Training", "amount": "15000.00"},
            {"key": "exit", "code": "RETAINER", "description": "Early end", "amount": "0.00"},
        ],
        "milestones": [
            {"key": "basics", "name": "Basics", "service": "course", "amount": "6000.00"},
            {"key": "expert", "name": "Expert", "service": "course", "amount": "9000.00"},
        ],
        "termination": {"notice_days": 14, "fee": "750.00", "fee_service": "exit"},
    }
    await t.sign_contract_data(chapter, contract_data)
    await t.active(chapter)
    await t.reach(chapter, "basics")
    await t.issue(chapter, 1, ANA)  # 6000 and 20 % VAT
    await t.pay(chapter, 1)
    order = ChangeOrder(
        number=1,
        by=SELLER,
        reason="a workshop for managers; more of the expert course",
        add_milestones=(
            {"key": "managers", "name": "Workshop", "service": "course", "amount": "2400.00"},
        ),
        reprice={"expert": "9600.00"},
    )
    await amending.propose_change(t.client, chapter.workflow_id, order)
    t.say(chapter, f"change order 1: {order.reason}")
    await t.approve_change(chapter, BOB)
    await t.reach(chapter, "managers")
    await t.issue(chapter, 2, ANA)  # 2400 and VAT
    await t.pay(chapter, 2)
    request = TerminationRequest(
        side=Side.CUSTOMER,
        by=CLERK,
        reason="the academy moves in-house",
        on=t.today + timedelta(days=20),
    )
    await amending.terminate(t.client, chapter.workflow_id, request)
    t.say(chapter, f"ended early by the customer, last day {request.on}: {request.reason}")
    await t.later(chapter, 22)
    await t.issue(chapter, 3, ANA)  # the fee for ending early; the expert course is dropped
    await t.pay(chapter, 3)
    await t.settle(chapter, range(1, 4))


def _deal(
    t: Teller,
    chapter: Chapter,
    name: str,
    amount: str,
    lines: Sequence[Line],
    *,
    terms: str | None = None,
    **company: str | None,
) -> str:
    """A won deal in HubSpot with what hangs on it; `company` changes the customer's record."""
    customer: dict[str, str | None] = {
        "name": chapter.customer,
        "hs_country_code": "BE",
        "vat_number": "BE0477472701",
        "address": "Quay 1",
        "city": "Antwerp",
        "zip": "2000",
    }
    mailbox = chapter.customer.split()[0].lower()
    return t.stack.sandbox.hubspot.add_deal(
        name=name,
        amount=amount,
        company=customer | company,
        contacts=[{"email": f"ap@{mailbox}.example.com", "label": "Billing"}],
        owner_email="sam@northwind-consulting.com",
        line_items=[
            {**line, "hs_position_on_quote": str(position)} for position, line in enumerate(lines)
        ],
        c2c_terms=terms,
    )


def _line(name: str, code: str, amount: str, milestones: str | None = None) -> Line:
    line: Line = {"name": name, "hs_sku": code, "quantity": "1", "price": amount}
    return line if milestones is None else {**line, "c2c_milestones": milestones}


def _first_of(today: date, months: int) -> date:
    """The first day of the month so many months from now."""
    years, index = divmod(today.month - 1 + months, 12)
    return date(today.year + years, index + 1, 1)


def _eur(amount: str) -> Money:
    return Money(amount, "EUR")
