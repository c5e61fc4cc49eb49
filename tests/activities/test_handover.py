"""The project is handed over to delivery in Odoo: from templates, once, and without overwriting
what people have edited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from activities.odoo import templates
from activities.odoo.burn import BurnReading, PortfolioRequest
from activities.odoo.catalogue import Catalogue
from activities.odoo.handover import HandoverResult, OdooHandover
from activities.odoo.validation import AcceptRequest, OdooValidation
from activities.policies import Policies
from contracts.changes import ChangeOrder, changed
from contracts.handover import HandoverDefaults, HandoverPlan, plan_of, services_of_tasks
from contracts.money import Money
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from tests.activities.firm import COMPANY, TERM, Firm
from tests.activities.handed import (
    ADA,
    PM,
    TODAY,
    Handed,
    first_request,
    handed,
    log,
    one,
    template,
    user,
)
from tests.activities.mixed import mixed
from tests.activities.refusals import code, refused
from tests.conftest import settings_for
from tests.odoo.helpers import xid
from tests.world import single, unique

# --- the first time -------------------------------------------------------------------------------


def test_a_project_gets_manager_days_hours_tags_people_and_documents(firm: Firm) -> None:
    tag = unique("Tag")
    contract = one(
        {
            "manager": PM,
            "tags": [tag],
            "documents": [{"name": "Statement of work", "url": "https://docs.example/sow"}],
            "services": [{"service": "s", "hours": "120", "cost": "6000.00"}],
            "people": [
                {"task": "all", "person": ADA, "hours": "30"},
                {"task": "all", "role": "Developer", "hours": "10"},
            ],
        }
    )
    done = handed(firm, contract)
    project = done.project("user_id", "date_start", "date", "allocated_hours", "tag_ids")
    assert project["user_id"][0] == user(firm.odoo, PM)
    assert (project["date_start"], project["date"]) == ("2026-03-01", "2026-12-31")
    assert project["allocated_hours"] == 120
    [named] = firm.odoo.read("project.tags", project["tag_ids"], ["name"])
    assert named["name"] == tag
    task = done.milestone_task()
    assert (task["user_ids"], task["allocated_hours"]) == ([user(firm.odoo, ADA)], 40)
    assert done.documents() == [("Statement of work", "https://docs.example/sow")]
    assert (done.last.staffed, done.last.kept) == (True, [])


def test_the_project_manager_reads_what_was_sold(firm: Firm) -> None:
    contract = one({"manager": PM, "people": [{"task": "all", "person": ADA, "hours": "8"}]})
    done = handed(firm, contract)
    [todo] = done.todos()
    assert todo["user_id"][0] == user(firm.odoo, PM)
    assert todo["summary"] == f"Hand-over: {done.contract.title}"
    amount = str(done.contract.milestones[0].amount)
    assert amount in todo["note"]
    assert f"{done.contract.milestones[0].name}: {ADA}, 8 hours" in todo["note"]
    without = handed(firm, one({"manager": PM, "shows_amounts": False}))
    assert "EUR" not in without.todos()[0]["note"]


def test_without_a_manager_a_project_is_not_staffed(firm: Firm) -> None:
    contract = one({"people": [{"task": "all", "person": ADA, "hours": "8"}]})
    assert not handed(firm, contract).last.staffed


def test_a_task_with_hours_and_nobody_is_not_staffed(firm: Firm) -> None:
    contract = one({"manager": PM, "people": [{"task": "all", "role": "Developer", "hours": "8"}]})
    assert not handed(firm, contract).last.staffed


def test_somebody_who_is_no_user_of_odoo_is_refused(firm: Firm) -> None:
    made = firm.confirmed(one({"manager": PM}))
    order = ChangeOrder(
        number=1, by="sam", reason="agreed", set={"handover.manager": "nobody@northwind.example"}
    )
    request = first_request(made).model_copy(update={"contract": changed(made.contract, order, ())})
    assert code(refused(lambda: firm.handover.hand_over(request))) == "person_not_in_odoo"


# --- templates ------------------------------------------------------------------------------------


def test_a_template_is_copied_with_its_tasks_sub_tasks_and_stages(firm: Firm) -> None:
    of = template(firm.client)
    people = [{"task": "Prepare", "person": ADA, "hours": "3"}]
    done = handed(firm, one({"manager": PM, "template": of.name, "people": people}))
    project = done.project("type_ids", "tag_ids")
    assert sorted(project["type_ids"]) == sorted(of.stages)
    assert len(project["tag_ids"]) == 1
    tasks = done.tasks()
    assert {*of.tasks} < {*tasks}
    assert tasks["Kick-off"]["allocated_hours"] == 4
    assert tasks["Prepare"]["parent_id"][0] == tasks["Kick-off"]["id"]
    assert tasks["Prepare"]["stage_id"][0] == of.stages[1]
    assert "Read it" in tasks["Prepare"]["description"]
    assert (tasks["Prepare"]["user_ids"], tasks["Prepare"]["allocated_hours"]) == (
        [user(firm.odoo, ADA)],
        3,
    )
    assert tasks["QA"]["sale_line_id"] is False
    # A task of ours that had no stage is in the first one.
    assert done.milestone_task()["stage_id"][0] == of.stages[0]
    assert sorted(task.name for task in done.last.copied.values()) == ["Kick-off", "Prepare", "QA"]


def test_people_of_a_role_get_the_tasks_that_ask_for_it(firm: Firm) -> None:
    role = unique("Tester")
    of = template(firm.client, role)
    people = [{"role": role.upper(), "person": ADA}]
    tasks = handed(firm, one({"template": of.name, "people": people})).tasks()
    assert tasks["QA"]["user_ids"] == [user(firm.odoo, ADA)]
    assert tasks["Kick-off"]["user_ids"] == []


def test_hours_of_a_template_for_a_service_by_time_are_billed_on_its_line(firm: Firm) -> None:
    of = template(firm.client)
    contract = mixed()
    plan = contract["time"][0]
    contract["handover"] = {"services": [{"service": plan["service"], "template": of.name}]}
    done = handed(firm, contract)
    assert done.tasks()["QA"]["sale_line_id"][0] == done.made.lines[plan["key"]]
    assert {task.service for task in done.last.copied.values()} == {plan["service"]}


# --- exactly once ---------------------------------------------------------------------------------


def again(act: Any) -> Any:
    """As the engine does: what is transient is tried again."""
    for _ in range(20):
        try:
            return act()
        except GatewayError as error:
            if error.kind is not FailureKind.TRANSIENT:
                raise
    raise AssertionError("never got through")


def test_a_repeat_and_two_at_once_leave_one_of_everything(firm: Firm) -> None:
    of = template(firm.client)
    documents = [{"name": "SOW", "url": "https://docs.example/sow"}]
    people = [{"task": "QA", "person": ADA, "hours": "3"}]
    made = firm.confirmed(
        one(
            {
                "manager": PM,
                "template": of.name,
                "tags": [unique("Tag")],
                "documents": documents,
                "people": people,
            }
        )
    )
    request = first_request(made)

    clients = [firm.server.client() for _ in range(3)]
    others = [OdooHandover(client, Catalogue(client)) for client in clients]

    def attempt(other: OdooHandover) -> HandoverResult:
        result: HandoverResult = again(lambda: other.hand_over(request))
        return result

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(attempt, others))
    for client in clients:
        client.close()
    results.append(firm.handover.hand_over(request))
    assert len({frozenset(result.copied) for result in results}) == 1
    done = Handed(firm, made, made.contract, results[-1])
    assert len(done.tasks()) == 4
    assert len(done.todos()) == 1
    assert len(done.documents()) == 1
    assert done.tasks()["QA"]["user_ids"] == [user(firm.odoo, ADA)]
    assert results[-1].kept == []


# --- change orders and what people have edited ----------------------------------------------------


def test_a_change_order_moves_what_only_we_have_set(firm: Firm) -> None:
    people = [{"task": "all", "person": ADA, "hours": "8"}]
    done = handed(firm, one({"manager": PM, "people": people}))
    kept = done.change(
        set={
            "handover.manager": ADA,
            "handover.ends_on": "2026-10-31",
            "handover.people": [{"task": "all", "person": PM, "hours": "12"}],
        }
    ).kept
    assert kept == []
    project = done.project("user_id", "date", "date_start", "allocated_hours")
    assert project["user_id"][0] == user(firm.odoo, ADA)
    assert (project["date_start"], project["date"]) == ("2026-03-01", "2026-10-31")
    assert project["allocated_hours"] == 12
    task = done.milestone_task()
    assert (task["user_ids"], task["allocated_hours"]) == ([user(firm.odoo, PM)], 12)
    assert [todo["summary"] for todo in done.todos()] == [
        f"Hand-over: {done.contract.title}",
        f"Hand-over, version 2: {done.contract.title}",
    ]


def test_what_people_have_edited_stays_and_is_reported(firm: Firm) -> None:
    people = [{"task": "all", "person": ADA, "hours": "8"}]
    done = handed(firm, one({"manager": PM, "people": people}))
    admin = user(firm.odoo, "c2c@northwind.example")
    task = done.milestone_task()["id"]
    firm.odoo.write(
        "project.project",
        [done.made.project],
        {"user_id": user(firm.odoo, ADA), "date_start": "2026-03-15", "date": "2026-11-30"},
    )
    firm.odoo.write("project.task", [task], {"allocated_hours": 20, "user_ids": [(4, admin)]})
    kept = done.change(
        set={
            "handover.manager": "c2c@northwind.example",
            "handover.ends_on": "2026-10-31",
            "handover.people": [{"task": "all", "person": PM, "hours": "12"}],
        }
    ).kept
    assert [line.partition(":")[0] for line in kept] == [
        "the manager",
        "the days of the project",
        f"hours of {done.milestone_task()['name']}",
    ]
    assert done.project("user_id")["user_id"][0] == user(firm.odoo, ADA)
    assert done.project("date")["date"] == "2026-11-30"
    row = done.milestone_task()
    # Ours was replaced, theirs is still there.
    assert sorted(row["user_ids"]) == sorted([user(firm.odoo, PM), admin])
    assert row["allocated_hours"] == 20
    assert "Kept as edited in Odoo" in done.todos()[-1]["note"]


def test_a_change_order_that_says_nothing_of_it_leaves_the_project_alone(firm: Firm) -> None:
    of = template(firm.client)
    tag = unique("Tag")
    done = handed(firm, one({"manager": PM, "template": of.name, "tags": [tag]}))
    project = done.made.project
    deleted = done.tasks()["QA"]["id"]
    firm.odoo.call("project.task", "unlink", [deleted])
    firm.odoo.write(
        "project.project", [project], {"user_id": user(firm.odoo, ADA), "tag_ids": [(5, 0, 0)]}
    )
    assert done.change(set={"payment_term": "15 Days"}).kept == []
    assert "QA" not in done.tasks()
    assert done.project("user_id", "tag_ids")["tag_ids"] == []
    assert done.project("user_id")["user_id"][0] == user(firm.odoo, ADA)


def test_a_task_that_was_deleted_stays_so(firm: Firm) -> None:
    people = [{"task": "all", "person": ADA, "hours": "8"}]
    done = handed(firm, one({"manager": PM, "people": people}))
    firm.odoo.call("project.task", "unlink", [done.milestone_task()["id"]])
    assert done.change(set={"handover.people": []}).kept == []
    assert done.tasks() == {}


def test_a_version_after_a_hand_over_that_was_skipped_is_handed_over_in_whole(firm: Firm) -> None:
    people = [{"task": "all", "person": ADA, "hours": "8"}]
    made = firm.confirmed(one({"manager": PM, "people": people}))
    skipped = HandoverPlan(version=1)
    request = first_request(made).model_copy(update={"before": skipped})
    done = Handed(firm, made, made.contract, firm.handover.hand_over(request))
    assert done.milestone_task()["user_ids"] == [user(firm.odoo, ADA)]
    assert done.project("user_id")["user_id"][0] == user(firm.odoo, PM)


def test_a_template_that_a_change_order_adds_is_copied(firm: Firm) -> None:
    of = template(firm.client)
    done = handed(firm, one({"manager": PM}))
    done.change(set={"handover.template": of.name})
    assert {*of.tasks} < {*done.tasks()}


# --- accepted, or refused with every problem ------------------------------------------------------


def test_what_odoo_lacks_of_a_hand_over_is_found_when_the_contract_is_accepted(firm: Firm) -> None:
    contract = one(
        {
            "manager": "nobody@northwind.example",
            "template": unique("Nothing"),
            "services": [{"service": "s", "hours": "1", "cost": "1.00 GBP"}],
        }
    )
    source = {"source": {"system": "file", "id": contract["contract_id"]}}
    found = firm.validation.check(source | contract, COMPANY, TERM).problems
    assert [(item.code, item.field) for item in found] == [
        ("person_not_in_odoo", "handover.manager"),
        ("template_unknown", "handover.template"),
        ("budget_currency", "handover.services.0.cost"),
    ]


def test_a_task_that_no_template_has_is_found_when_the_contract_is_accepted(firm: Firm) -> None:
    of = template(firm.client)
    people = [{"task": "Kick-off", "person": ADA}, {"task": "Kickoff", "person": ADA}]
    contract = one({"template": of.name, "people": people})
    source = {"source": {"system": "file", "id": contract["contract_id"]}}
    found = firm.validation.check(source | contract, COMPANY, TERM).problems
    assert [(item.code, item.field) for item in found] == [
        ("task_unknown", "handover.people.1.task")
    ]
    second = {"id": xid("project"), "name": of.name, "is_template": True}
    firm.client.load("project.project", [second])
    found = firm.validation.check(source | contract, COMPANY, TERM).problems
    assert [item.code for item in found] == ["template_ambiguous"]


# --- burn -----------------------------------------------------------------------------------------


def test_hours_and_costs_are_summed_by_service(firm: Firm) -> None:
    of = template(firm.client)
    budget = {"service": "s", "template": of.name, "hours": "40", "cost": "2000.00"}
    done = handed(firm, one({"manager": PM, "services": [budget]}))
    tasks, project = done.tasks(), done.made.project
    log(firm.odoo, project, done.milestone_task()["id"], 10)
    log(firm.odoo, project, tasks["Prepare"]["id"], 2)
    [added] = firm.client.load(
        "project.task",
        [
            {
                "id": xid("task"),
                "name": "Added by people",
                "project_id/.id": project,
                "parent_id/.id": tasks["Prepare"]["id"],
                "sale_line_id/id": "",
            }
        ],
    )
    log(firm.odoo, project, added, 1)
    log(firm.odoo, project, None, 3)
    own = services_of_tasks(done.contract)
    services = {done.last.tasks[key]: service for key, service in own.items()}
    services |= {task: item.service for task, item in done.last.copied.items()}
    found = firm.burn.read_burn(
        BurnReading(project_id=project, analytic_account_id=done.made.account, services=services)
    )
    assert {item.service: (item.hours, item.cost) for item in found.burn.services} == {
        "": (Decimal(3), Money("150.00", "EUR")),
        "s": (Decimal(13), Money("650.00", "EUR")),
    }
    assert not found.staffed


def test_a_project_without_work_has_a_burn_of_nothing(firm: Firm) -> None:
    done = handed(firm, one({"manager": PM}))
    request = BurnReading(
        project_id=done.made.project, analytic_account_id=done.made.account, services={}
    )
    found = firm.burn.read_burn(request)
    assert [(item.hours, item.cost) for item in found.burn.services] == [
        (Decimal(0), Money("0.00", "EUR"))
    ]
    assert found.staffed


def test_the_portfolio_is_read_in_pages_of_sums(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.odoo.burn.PROJECTS_PER_PAGE", 2)
    budget = [{"service": "s", "hours": "40"}]
    busy, idle = (
        handed(firm, one({"manager": PM, "services": budget, **people}))
        for people in ({}, {"people": [{"task": "all", "role": "Tester", "hours": "1"}]})
    )
    log(firm.odoo, busy.made.project, busy.milestone_task()["id"], 10)
    without = firm.confirmed(single())
    found: dict[int, tuple[str, int, bool]] = {}
    request: PortfolioRequest | None = PortfolioRequest()
    while request is not None:
        page = firm.burn.read_portfolio(request)
        assert len(page.projects) <= 2
        found |= {
            item.project_id: (item.workflow_id, item.step, item.staffed) for item in page.projects
        }
        request = PortfolioRequest(after=page.next) if page.next is not None else None
    assert found[busy.made.project] == (busy.made.workflow_id, 2, True)
    assert found[idle.made.project] == (idle.made.workflow_id, 0, False)
    assert without.project not in found


def test_a_project_that_is_archived_while_the_portfolio_is_read_is_left_out(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = [{"service": "s", "hours": "40"}]
    gone, there = (handed(firm, one({"manager": PM, "services": budget})) for _ in range(2))
    by_id = OdooClient.by_id

    def archived(self: OdooClient, model: str, ids: Any, *args: Any, **more: Any) -> Any:
        found = by_id(self, model, ids, *args, **more)
        return {key: row for key, row in found.items() if key != gone.made.project}

    monkeypatch.setattr(OdooClient, "by_id", archived)
    page = firm.burn.read_portfolio(PortfolioRequest())
    found = {item.project_id for item in page.projects}
    assert (gone.made.project in found, there.made.project in found) == (False, True)


def test_what_a_contract_keeps_of_a_templates_tasks_is_bounded(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = template(firm.client, role="R" * 900)
    firm.odoo.write("project.task", [of.tasks["QA"]], {"name": "Q" * 900})
    plan = {"manager": PM, "services": [{"service": "s", "template": of.name}]}
    kept = handed(firm, one(plan)).last.copied.values()
    assert max(len(item.name) for item in kept) == 200
    assert max(len(role) for item in kept for role in item.roles) == 200
    monkeypatch.setattr(templates, "MAX_CHARACTERS", 300)
    error = refused(lambda: handed(firm, one(plan)))
    assert code(error) == "template_too_large"


def test_defaults_of_the_legal_entity_become_the_contracts_own(
    firm: Firm,
) -> None:
    of = template(firm.client)
    defaults = {
        "BUILD": {
            "template": of.name,
            "hours": "40",
            "people": [{"role": "Developer", "hours": "30"}],
        }
    }
    rules = settings_for(firm.server).entities["northwind"]
    rules = rules.replace(
        handover=HandoverDefaults.model_validate({"manager": PM, "services": defaults})
    )
    validation = OdooValidation(firm.catalogue, Policies({"northwind": rules}))
    contract = single()
    source = {"source": {"system": "file", "id": contract["contract_id"]}}
    request = AcceptRequest(contract_data=source | contract, legal_entity="northwind", today=TODAY)
    accepted = validation.validate_contract(request).contract
    assert accepted is not None
    assert accepted.handover is not None
    assert accepted.handover.manager == PM
    assert accepted.handover.templates == (("s", of.name),)
    assert plan_of(accepted).tasks["all"].hours == 30
