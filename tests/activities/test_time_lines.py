"""Hours of a time system as lines in Odoo: compared, mended, and kept where Odoo insists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activities.timesheets import TimeChanges, TimeDays, TimesheetActivities, TimeSystem
from contracts.timesheets.mapping import Target, TimeMapping
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.timesheets.harvest.api import HarvestApi
from gateways.timesheets.harvest.timesheets import Harvest
from sandbox.conformance.serving import served
from sandbox.harvest import HarvestStore, harvest_app
from tests.activities.firm import APPROVED_FIELD, Firm, Ordered
from tests.activities.mixed import mixed
from tests.conftest import REAL

DAY = date(2026, 3, 9)
PROJECT, OTHER = 14_307_913, 14_307_914


class Imported:
    """A Harvest with one person, whose hours come into a firm's Odoo."""

    def __init__(self, firm: Firm, made: Ordered, store: HarvestStore, address: str) -> None:
        self.firm, self.made, self.store = firm, made, store
        self.system = f"h{made.project}"
        contract = made.contract
        api = HarvestApi(
            pooled_client(address), store.account_id, Secret.of(store.token), system=self.system
        )
        self._system = TimeSystem(
            gateway=Harvest(api, system=self.system),
            legal_entity=contract.legal_entity,
            company=firm.company,
            mapping=TimeMapping(
                projects={
                    str(PROJECT): Target(contract_id=contract.contract_id, key="dev"),
                    str(OTHER): Target(task=made.tasks["support"]),
                }
            ),
            open_days=45,
        )
        self.activities = TimesheetActivities(
            {self.system: self._system}, firm.client, firm.catalogue, APPROVED_FIELD
        )
        self.petra = store.add_person("Petra Developer", "petra@northwind.example")

    def log(self, hours: str = "1", on: date = DAY, project: int = PROJECT) -> int:
        return self.store.log(self.petra, hours, str(on), project=project, is_closed=True)

    def sweep(self) -> Any:
        since = datetime.now(UTC) - timedelta(hours=1)
        return self.activities.import_time(TimeChanges(system=self.system, since=since))

    def compare(self) -> Any:
        return self.activities.compare_time(TimeDays(system=self.system, first=DAY))

    def lines(self) -> dict[int, dict[str, Any]]:
        rows = self.firm.odoo.search_read(
            "account.analytic.line",
            [("ref", "=like", f"{self.system} %")],
            ["ref", "unit_amount", "task_id", "so_line", APPROVED_FIELD],
        )
        return {int(row["ref"].split()[1]): row for row in rows}


@pytest.fixture
def imported(firm: Firm) -> Iterator[Imported]:
    store = HarvestStore()
    with served(harvest_app(store)) as address:
        yield Imported(firm, firm.confirmed(mixed()), store, address)


def test_hours_become_lines_once_and_what_is_gone_goes(imported: Imported) -> None:
    kept, moved, gone = imported.log("7.25"), imported.log(), imported.log()
    assert imported.sweep().loaded == 3
    assert imported.sweep().changed == 0, "nothing is written where nothing differs"
    lines = imported.lines()
    assert lines[kept]["unit_amount"] == 7.25
    assert lines[kept]["so_line"][0] == imported.made.lines["dev"]
    imported.store.change(moved, project={"id": OTHER, "name": "Other"})
    imported.store.delete(gone)
    found = imported.compare()
    assert (found.loaded, found.deleted, found.unplaced) == (1, 1, [])
    lines = imported.lines()
    assert set(lines) == {kept, moved}
    assert lines[moved]["task_id"][0] == imported.made.tasks["support"]
    assert imported.compare().changed == 0


