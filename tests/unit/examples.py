"""What the tests of the domain share: a good contract, a firm's rules, an invoice of each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from contracts.approvals import ApprovalKind, ApprovalPolicy, ApprovalRound, ApprovalTier, Subject
from contracts.billing import account
from contracts.billing.lines import InvoiceProposal
from contracts.calendar import BusinessCalendar
from contracts.contract.state import ContractState
from contracts.dunning import DunningPolicy, DunningStep
from contracts.invoice.content import ContentLine, InvoiceContent, approval_hash
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceReport, InvoiceStage, InvoiceState, KnownDraft
from contracts.model import Contract, JsonObject, Source
from contracts.money import Money
from contracts.odoo_totals import OdooTotals, TaxAmount
from contracts.parking import Step, StepException
from contracts.policy import EntityPolicy
from contracts.validation import validate

# A deadline would measure the machine, not the code.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")

MONDAY, FRIDAY, SATURDAY, SUNDAY = (date(2026, 3, day) for day in (2, 6, 7, 8))
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""Of that Monday; 13:00 in Brussels."""

ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
EMIL = "emil@northwind.example"
SAM = "sam@northwind.example"

MINOR_UNITS = {"JPY": Decimal("1"), "EUR": Decimal("0.01"), "KWD": Decimal("0.001")}
"""The smallest amount in a currency of none, two and three decimals."""

