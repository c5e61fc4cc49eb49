"""Seven contracts from signature to cash, each in a way of its own.

Alder Instruments   an opportunity of Salesforce that waits for its envelope in DocuSign
Harbour Logistics   fixed price: milestones, approved in one go or by rule, paid on time, closed
Meridian Partners   the deal has a wrong VAT number and an unknown service: parked, amended
Castellan Group     pays late and partially, after two reminders; what is transferred then names
                    nothing, so that the rest stays open until a person decides
Osprey Robotics     hours up to a cap, expenses, a deposit and retainage beside milestones
Lumen Energy        a managed service for three months: included hours, usage, a service
                    credit, a dispute that is partly accepted, notice instead of renewal
Thames Insight      the British company: pounds, VAT, a change order, an early end

Four invoices of the first three are settled by the bank's file of the day; all others are paid by
payments that an accountant registers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

from contracts.changes import ChangeOrder
from contracts.contract.messages import Side
from contracts.contract.state import ContractStage
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import Action
from sandbox.demo_driver import SALESFORCE, DemoDriver
from sandbox.expected_totals import Scenario
from sandbox.people import CONRAD, PETRA
from sandbox.staff import ANA, BOB, CLEO, CLERK, DORA, PROJECT_MANAGER, SELLER

Steps = Callable[[DemoDriver, Scenario], Awaitable[None]]
Line = dict[str, str | None]


def scenarios() -> list[tuple[Scenario, Steps]]:
    """Each scenario with its steps."""
    open_rest = Scenario(
        "Castellan Group",
        billed=_eur("23340.00"),
        stage=ContractStage.CLOSING,
        open=_eur("13340.00"),
    )
    british = Scenario("Thames Insight", billed=Money("9150.00", "GBP"), entity="northwind-uk")
    return [
        (Scenario("Alder Instruments", billed=_eur("12500.00")), signed_envelope),
        (Scenario("Harbour Logistics", billed=_eur("24040.00")), fixed_price),
        (Scenario("Meridian Partners", billed=_eur("7800.00")), parked_and_amended),
        (open_rest, paid_late),
        (Scenario("Osprey Robotics", billed=_eur("18210.00")), time_and_materials),
        (Scenario("Lumen Energy", billed=_eur("6285.00")), managed_service),
        (british, change_and_early_end),
    ]


async def signed_envelope(driver: DemoDriver, scenario: Scenario) -> None:
    sandbox = driver.stack.sandbox
    deal_id = sandbox.salesforce.add_deal(
        name="Calibration line",
        amount="12500",
        account={
            "Name": scenario.customer,
            "BillingStreet": "Calibration Dock 4",
            "BillingCity": "Ghent-Zeehaven",
            "BillingPostalCode": "BE-9042",
            "BillingCountryCode": "BE",
            "c2c_vat_number__c": None,
        },
        contacts=[{"Email": "ap@alder.example.com", "Role": "Billing"}],
        products=[
            {
                "name": "Engineering",
                "code": "BUILD",
                "Quantity": "1",
                "UnitPrice": "12500",
                "c2c_milestones__c": "Design 40%; Acceptance 60%",
            }
        ],
        owner_email="sam@northwind-consulting.com",
    )
    envelope_id = sandbox.docusign.send(
        f"{SALESFORCE}/{deal_id}",
        signers=[("Ada Alder", "ada@alder.example.com")],
        subject="Calibration line",
    )
    await driver.sign_deal(scenario, deal_id, SALESFORCE)
    await driver.signed_in_docusign(scenario, envelope_id)
    state = await driver.active(scenario)
    await driver.signed_document(scenario)
    design, acceptance = state.milestones
    await driver.reach(scenario, design)
    await driver.issue(scenario, 1, ANA)
    await driver.opportunity_shows(scenario, deal_id, invoiced="5000.00 EUR")
    await driver.reach(scenario, acceptance)
    await driver.issue(scenario, 2, BOB)
    await driver.pay_by_bank(scenario, "Alder Instruments NV", "invoices {} and {}", 1, 2)
    await driver.settled_by_bank(scenario, 1, 2)
    await driver.settle(scenario, (1, 2))
    await driver.opportunity_shows(scenario, deal_id, stage="closed", invoiced="12500.00 EUR")


async def fixed_price(driver: DemoDriver, scenario: Scenario) -> None:
    lines = [
        _line("Process design", "CONSULTING", "9000"),
        _line("Build", "BUILD", "15000", "Increment 1 50%; Increment 2 50%"),
        _line("Hand-over", "SUPPORT", "40"),
    ]
    await driver.sign_deal(
        scenario, _deal(driver, scenario, "Warehouse automation", "24040", lines)
    )
    state = await driver.active(scenario)
    if driver.kill_worker:
        driver.say(scenario, "the worker is killed (SIGKILL) and started again")
        driver.stack.kill_worker()
        driver.stack.start_worker()
    numbers = range(1, len(state.milestones) + 1)
    for number, milestone in zip(numbers, state.milestones, strict=True):
        await driver.reach(scenario, milestone)
        if number < numbers[-1]:
            await driver.proposed(scenario, number)
    await driver.issue(scenario, numbers[-1])
    await driver.approve_all(scenario, len(numbers) - 1, ANA)
    *others, last = numbers
    for number in numbers:
        await driver.delivered(scenario, number)
    for number in others:
        await driver.pay(scenario, number)
    await driver.pay_by_bank(scenario, scenario.customer, "your invoice {}, thank you", last)
    await driver.settled_by_bank(scenario, last)
    await driver.settle(scenario, numbers)


async def parked_and_amended(driver: DemoDriver, scenario: Scenario) -> None:
    lines = [_line("Audit", "AUDITING", "7800", "Field work 60%; Report 40%")]
    deal = _deal(driver, scenario, "Compliance audit", "7800", lines, vat_number="BE0203430577")
    await driver.sign_deal(scenario, deal)
    await driver.parked(scenario)
    changes = {"customer.vat_number": "BE0203430576", "services.0.code": "CONSULTING"}
    await driver.on(scenario).resolve_exception(Action.AMEND, by=SELLER, changes=changes)
    driver.say(scenario, "amended by the seller; the step resumes")
    state = await driver.active(scenario)
    numbers = range(1, len(state.milestones) + 1)
    for number, milestone in zip(numbers, state.milestones, strict=True):
        await driver.reach(scenario, milestone)
        await driver.issue(scenario, number, BOB)
    first, last = numbers
    await driver.pay(scenario, first)
    await driver.pay_by_bank(scenario, "MERIDIAN PARTNERS", "payment of {}", last)
    await driver.settled_by_bank(scenario, last)
    await driver.settle(scenario, numbers)


async def paid_late(driver: DemoDriver, scenario: Scenario) -> None:
    lines = [_line("Platform", "BUILD", "23340")]
    deal = _deal(
        driver, scenario, "Data platform", "23340", lines, hs_country_code="DE", vat_number=None
    )
    await driver.sign_deal(scenario, deal)
    state = await driver.active(scenario)
    await driver.reach(scenario, next(iter(state.milestones)))
    await driver.issue_by_pages(scenario, 1, CLEO, DORA)
    for level in (1, 2):
        await driver.reminded(scenario, 1, level)
    await driver.pay(scenario, 1, _eur("10000.00"))
    await driver.invoice(
        scenario,
        1,
        "to be paid in part",
        lambda found: found.balance is not None and found.balance.residual == scenario.open,
    )
    driver.say(scenario, f"paid a part; {scenario.open} stays open and is dunned on")
    # They name nothing, and pay from an account that nobody knows: a person has to decide.
    await driver.pay_by_bank(
        scenario, "Castellan Group AG", "thank you", 1, iban="DE89370400440532013000"
    )


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


async def time_and_materials(driver: DemoDriver, scenario: Scenario) -> None:
    first, last = driver.today, driver.today + timedelta(days=27)
    lines = [
        _line("Packaging line", "BUILD", "12000", "Design 40%; Commissioning 60%"),
        _line("Development", "DEVELOPMENT", "6000"),
        _line("Travel", "EXPENSES", "0"),
        _line("Down payment", "DEPOSIT", "0"),
        _line("Retainage", "RETAINAGE", "0"),
    ]
    deal = _deal(
        driver,
        scenario,
        "Packaging line",
        "18000",
        lines,
        vat_number=None,
        terms=f"starts_on = {first}\nends_on = {last}\n{_HOURS_AND_COSTS}",
    )
    await driver.sign_deal(scenario, deal)
    state = await driver.active(scenario)
    design, commissioning = state.milestones
    await driver.issue(scenario, 1, ANA)  # the deposit: 3000
    await driver.reach(scenario, design)
    await driver.issue(scenario, 2, ANA)  # 4800 - 1200 of the deposit - 240 held back
    await driver.work(scenario, "hours", PETRA, "20", first + timedelta(days=2))
    await driver.work(scenario, "hours", CONRAD, "8", first + timedelta(days=3))
    await driver.spend(scenario, CONRAD, "Train to Ghent", "200.00", first + timedelta(days=3))
    await driver.later(scenario, 15)
    await driver.issue(scenario, 3, BOB)  # 3600 + 210 - 180 held back
    await driver.reach(scenario, commissioning)
    await driver.issue(scenario, 4, ANA)  # 7200 - 1800 of the deposit - 360 held back
    await driver.work(scenario, "hours", PETRA, "30", first + timedelta(days=20))
    await driver.later(scenario, 15)
    await driver.parked(scenario)
    reason = "billed up to the cap, as agreed with the customer"
    await driver.on(scenario).resolve_exception(Action.SKIP, by=CLEO, reason=reason)
    driver.say(scenario, f"{reason}: the rest stays unbilled, on record")
    await driver.issue(scenario, 5, BOB)  # 2400 up to the cap - 120 held back
    await driver.issue(scenario, 6, ANA)  # everything is billed: what was held back, 900
    for number in range(1, 7):
        await driver.pay(scenario, number)
    await driver.settle(scenario, range(1, 7))


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


async def managed_service(driver: DemoDriver, scenario: Scenario) -> None:
    months = [_first_of(driver.today, number) for number in range(1, 5)]
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
        driver,
        scenario,
        "Managed platform",
        "6000",
        lines,
        hs_country_code="US",
        vat_number=None,
        terms=_SERVICE_TERMS,
    )
    await driver.sign_deal(scenario, deal)
    await driver.active(scenario)

    await driver.until_day(scenario, months[0])
    first = await driver.issue(scenario, 1, ANA)  # the fee of the first month, in advance
    invoice = driver.on(scenario).invoice(1)
    await invoice.open_dispute("the desk opened late", by=CLERK, amount="460.00 EUR")
    driver.say(scenario, "460.00 EUR disputed: the desk opened late")
    await invoice.resolve_dispute("a day and a half late", by=CLERK, accepted="115.00 EUR")
    driver.say(scenario, "115.00 EUR of it accepted: a day and a half late")
    await driver.issue(scenario, 2, BOB)  # the credit note
    await driver.invoice(
        scenario,
        1,
        "to be credited in part",
        lambda found: bool(
            found.balance and first.balance and found.balance.residual < first.balance.residual
        ),
    )
    await driver.pay(scenario, 1)
    await driver.work(scenario, "RETAINER-fee", PETRA, "13", months[0] + timedelta(days=9))
    await _use(driver, scenario, "m1", months[0], "1500")
    await driver.on(scenario).credit_service(
        "RETAINER-fee",
        reference="outage-1",
        amount="100.00 EUR",
        reason="four hours down",
        by=PROJECT_MANAGER,
    )
    driver.say(scenario, "service credit of 100.00 EUR: four hours down")

    await driver.until_day(scenario, months[1])
    # Fee, three hours beyond, 1500 calls, less the credit: 2295.
    await driver.issue(scenario, 3, ANA)
    await driver.on(scenario).give_notice(Side.CUSTOMER, by=CLEO)
    driver.say(scenario, "the customer gives notice: the term will not be renewed")
    await driver.work(scenario, "RETAINER-fee", PETRA, "8", months[1] + timedelta(days=9))
    await _use(driver, scenario, "m2", months[1], "1000")

    await driver.until_day(scenario, months[2])
    await driver.issue(scenario, 4, ANA)  # fee and 1000 calls: 2050
    await _use(driver, scenario, "m3", months[2], "800")

    await driver.until_day(scenario, months[3])
    await driver.issue(scenario, 5, ANA)  # what was used in the last month: 40
    for number in (3, 4, 5):
        await driver.pay(scenario, number)
    await driver.settle(scenario, range(1, 6))


async def _use(
    driver: DemoDriver, scenario: Scenario, name: str, month: date, quantity: str
) -> None:
    """Metered records come in, twice: a repeat counts once."""
    on = str(month + timedelta(days=4))
    record = {"id": name, "plan": "calls", "on": on, "quantity": quantity}
    for _ in range(2):
        await driver.on(scenario).record_usage([record])
    driver.say(scenario, f"{quantity} calls metered on {on}; reported twice, counted once")


async def change_and_early_end(driver: DemoDriver, scenario: Scenario) -> None:
    contract_data: JsonObject = {
        "contract_id": "UK-2001",
        "legal_entity": scenario.entity,
        "title": "Analyst academy",
        "customer": {
            "key": "thames-insight",
            "name": scenario.customer,
            "country": "GB",
            "vat_number": "GB980780684",
            "billing_email": "accounts@thames.example.com",
            "street": "1 Embankment",
            "city": "Southwark",
            "zip": "SE1 7PB",
        },
        "currency": "GBP",
        "value": "15000.00",
        "signed_on": str(driver.today),
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
    await driver.sign_contract_data(scenario, contract_data)
    await driver.active(scenario)
    await driver.reach(scenario, "basics")
    await driver.issue(scenario, 1, ANA)  # 6000 and 20 % VAT
    await driver.pay(scenario, 1)
    order = ChangeOrder(
        number=1,
        by=SELLER,
        reason="a workshop for managers; more of the expert course",
        add_milestones=(
            {"key": "managers", "name": "Workshop", "service": "course", "amount": "2400.00"},
        ),
        reprice={"expert": "9600.00"},
    )
    await driver.on(scenario).propose_change(order)
    driver.say(scenario, f"change order 1: {order.reason}")
    await driver.approve_change(scenario, BOB)
    await driver.reach(scenario, "managers")
    await driver.issue(scenario, 2, ANA)  # 2400 and VAT
    await driver.pay(scenario, 2)
    last_day, reason = driver.today + timedelta(days=20), "the academy moves in-house"
    await driver.on(scenario).terminate(Side.CUSTOMER, on=last_day, by=CLEO, reason=reason)
    driver.say(scenario, f"ended early by the customer, last day {last_day}: {reason}")
    await driver.later(scenario, 22)
    await driver.issue(scenario, 3, ANA)  # the fee for ending early; the expert course is dropped
    await driver.pay(scenario, 3)
    await driver.settle(scenario, range(1, 4))


def _deal(
    driver: DemoDriver,
    scenario: Scenario,
    name: str,
    amount: str,
    lines: Sequence[Line],
    *,
    terms: str | None = None,
    **company: str | None,
) -> str:
    """A won deal in HubSpot with what hangs on it; `company` changes the customer's record."""
    customer: dict[str, str | None] = {
        "name": scenario.customer,
        "hs_country_code": "BE",
        "vat_number": "BE0477472701",
        "address": "Napoleon Quay 1",
        "city": "Antwerp-Eilandje",
        "zip": "BE-2030",
    }
    mailbox = scenario.customer.split()[0].lower()
    return driver.stack.sandbox.hubspot.add_deal(
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