def test_what_people_did_to_a_line_is_corrected_and_their_own_lines_are_left_alone(
    imported: Imported,
) -> None:
    kept, edited = imported.log(), imported.log("2")
    imported.sweep()
    pm = imported.firm.server.client("pm")
    row = imported.lines()[edited]
    pm.write("account.analytic.line", [row["id"]], {"unit_amount": 9, "ref": False})
    [own] = pm.create(
        "account.analytic.line",
        [
            {
                "project_id": imported.made.project,
                "task_id": imported.made.tasks["dev"],
                "employee_id": imported.firm.odoo.search_read(
                    "hr.employee", [("work_email", "=", "petra@northwind.example")], ["id"]
                )[0]["id"],
                "date": str(DAY),
                "unit_amount": 3,
                "name": "My own",
            }
        ],
    )
    assert imported.compare().loaded == 1
    lines = imported.lines()
    assert set(lines) == {kept, edited}
    assert (lines[edited]["id"], lines[edited]["unit_amount"]) == (row["id"], 2.0)
    assert pm.search_read("account.analytic.line", [("id", "=", own)], ["id"])


def test_a_key_that_lost_its_rights_deletes_nothing(imported: Imported) -> None:
    entries = [imported.log() for _ in range(25)]
    imported.sweep()
    for entry in entries[:24]:
        imported.store.delete(entry)
    found = imported.compare()
    assert found.changed == 0
    [question] = found.unplaced
    assert (question.code, str(question.subject)) == ("time_many_gone", f"days-{DAY}")
    assert len(imported.lines()) == 25


@pytest.mark.parametrize("odoo_server", [REAL], indirect=True, scope="session")
def test_what_odoo_itself_has_invoiced_loses_its_approval_or_waits(imported: Imported) -> None:
    deleted, corrected, kept = imported.log(), imported.log(), imported.log()
    imported.sweep()
    admin = imported.firm.odoo
    [order] = admin.read("sale.order.line", [imported.made.lines["dev"]], ["order_id"])
    context = {"active_model": "sale.order", "active_ids": [order["order_id"][0]]}
    [wizard] = admin.create(
        "sale.advance.payment.inv", [{"advance_payment_method": "delivered"}], context=context
    )
    admin.call("sale.advance.payment.inv", "create_invoices", [wizard], context=context)
    [row] = admin.search_read(
        "account.analytic.line",
        [("id", "=", imported.lines()[kept]["id"])],
        ["timesheet_invoice_id"],
    )
    admin.call("account.move", "action_post", [row["timesheet_invoice_id"][0]])
    imported.store.delete(deleted)
    imported.store.change(corrected, hours="5")
    found = imported.compare()
    assert (found.withdrawn, found.deleted, found.loaded) == (1, 0, 0)
    [refused] = found.unplaced
    assert (refused.code, str(refused.subject)) == ("time_line_refused", f"entry-{corrected}")
    assert "already invoiced" in refused.message
    lines = imported.lines()
    assert not lines[deleted][APPROVED_FIELD]
    assert lines[kept][APPROVED_FIELD]


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
def test_an_entry_that_cannot_be_read_waits_alone_and_keeps_its_line(imported: Imported) -> None:
    wrong, right = imported.log(), imported.log("2")
    imported.sweep()
    imported.store.change(wrong, hours=None)
    imported.store.change(right, hours=3)
    for found in (imported.sweep(), imported.compare()):
        [unplaced] = found.unplaced
        assert (unplaced.code, str(unplaced.subject)) == ("time_entry_unreadable", f"entry-{wrong}")
        assert found.deleted == 0
    kept = {key: row["unit_amount"] for key, row in imported.lines().items()}
    assert kept == {wrong: 1, right: 3}


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
def test_a_line_that_somebody_copied_counts_once(imported: Imported) -> None:
    entry = imported.log("2")
    imported.sweep()
    pm = imported.firm.server.client("pm")
    [row] = imported.lines().values()
    names = ["project_id", "task_id", "employee_id", "date", "unit_amount", "name", "ref"]
    [copied] = pm.read("account.analytic.line", [row["id"]], names)
    values = {name: it[0] if isinstance(it := copied[name], list) else it for name in names}
    [copy] = pm.create("account.analytic.line", [values])
    imported.compare()
    assert [line["id"] for line in imported.lines().values()] == [row["id"]]
    [own] = pm.read("account.analytic.line", [copy], ["ref", "unit_amount"])
    assert (own["ref"], own["unit_amount"]) == (False, 2.0)
    assert set(imported.lines()) == {entry}