amounts = st.builds(
    lambda currency, count: Money(count * MINOR_UNITS[currency], currency),
    st.sampled_from(sorted(MINOR_UNITS)),
    st.integers(-(10**12), 10**12),
)
"""Any amount, owed or owing, in any of the three currencies."""

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.sampled_from(
        ["EUR", "USD", "BE", "2026-02-30", "4000.00 EUR", "build", "-1", "1e9", "40"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Whatever a JSON parser can return: NaN, infinities and half surrogate pairs too."""


def euros(amount: str) -> Money:
    return Money(amount, "EUR")


def contract_data(**changes: Any) -> JsonObject:
    """10,000 EUR: two services, the first billed by two milestones, the second by one."""
    return {
        "contract_id": "C-1",
        "legal_entity": "northwind",
        "source": {"system": "hubspot", "id": "9001"},
        "title": "ERP roll-out",
        "customer": {
            "key": "acme",
            "name": "Acme NV",
            "country": "BE",
            "vat_number": "BE0477472701",
            "billing_email": "ap@acme.example",
        },
        "currency": "EUR",
        "value": "10000.00",
        "signed_on": "2026-01-10",
        "starts_on": "2026-02-01",
        "ends_on": "2026-12-31",
        "payment_term": "30 Days",
        "purchase_order": "PO-77",
        "requested_by": SAM,
        "services": [
            {"key": "build", "code": "BUILD", "description": "Build", "amount": "9000.00"},
            {"key": "train", "code": "TRAIN", "description": "Training", "amount": "1000.00"},
        ],
        "milestones": [
            {"key": "design", "name": "Design", "service": "build", "amount": "3000.00"},
            {"key": "live", "name": "Go-live", "service": "build", "amount": "6000.00"},
            {"key": "course", "name": "Course", "service": "train", "amount": "1000.00"},
        ],
    } | changes


def contract(**changes: Any) -> Contract:
    return validate(contract_data(**changes))


weekdays = BusinessCalendar(time_zone="Europe/Brussels")
"""Monday to Friday, without holidays."""

approval_policy = ApprovalPolicy(
    groups={"finance": (ANA, BOB), "directors": (CLEO, DORA, EMIL)},
    tiers=(
        ApprovalTier(up_to=euros("1000.00"), group="finance"),
        ApprovalTier(up_to=euros("10000.00"), group="finance", approvals=2),
        ApprovalTier(group="directors", approvals=2),
    ),
    escalation_group="directors",
)

dunning_policy = DunningPolicy(
    steps=tuple(
        DunningStep(days_after_due=days, subject=f"Reminder {level}", text="Please pay.")
        for level, days in enumerate((3, 14, 30), start=1)
    ),
    days_between=5,
    tolerance=Decimal("1.00"),
)

policy = EntityPolicy(
    odoo_company="Northwind Consulting",
    payment_term="30 Days",
    calendar=weekdays,
    approval=approval_policy,
    dunning=dunning_policy,
)


def proposal() -> InvoiceProposal:
    """The first invoice: 3,000 EUR for the design, proposed on that Monday."""
    billing = account.reach(account.begin(contract(), MONDAY), "design", MONDAY)
    composed = account.compose(billing, "milestone:design", 1, MONDAY)
    assert isinstance(composed, account.Composition)
    assert composed.proposal is not None
    return composed.proposal


def content(total: str = "3630.00", **changes: Any) -> InvoiceContent:
    """What the draft of the first invoice says in Odoo, with 21 % tax."""
    tax = euros(total) - euros("3000.00")
    fields: dict[str, Any] = {
        "customer": "Acme NV",
        "customer_id": 3,
        "mailed_to": "ap@acme.example",
        "kind": "out_invoice",
        "origin": "Contract C-1 no. 1 (northwind)",
        "reference": "PO-77",
        "payment_term": "30 Days",
        "invoice_on": MONDAY,
        "due_on": date(2026, 4, 1),
        "journal": "Sales",
        "currency": "EUR",
        "bank_account": "BE02 1234 5678 9002",
        "lines": (
            ContentLine(
                kind="product",
                product="[BUILD] Build",
                text="ERP roll-out – Design",
                quantity=Decimal(1),
                price=Decimal(3000),
                subtotal=Decimal(3000),
                account="700000 Sales",
                taxes=("21%",),
            ),
        ),
        "totals": OdooTotals(
            untaxed=euros("3000.00"),
            taxes=(TaxAmount(name="21% | VAT", amount=tax),),
            total=euros(total),
        ),
    }
    return InvoiceContent(**fields | changes)


def draft(total: str = "3630.00") -> KnownDraft:
    """The draft of the first invoice."""
    made_of = proposal().content_hash
    return KnownDraft(
        invoice_id=7,
        content_hash=made_of,
        approval_hash=approval_hash(made_of, None, content(total)),
        invoice_on=MONDAY,
        content=content(total),
    )


def approval_round(amount: str = "3000.00", requested_by: str = SAM) -> ApprovalRound:
    """The round of the first invoice, or of another amount, begun on that Monday."""
    proposed = proposal()
    subject = Subject(
        kind=ApprovalKind.INVOICE,
        title="invoice 1 of C-1",
        amount=euros(amount),
        content_hash=draft().approval_hash,
        customer_key=proposed.customer_key,
        customer_name=proposed.customer_name,
        requested_by=(requested_by,),
    )
    return ApprovalRound.begin(approval_policy, weekdays, subject, MONDAY)


def balance(residual: str = "3630.00", credited: str = "0", **changes: Any) -> InvoiceBalance:
    """The first invoice, posted with 21 % tax and due at the end of March."""
    fields: dict[str, Any] = {
        "invoice_id": 7,
        "as_of": NOON,
        "number": "INV/2026/00007",
        "posted": True,
        "due_on": date(2026, 4, 1),
        "untaxed": euros("3000.00"),
        "total": euros("3630.00"),
        "residual": euros(residual),
        "credited": euros(credited),
        "credited_untaxed": euros("0"),
    }
    return InvoiceBalance(**fields | changes)


def report(number: int, stage: InvoiceStage, **amounts: str) -> InvoiceReport:
    """What an invoice told its contract; the amounts by the names of its fields."""
    figures = {name: euros(amount) for name, amount in amounts.items()}
    return InvoiceReport(
        number=number,
        stage=stage,
        amount=euros("3000.00"),
        overdue=stage is InvoiceStage.OVERDUE,
        **figures,
    )


def contract_state(**changes: Any) -> ContractState:
    fields: dict[str, Any] = {
        "clock": NOON,
        "contract_id": "C-1",
        "legal_entity": "northwind",
        "source": Source(system="hubspot", id="9001"),
        "contract": contract(),
        "billing": account.begin(contract(), MONDAY),
        "time_zone": "Europe/Brussels",
    }
    return ContractState(**fields | changes)


def invoice_state(**changes: Any) -> InvoiceState:
    fields: dict[str, Any] = {
        "clock": NOON,
        "contract_workflow_id": "contract/northwind/C-1",
        "company_id": 1,
        "order_id": 2,
        "partner_id": 3,
        "requested_by": (SAM,),
        "proposal": proposal(),
        "policy": policy,
        "approval_round": approval_round(),
    }
    return InvoiceState(**fields | changes)


def parked(step: Step, /, **changes: Any) -> StepException:
    """The step as it parks on a business refusal, at noon of that Monday."""
    fields: dict[str, Any] = {
        "step": step.name,
        "kind": "business",
        "doing": step.doing,
        "responsible": step.responsible,
        "code": "refused",
        "message": "Odoo refused it",
        "allowed": step.allowed,
        "since": NOON,
    }
    return StepException(**fields | changes)
