"""The rows of a contract: as lists show it before it runs, and as it tells of itself after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from contracts.analytics.contract import ContractFacts
from contracts.analytics.invoices import month_of
from contracts.analytics.tables import Backlog, Contracts, Forecast, Pipeline
from contracts.money import Money


def pipeline(
    *,
    contract: str,
    customer: str,
    stage: str,
    value: Money | None,
    waits_for: str,
    waiting_since: datetime | None,
    began_at: datetime,
) -> Pipeline:
    """A contract that does not run yet."""
    return Pipeline(
        contract=contract,
        customer=customer,
        stage=stage,
        value=value.amount if value else None,
        currency=value.currency if value else None,
        waits_for=waits_for,
        waiting_since=_utc(waiting_since),
        began_at=began_at.astimezone(UTC),
    )


def contract(facts: ContractFacts) -> Contracts:
    """A contract that runs, or has ended."""
    return Contracts(
        contract=facts.contract_id,
        title=facts.title,
        customer=facts.customer,
        stage=facts.stage,
        ending=facts.ending,
        value=facts.value.amount,
        currency=facts.value.currency,
        version=facts.version,
        project=facts.project,
        sales_order=facts.order,
        signed_on=facts.signed_on,
        starts_on=facts.starts_on,
        ends_on=facts.ends_on,
        began_at=_utc(facts.began_at),
        ended_at=_utc(facts.ended_at),
        touchless=facts.touchless,
    )


def backlog(facts: ContractFacts) -> Iterator[Backlog]:
    """What of a contract is sold and not billed."""
    for item in facts.backlog:
        yield Backlog(
            contract=facts.contract_id,
            customer=facts.customer,
            order_line=item.order_line,
            name=item.name,
            entitled=item.entitled.amount,
            planned=item.planned.amount,
            billed=item.billed.amount,
            currency=item.billed.currency,
        )


def forecast(facts: ContractFacts, day: date) -> Iterator[Forecast]:
    """What is to come of a contract. What was due by the day of the export, and has not come, is
    expected that day."""
    for item in facts.coming:
        on = max(item.expected_on, day) if item.expected_on else None
        yield Forecast(
            contract=facts.contract_id,
            customer=facts.customer,
            what=item.what,
            subject=item.subject,
            expected_on=on,
            month=month_of(on) if on else None,
            amount=item.amount.amount if item.amount else None,
            currency=facts.value.currency,
        )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None
