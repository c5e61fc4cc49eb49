"""The order that carries every way of billing, how it changes, and what it says in the end."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any

import pytest

from activities.odoo import milestones
from activities.odoo.chatter import ClosingRecord, Notification, attach_closing_record
from activities.odoo.milestones import MilestoneMark
from activities.odoo.order_rows import changed_lines
from activities.odoo.orders import DeliveredRequest, OrderChange
from activities.odoo.projects import ProjectStatusRequest
from contracts.model import Contract, JsonObject
from tests.activities.firm import COMPANY, TERM, Firm, Ordered
from tests.activities.mixed import mixed
from tests.activities.refusals import code, refused
from tests.world import contract_data, eur, single

LINES = ["design", "build", "live", "dev", "support", "api", "costs", "deposit", "retainage"]


def test_the_order_has_a_line_for_everything_that_is_billed(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    figures = firm.figures(made)
    assert [line.key for line in figures.lines] == LINES == list(made.lines)
    assert [line.ordered for line in figures.lines] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert (figures.state, figures.total) == ("sale", eur("9000.00"))
    by_key = {line.key: line for line in figures.lines}
    assert by_key["api"].unit_price == Decimal(0)
    assert by_key["support"].unit_price == 500
    rows = firm.odoo.search_read(
        "sale.order.line",
        [("order_id", "=", made.order)],
        ["analytic_distribution", "qty_delivered_method"],
        order="id",
    )
    # Costs and revenues of the project meet in its analytic account.
    shares = {str(made.account): 100}
    assert [row["analytic_distribution"] for row in rows] == [shares] * len(LINES)
    assert [row["qty_delivered_method"] for row in rows] == [
        *["milestones"] * 3,
        "timesheet",
        *["manual"] * 5,
    ]


def test_hours_are_logged_on_tasks_of_their_plans(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    assert list(made.tasks) == ["design", "build", "live", "dev", "support"]
    rows = firm.odoo.read(
        "project.task", list(made.tasks.values()), ["sale_line_id", "milestone_id", "name"]
    )
    assert [bool(row["milestone_id"]) for row in rows] == [True, True, True, False, False]
    assert [row["sale_line_id"] and row["sale_line_id"][0] for row in rows] == [
        *(made.lines[key] for key in ("design", "build", "live", "dev")),
        False,
    ]
    assert [row["name"] for row in rows[3:]] == [
        "Development (by time)",
        "Service desk (included hours)",
    ]


@pytest.mark.parametrize(
    ("index", "wrong", "expected"),
    [
        (0, "DEVELOPMENT", "Milestones"),
        (1, "BUILD", "Timesheets"),
        (2, "BUILD", "Delivered Quantity"),
        (5, "DEVELOPMENT", "Delivered Quantity"),
    ],
)
def test_a_product_that_odoo_delivers_another_way_is_found_at_validation(
    firm: Firm, index: int, wrong: str, expected: str
) -> None:
    contract = mixed()
    contract["services"][index]["code"] = wrong
    source = {"source": {"system": "file", "id": "1"}}
    [problem] = firm.validation.check(contract | source, COMPANY, TERM).problems
    assert (problem.code, problem.field) == ("service_type_unfit", f"services.{index}.code")
    assert problem.value == wrong
    assert expected in problem.expected


def test_what_was_delivered_is_written_as_it_stands_now(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    for quantities in ({"api": "12.25", "support": "1"}, {"api": "20"}, {"api": "20"}):
        firm.orders.set_delivered(
            DeliveredRequest(
                legal_entity=made.contract.legal_entity,
                contract_id=made.contract.contract_id,
                quantities={key: Decimal(text) for key, text in quantities.items()},
            )
        )
    delivered = {line.key: line.delivered for line in firm.figures(made).lines}
    assert delivered["api"] == 20
    assert delivered["support"] == 1
    assert sum(delivered.values()) == 21


def test_a_milestone_reached_and_taken_back(firm: Firm) -> None:
    made = firm.confirmed(contract_data())
    ref = MilestoneMark(milestone_id=made.milestones["build"])

    def delivered() -> list[Decimal]:
        return [line.delivered for line in firm.figures(made).lines]

    for _ in range(2):
        firm.milestones.mark_milestone(ref)
        assert delivered() == [0, 1, 0]
    firm.odoo.write("project.milestone", [made.milestones["build"]], {"is_reached": False})
    assert delivered() == [0, 0, 0]


# --- change orders --------------------------------------------------------------------------


def _later(firm: Firm, made: Ordered, changes: JsonObject) -> Contract:
    """The contract as a change order leaves it."""
    before = made.contract.model_dump(mode="json", exclude={"version"})
    later, _ = firm.accepted(before | changes)
    return later.model_copy(update={"version": 2})


def _amended(firm: Firm, made: Ordered) -> Contract:
    """Design dearer and later, Build dropped, Training added, and another purchase order."""
    contract = made.contract
    return _later(
        firm,
        made,
        {
            "value": "7000.00 EUR",
            "purchase_order": "PO-2",
            "services": [
                {"key": "build", "code": "BUILD", "description": "Build", "amount": "6500.00 EUR"},
                {"key": "class", "code": "TRAINING", "description": "Class", "amount": "500.00"},
            ],
            "milestones": [
                {
                    "key": "design",
                    "name": "Design",
                    "service": "build",
                    "amount": "3500.00 EUR",
                    "due_on": "2026-05-01",
                },
                contract.milestones[2].model_dump(mode="json") | {"amount": "3000.00 EUR"},
                {"key": "class", "name": "Class held", "service": "class", "amount": "500.00 EUR"},
            ],
        },
    )


def test_order_and_project_follow_a_change_order(firm: Firm) -> None:
    made = firm.confirmed(contract_data())
    after = _amended(firm, made)
    change = OrderChange(before=made.contract, after=after, order_id=made.order)

    def carry_out() -> None:
        ref = firm.orders.amend_order(change)
        made.lines |= ref.lines
        amended = firm.amend_project(made, after)
        made.milestones, made.tasks = amended.milestone_ids, amended.task_ids

    carry_out()
    figures = firm.figures(made)
    assert figures.total == after.fixed_price == eur("7000.00")
    assert [(line.key, int(line.ordered), str(line.unit_price)) for line in figures.lines] == [
        ("design", 1, "3500.0"),
        ("build", 0, "2999.7"),
        ("live", 1, "3000.0"),
        ("class", 1, "500.0"),
    ]
    stands = firm.everything(made.contract)
    assert stands["orders"][0]["client_order_ref"] == "PO-2"
    assert [(row["name"], row["deadline"]) for row in stands["milestones"]] == [
        ("Design", "2026-05-01"),
        ("Go-live", False),
        ("Class held", False),
    ]
    assert [(row["name"], row["active"]) for row in stands["tasks"]] == [
        ("Design", True),
        ("Build", False),
        ("Go-live", True),
        ("Class held", True),
    ]
    assert stands["tasks"][0]["date_deadline"].startswith("2026-05-01 ")
    carry_out()
    assert firm.everything(made.contract) == stands


def test_a_change_order_leaves_alone_what_it_does_not_change(firm: Firm) -> None:
    made = firm.confirmed(contract_data())
    firm.odoo.write("sale.order.line", [made.lines["live"]], {"name": "typed by hand"})
    firm.odoo.call("project.milestone", "unlink", [made.milestones["design"]])
    after = _amended(firm, made)
    live = after.milestone("live")
    assert live is not None
    kept = made.contract.milestone("live")
    assert kept is not None
    same = after.model_copy(update={"milestones": (after.milestones[0], kept, after.milestones[2])})
    assert {line.key for line in changed_lines(made.contract, same)} == {"design", "build", "class"}
    firm.orders.amend_order(OrderChange(before=made.contract, after=same, order_id=made.order))
    milestones.move(firm.client, made.change(same))
    stands = firm.everything(made.contract)
    assert [row["name"] for row in stands["order lines"]][2] == "typed by hand"
    assert [row["name"] for row in stands["milestones"]] == ["Build", "Go-live"]


def test_a_change_that_does_not_come_to_the_fixed_price_is_refused(firm: Firm) -> None:
    made = firm.confirmed(single())
    firm.odoo.write("sale.order.line", [made.lines["all"]], {"price_unit": 999.0})
    later = made.contract.model_copy(update={"purchase_order": "PO-3"})
    change = OrderChange(before=made.contract, after=later, order_id=made.order)
    refusal = refused(lambda: firm.orders.amend_order(change))
    assert code(refusal) == "order_total_differs"
    assert refusal.detail.value == "999.00 EUR"


# --- suspension, notes, the closing record ------------------------------------------------------


def test_work_stops_and_goes_on_visibly_in_the_project(firm: Firm) -> None:
    made = firm.confirmed(single())

    def status(suspended: bool, key: str) -> str:
        request = ProjectStatusRequest(
            legal_entity=made.contract.legal_entity,
            contract_id=made.contract.contract_id,
            project_id=made.project,
            suspended=suspended,
            key=key,
            text="Invoice <1> is overdue & nobody answers",
        )
        for _ in range(2):
            firm.projects.set_project_status(request)
        [project] = firm.everything(made.contract)["projects"]
        return str(project["last_update_status"])

    assert status(True, "suspend-1") == "on_hold"
    assert status(False, "resume-1") == "on_track"
    assert status(True, "suspend-2") == "on_hold"
    updates = firm.everything(made.contract)["updates"]
    assert [row["status"] for row in updates] == ["on_hold", "on_track", "on_hold"]


def test_milestones_that_a_call_deletes_which_comes_twice_are_deleted(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = firm.confirmed(contract_data())
    after = _amended(firm, made)
    call = firm.client.call

    def twice(model: str, method: str, *ids: list[int], **arguments: Any) -> Any:
        if method == "unlink":
            call(model, method, *ids, **arguments)
        return call(model, method, *ids, **arguments)

    monkeypatch.setattr(firm.client, "call", twice)
    milestones.drop(firm.client, made.change(after))
    dropped = {item.key for item in made.contract.milestones} - {m.key for m in after.milestones}
    ids = [made.milestones[key] for key in dropped]
    assert ids
    assert firm.odoo.search_read("project.milestone", [("id", "in", ids)], ["id"]) == []


def test_a_note_without_people_is_only_noted(firm: Firm) -> None:
    made = firm.confirmed(single())
    note = Notification(order_id=made.order, subject="Change order 1", text="Build: 1000 -> 900")
    for _ in range(2):
        firm.chatter.notify(note)
    subjects = [row["subject"] for row in firm.everything(made.contract)["messages"]]
    assert subjects.count("Change order 1") == 1


def test_the_closing_record_is_attached_once(firm: Firm) -> None:
    made = firm.confirmed(single())

    def attach(content: str) -> None:
        attach_closing_record(
            firm.client,
            ClosingRecord(
                legal_entity=made.contract.legal_entity,
                contract_id=made.contract.contract_id,
                order_id=made.order,
                file_name=f"{made.contract.contract_id}.json",
                content=content,
                sha256=hashlib.sha256(content.encode()).hexdigest(),
                text="Closed: everything agrees to the cent",
            ),
        )

    for content in ('{"value": "1000.00 EUR"}', '{"value": "1000.00 EUR"}', '{"café": 1}'):
        attach(content)
    stands = firm.everything(made.contract)
    [file] = stands["files"]
    assert base64.b64decode(file["datas"]).decode() == '{"café": 1}'
    notes = [row for row in stands["messages"] if "SHA-256" in (row["subject"] or "")]
    assert len(notes) == 2  # one a content


def test_figures_name_what_people_added(firm: Firm) -> None:
    made = firm.confirmed(single())
    firm.odoo.write(
        "sale.order",
        [made.order],
        {"order_line": [[0, 0, {"product_id": _product(firm), "price_unit": 10.0}]]},
    )
    figures = firm.figures(made)
    assert [line.key for line in figures.lines] == ["all", ""]
    assert figures.total == eur("1010.00")


def _product(firm: Firm) -> int:
    [row] = firm.odoo.search_read("product.product", [("default_code", "=", "SUPPORT")], ["id"])
    return int(row["id"])
