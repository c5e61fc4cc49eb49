"""Is everything there before the first contract? Each answer says what to do about it.

Nothing is written anywhere. What is asked of Odoo is what the activities need of it: see
activities/odoo/requirements.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.odoo.needs import Need
from activities.odoo.requirements import NEEDS
from contracts.policy import LegalEntity
from contracts.validation import Problem
from gateways.connectors import Group, Preparable
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from starters import bank_journals, environment, keys, mailing, processor_books, schedules
from starters.findings import Area, Finding, Verdict
from starters.web import checks as gateway
from starters.web.login import checks as login
from wiring import audit, encryption, identity, remotes
from wiring import client as temporal
from wiring.config_file import CONFIG_VARIABLE, config_path
from wiring.settings import (
    ConfigurationError,
    Settings,
)
from workflows import task_queues

_CONFIGURATION, _TEMPORAL, _ODOO = Area("Configuration"), Area("Temporal"), Area("Odoo")
_ENCRYPTION, _IDENTITY = Area("Encryption"), Area("Identity")
_AUDIT = Area("Audit record")
_MAX_NAMED = 6
_TIMESHEET = "account.analytic.line"
_BILLED_BY = {
    "milestones": 'milestones ("Based on Milestones")',
    "timesheet": 'hours ("Based on Timesheets")',
    "manual": 'retainers, use, expenses, deposits and retainage ("Based on Delivered Quantity")',
}
"""What a contract can bill on a product, by the product's service type in Odoo."""
_POLLED_WITHIN = timedelta(minutes=2)
"""The server remembers pollers for five minutes; a live one asks again at least once a minute."""


def is_ready(findings: Sequence[Finding]) -> bool:
    return all(item.verdict is not Verdict.MISSING for item in findings)


async def check(settings: Settings | ConfigurationError) -> list[Finding]:
    """Everything; where the configuration cannot be read, what can be looked at without it."""
    if isinstance(settings, ConfigurationError):
        remedy = f"write it as docs/configure.md says, or name yours in {CONFIG_VARIABLE}"
        return [_CONFIGURATION.missing("file", str(settings), remedy), *await _temporal(None)]
    entities = f"{config_path()}: {', '.join(settings.entities)}"
    found = [_CONFIGURATION.ok("legal entities", entities)]
    # From which day on won deals become contracts by themselves: a person is to see that it is
    # right before the first sweep runs.
    found += [
        _CONFIGURATION.ok(
            f"{system} closed_since",
            f"deals closed since {crm.closed_since} become contracts of {crm.legal_entity}",
        )
        for system, crm in settings.crm.items()
    ]
    found += [*_encryption(settings), _signatures(settings), _audit(settings)]
    found += await login.check(settings)
    found += [*gateway.check(settings), *mailing.check(settings)]
    found += await _temporal(settings)
    try:
        odoo = remotes.odoo(settings)
    except ValueError as error:
        remedy = "correct it in the configuration"
        return [*found, _CONFIGURATION.missing("odoo", str(error), remedy)]
    with contextlib.closing(odoo):
        found += await _environment(settings, odoo)
        return [*found, *await check_odoo(odoo, settings), *await check_connectors(settings, odoo)]


def _audit(settings: Settings) -> Finding:
    """Whether the audit record is kept, and its anchors signed."""
    if not settings.records.is_configured:
        detail = "not kept: no record store is configured"
        return _AUDIT.warn("store", detail, "right for a trial; else configure [records]")
    try:
        audit.reader(settings).anchors(next(iter(settings.entities)))
    except (ConfigurationError, GatewayError) as error:
        return _AUDIT.missing("store", str(error), "docs/audit.md")
    if settings.audit.signing_key_file is None:
        detail = "kept, and its anchors are not signed"
        return _AUDIT.warn("store", detail, "set audit.signing_key_file")
    return _AUDIT.ok("store", "kept, and its anchors are signed")


def _encryption(settings: Settings) -> list[Finding]:
    """Whether payloads are encrypted, and whether every key that is there can be opened."""
    address = temporal.address()
    try:
        on = encryption.is_on(settings.encryption, address)
        encryption.check_keys(settings, make=False)
        if not settings.encryption.masters:
            detail = f"off: Temporal at {address} holds all payloads in clear text"
            remedy = "right for a trial on one machine; else configure [encryption]"
            return [_ENCRYPTION.warn("payloads", detail, remedy)]
        counted = keys.known(encryption.key_ring(settings))
    except (ConfigurationError, GatewayError) as error:
        return [_ENCRYPTION.missing("payloads", str(error), "docs/encryption.md")]
    told = ", ".join(f"{count} by {name}" for name, count in counted.by_master.items())
    state = "encrypted" if on else "not encrypted any more, older ones can be read"
    found = [_ENCRYPTION.ok("payloads", f"{state}; keys wrapped: {told}")]
    lost = sorted(counted.by_master.keys() - settings.encryption.masters.keys())
    if lost:
        detail = f"keys are wrapped by {', '.join(lost)}, which is not configured"
        remedy = "add it under [encryption.masters], then c2c keys rewrap"
        found.append(_ENCRYPTION.missing("masters", detail, remedy))
    return found


def _signatures(settings: Settings) -> Finding:
    """Whether decisions must be signed, and whether the keys for that can be read."""
    address, configured = temporal.address(), settings.identity
    try:
        known = identity.check(configured, address)
    except ConfigurationError as error:
        return _IDENTITY.missing("signatures", str(error), "docs/identity.md")
    if not identity.is_required(configured, address):
        detail = f"not required: whoever reaches Temporal at {address} decides in any name"
        remedy = "right for a trial on one machine; else set identity.required"
        return _IDENTITY.warn("signatures", detail, remedy)
    return _IDENTITY.ok("signatures", f"required; verified by the keys {', '.join(known)}")


async def _environment(settings: Settings, odoo: OdooClient) -> list[Finding]:
    """Nothing where Temporal is not there, which is said already."""
    with contextlib.suppress(temporal.TemporalUnreachable, ConfigurationError, RPCError):
        return [await environment.check(await temporal.connect(), settings, odoo)]
    return []


async def _temporal(settings: Settings | None) -> list[Finding]:
    try:
        client = await temporal.connect()
    except temporal.TemporalUnreachable as error:
        remedy = "start a server (c2c dev), or set TEMPORAL_ADDRESS to yours"
        return [_TEMPORAL.missing("server", error.without_internals(), remedy)]
    except ConfigurationError as error:
        return [_TEMPORAL.missing("server", str(error), "correct it in the configuration")]
    return await check_temporal(client, settings)


# --- Temporal -----------------------------------------------------------------------------------


async def check_temporal(client: Client, settings: Settings | None) -> list[Finding]:
    """The namespace, its search attributes, workers on each queue, the sweeps' schedules."""
    server = await _namespace(client)
    if server.verdict is Verdict.MISSING:
        return [server]
    found = [server, await _attributes(client)]
    if settings is not None:
        found += [await _sweep(client, sweep) for sweep in schedules.sweeps(settings)]
        found += [
            _TEMPORAL.warn(f"schedule {name}", "what it is for is not configured", "c2c setup")
            for name in await schedules.orphans(client, settings)
        ]
    return [*found, *[await _workers(client, queue) for queue in task_queues.ALL]]


async def _namespace(client: Client) -> Finding:
    address = client.service_client.config.target_host
    where = f"namespace {client.namespace} at {address}"
    try:
        answer = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
    except RPCError as error:
        remedy = "see TEMPORAL_API_KEY, TEMPORAL_TLS and the namespace's access rules"
        if error.status is RPCStatusCode.NOT_FOUND:
            remedy = "create the namespace, or set TEMPORAL_NAMESPACE to one that exists"
        return _TEMPORAL.missing("server", f"{where}: {error.message}", remedy)
    kept = answer.config.workflow_execution_retention_ttl.ToTimedelta().days
    return _TEMPORAL.ok("server", f"{where}; ended contracts kept {kept} days")


async def _attributes(client: Client) -> Finding:
    try:
        found = await schedules.compare_attributes(client)
    except RPCError as error:
        detail = f"could not be listed: {error.message}"
        return _TEMPORAL.warn("search attributes", detail, "compare them by hand: docs/find.md")
    if found.conflicting:
        told = ", ".join(f"{name} is {is_}, not {must}" for name, is_, must in found.conflicting)
        remedy = "rename or remove them, or use a namespace of its own; then c2c setup"
        return _TEMPORAL.missing("search attributes", told, remedy)
    if found.missing:
        missing = f"missing: {', '.join(found.missing)}"
        return _TEMPORAL.missing("search attributes", missing, "c2c setup")
    return _TEMPORAL.ok("search attributes", "all registered")


async def _workers(client: Client, queue: str) -> Finding:
    hosts_workflows = queue == task_queues.CONTRACTS
    subject = f"workers on {queue}"
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        if hosts_workflows
        else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request)
    except RPCError as error:
        return _TEMPORAL.warn(subject, error.message, "ask again later")
    since = datetime.now(UTC) - _POLLED_WITHIN
    live = [item for item in answer.pollers if item.last_access_time.ToDatetime(UTC) >= since]
    if not live:
        remedy = f"c2c worker (or c2c worker --queue {queue})"
        return _TEMPORAL.warn(subject, "none in the last two minutes", remedy)
    return _TEMPORAL.ok(subject, _named(sorted({poller.identity for poller in live})))


async def _sweep(client: Client, sweep: schedules.Sweep) -> Finding:
    subject = f"schedule {sweep.id}"
    try:
        there = await client.get_schedule_handle(sweep.id).describe()
        differing = await schedules.differences(client, there, sweep)
    except RPCError as error:
        is_missing = error.status is RPCStatusCode.NOT_FOUND
        detail = "does not exist" if is_missing else error.message
        return _TEMPORAL.missing(subject, detail, "c2c setup")
    if differing:
        return _TEMPORAL.warn(subject, f"not as configured: {', '.join(differing)}", "c2c setup")
    if there.schedule.state.paused:
        detail = f"paused ({there.schedule.state.note or 'no note'})"
        remedy = "unpause it in Temporal: changes made in Odoo or the CRM go unnoticed"
        return _TEMPORAL.warn(subject, detail, remedy)
    return _TEMPORAL.ok(subject, sweep.words)


# --- Odoo ---------------------------------------------------------------------------------------


async def check_odoo(odoo: OdooClient, settings: Settings) -> list[Finding]:
    """The server, the key, every model with its fields and rights, and each legal entity."""
    return await asyncio.to_thread(_check_odoo, odoo, settings)


def _check_odoo(odoo: OdooClient, settings: Settings) -> list[Finding]:
    try:
        odoo.call("res.users", "context_get")
    except GatewayError as error:
        return [_odoo_unreachable(error, settings)]
    detail = f"{settings.odoo.url}, database {settings.odoo.database}, {_version(odoo)}"
    found = [_ODOO.ok("server and API key", detail)]
    if settings.odoo.is_in_clear_text:
        detail = "spoken to in clear text, as odoo.plain_http_hosts allows"
        remedy = "right where nobody else is on the way, as inside a cluster; else use https"
        found.append(_ODOO.warn("address", detail, remedy))
    found += _models(odoo)
    found.append(_time_approved(odoo, settings.odoo.time_approved_field))
    for key, entity in settings.entities.items():
        found += _entity(odoo, key, entity)
    found += processor_books.check(odoo, settings)
    found += bank_journals.check(odoo, settings)
    return found


def _odoo_unreachable(error: GatewayError, settings: Settings) -> Finding:
    remote = settings.odoo
    key = f"in {remote.api_key_file}" if remote.api_key_file else "in C2C_ODOO__API_KEY"
    remedies = {
        "unreachable": "see odoo.url (C2C_ODOO__URL), and that Odoo runs",
        "no_answer": "see that Odoo runs and answers its web page",
        "unavailable": "see odoo.database (C2C_ODOO__DATABASE), and that Odoo has started",
        "database_unknown": "see odoo.database (C2C_ODOO__DATABASE)",
        "api_key_refused": "make an API key for the service user in Odoo (its preferences, "
        f"Security) and put it {key}",
        "secret_missing": f"put the service user's API key {key}",
        "secret_unreadable": f"see the permissions and the content of {remote.api_key_file}",
    }
    protocols = 'see odoo.url; before Odoo 19 set odoo.protocol = "jsonrpc" and odoo.login'
    return _ODOO.missing("server and API key", error.message, remedies.get(error.code, protocols))


def _version(odoo: OdooClient) -> str:
    """Odoo's version by its base module; only shown, so it may stay unknown."""
    try:
        domain = [("name", "=", "base")]
        found = odoo.search_read("ir.module.module", domain, ["latest_version"], limit=1)
    except GatewayError:
        found = []
    return f"Odoo {found[0]['latest_version']}" if found else "version not told"


def _models(odoo: OdooClient) -> Iterator[Finding]:
    """One finding for each model that lacks something, else one for all."""
    lacking = [item for need in NEEDS.values() for item in _model(odoo, need)]
    yield from lacking
    if not lacking:
        told = f"{len(NEEDS)} models have the fields, and the user the rights"
        yield _ODOO.ok("models, fields, rights", told)


def _model(odoo: OdooClient, need: Need) -> Iterator[Finding]:
    model = need.model
    try:
        odoo.search_read(model, [], need.fields or ["id"], limit=1)
    except GatewayError as error:
        found = _unreadable(odoo, need, error)
        yield _if_needed(found, need) if need.only_for else found
        return
    granted = {right: _has_right(odoo, model, right) for right in need.rights}
    refused = sorted(right for right, has in granted.items() if has is False)
    if refused:
        detail = f"the user may not {' or '.join(refused)}"
        remedy = f"give the service user the group {need.access.group}"
        missing = _ODOO.missing(model, detail, remedy)
        yield _if_needed(missing, need) if need.only_for else missing
    elif None in granted.values():
        detail = "Odoo did not say whether the user may create and change"
        yield _ODOO.warn(model, detail, f"see that it has {need.access.group}")


def _if_needed(found: Finding, need: Need) -> Finding:
    """What only some contracts need is for a person to judge."""
    remedy = f"{found.remedy}; only {need.only_for} need it"
    return replace(found, verdict=Verdict.WARN, remedy=remedy)


def _unreadable(odoo: OdooClient, need: Need, error: GatewayError) -> Finding:
    model = need.model
    install = f"install the module {need.access.module} in Odoo"
    match error.code:
        case "module_missing":
            return _ODOO.missing(model, "no such model", install)
        case "field_unknown":
            there = _fields(odoo, model)
            lacking = [name for name in need.fields if name not in there]
            detail = f"no field {', '.join(lacking)}" if lacking else error.message
            return _ODOO.missing(model, detail, install)
        case "access_denied":
            remedy = f"give the service user the group {need.access.group}"
            return _ODOO.missing(model, "the user may not read it", remedy)
    return _ODOO.missing(model, error.message, "see Odoo's log")


def _fields(odoo: OdooClient, model: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = odoo.call(model, "fields_get", attributes=["type"])
    except GatewayError:
        return {}
    return found


def _time_approved(odoo: OdooClient, field: str) -> Finding:
    """Whether timesheet lines have the field that says they are approved."""
    subject = "approved timesheets"
    there = _fields(odoo, _TIMESHEET)
    remedy = (
        f"add a boolean field {field} to {_TIMESHEET} (in Community by hand), or name yours in "
        "odoo.time_approved_field; contracts that bill hours park until then"
    )
    if not there:
        detail = f"Odoo did not say which fields {_TIMESHEET} has"
        return _ODOO.warn(subject, detail, f"see that {field} is one")
    if field not in there:
        return _ODOO.warn(subject, f"no field {field}", remedy)
    kind = there[field].get("type")
    if kind != "boolean":
        return _ODOO.warn(subject, f"{field} is {kind}, not boolean", remedy)
    return _ODOO.ok(subject, f"by {_TIMESHEET}.{field}")


def _has_right(odoo: OdooClient, model: str, right: str) -> bool | None:
    """Whether the user may do this to the model's records; None where Odoo does not say."""
    try:
        return bool(odoo.call(model, "has_access", operation=right))
    except GatewayError as error:
        if error.kind is not FailureKind.DEFECT:
            return False
    try:  # Odoo before 18
        return bool(odoo.call(model, "check_access_rights", operation=right, raise_exception=False))
    except GatewayError:
        return None


# --- legal entities -----------------------------------------------------------------------------


def _entity(odoo: OdooClient, key: str, entity: LegalEntity) -> Iterator[Finding]:
    """A legal entity's company in Odoo, and what an invoice of it needs."""
    area = Area(f"Entity {key}")
    try:
        domain = [("name", "=", entity.odoo_company)]
        companies = odoo.search_read("res.company", domain, ["currency_id"], limit=2)
        if len(companies) != 1:
            yield _company_missing(area, entity, len(companies))
            return
        [company] = companies
        inside = odoo.with_company(company["id"])
        currency = company["currency_id"][1]
        yield area.ok("company", f"{entity.odoo_company} (books in {currency})")
        yield _payment_term(inside, area, entity)
        yield _price_list(inside, area, company["id"], currency)
        yield from _services(inside, area)
        yield from _write_offs(inside, area, entity, company["id"])
        yield from _payments(inside, area, company["id"])
    except GatewayError as error:
        remedy = "see what is said about Odoo above, and the companies of the service user"
        yield area.missing("records", error.message, remedy)


def _company_missing(area: Area, entity: LegalEntity, count: int) -> Finding:
    if count:
        detail = f"several companies are called {entity.odoo_company}"
        remedy = "give each company in Odoo a name of its own"
    else:
        detail = f"no company {entity.odoo_company} that the service user may use"
        remedy = (
            f"correct odoo_company of {area.name.lower()}, or add the company to the service "
            "user's allowed companies"
        )
    return area.missing("company", detail, remedy)


def _payment_term(odoo: OdooClient, area: Area, entity: LegalEntity) -> Finding:
    name = entity.payment_term
    if odoo.search_read("account.payment.term", [("name", "=", name)], ["name"], limit=1):
        return area.ok("payment term", name)
    there = odoo.search_read("account.payment.term", [], ["name"], limit=20)
    detail = f"no payment term {name}; there are: {_named([row['name'] for row in there])}"
    remedy = f"add it in Odoo, or correct payment_term of {area.name.lower()}"
    return area.missing("payment term", detail, remedy)


def _price_list(odoo: OdooClient, area: Area, company_id: int, currency: str) -> Finding:
    found = odoo.search_read(
        "product.pricelist", [("company_id", "in", [company_id, False])], ["currency_id"], limit=100
    )
    currencies = sorted({row["currency_id"][1] for row in found})
    if currency in currencies:
        return area.ok("price lists", f"for contracts in {', '.join(currencies)}")
    others = f", only in {', '.join(currencies)}" if currencies else ""
    detail = f"no price list in {currency}{others}"
    remedy = "add a price list in Odoo for each currency you sell in (its prices do not matter)"
    return area.missing("price lists", detail, remedy)


def _services(odoo: OdooClient, area: Area) -> Iterator[Finding]:
    """Products a contract can name: services with an internal reference, each used once; and what
    can be billed on them."""
    domain = [("type", "=", "service"), ("default_code", "!=", False)]
    fields = ["default_code", "service_type"]
    rows = odoo.search_read("product.product", domain, fields, limit=1000)
    codes = [row["default_code"] for row in rows]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if not codes:
        detail = "no product of type service has an internal reference"
        remedy = "give the firm's services an internal reference: contracts name them by it"
        yield area.missing("services", detail, remedy)
        return
    if twice:
        remedy = "contracts that name these park; make the references unique"
        yield area.warn("services", f"used by several products: {_named(twice)}", remedy)
    for service_type, billed in _BILLED_BY.items():
        of_type = (row for row in rows if row["service_type"] == service_type)
        fitting = sorted({row["default_code"] for row in of_type})
        subject = f"services: {service_type}"
        if fitting:
            yield area.ok(subject, _named(fitting))
        else:
            remedy = f"needed to bill {billed}: set a product's invoicing policy in Odoo to that"
            yield area.warn(subject, "no product", remedy)


def _write_offs(
    odoo: OdooClient, area: Area, entity: LegalEntity, company_id: int
) -> Iterator[Finding]:
    """The account that losses are booked on, and a journal for their entries."""
    code = entity.write_off_account
    if not code:
        yield area.ok("write-offs", "no write_off_account: write-offs cannot be asked for")
        return
    accounts = odoo.search_read("account.account", [("code", "=", code)], ["code"], limit=2)
    if len(accounts) != 1:
        detail = f"the company has {len(accounts)} accounts {code}"
        remedy = f"correct write_off_account of {area.name.lower()}: the code of an expense account"
        yield area.missing("write-offs", detail, remedy)
        return
    domain = [("type", "=", "general"), ("company_id", "=", company_id)]
    if not odoo.search_read("account.journal", domain, ["name"], limit=1):
        remedy = "add a journal for miscellaneous entries in Odoo's accounting"
        yield area.missing("write-offs", "no general journal", remedy)
        return
    yield area.ok("write-offs", f"booked on account {code}")


def _payments(odoo: OdooClient, area: Area, company_id: int) -> Iterator[Finding]:
    """A bank journal, and whether a payment registered there lowers what is owed at once."""
    domain = [("type", "in", ("bank", "cash")), ("company_id", "=", company_id)]
    journals = odoo.search_read("account.journal", domain, ["name"], limit=50)
    if not journals:
        remedy = "add a bank journal in Odoo's accounting"
        yield area.missing("bank journal", "the company has none", remedy)
        return
    yield area.ok("bank journal", _named([row["name"] for row in journals]))
    try:
        methods = odoo.search_read(
            "account.payment.method.line",
            [
                ("journal_id", "in", [row["id"] for row in journals]),
                ("payment_type", "=", "inbound"),
                ("payment_account_id", "!=", False),
            ],
            ["journal_id"],
            limit=1,
        )
    except GatewayError:
        return  # not every Odoo has it, and payments work either way
    if not methods:
        detail = "no incoming payment method has an outstanding account"
        remedy = (
            "fine if you book bank statements; else set an outstanding receipts account on the "
            "journal's payment methods, so that a registered payment lowers what is owed"
        )
        yield area.warn("payments", detail, remedy)


# --- connectors ---------------------------------------------------------------------------------


async def check_connectors(settings: Settings, odoo: OdooClient) -> list[Finding]:
    """What each configured connector lacks, by its own account."""
    if not settings.crm:
        detail = "none is configured: contracts come from files only"
        found = [Area(Group.CRM.label).ok("configuration", detail)]
    else:
        found = []
    for group in Group:
        try:
            gateways = remotes.built(settings, group, odoo)
        except ConfigurationError as error:
            remedy = "correct it in the configuration"
            found.append(_CONFIGURATION.missing(group.label, str(error), remedy))
            continue
        for item in gateways.values():
            found += await asyncio.to_thread(_check_connector, group, item)
    return found


def _check_connector(group: Group, gateway: Preparable) -> list[Finding]:
    remedy = "c2c setup --connectors, then what it says"
    found = connector_findings(group, gateway.system, gateway.missing_setup, remedy)
    return found or [_area(group, gateway.system).ok("access and setup", "all there")]


def connector_findings(
    group: Group, name: str, lacking: Callable[[], Iterable[Problem]], remedy: str = ""
) -> list[Finding]:
    """What a connector lacks by its own account, or why it does not say."""
    area = _area(group, name)
    try:
        problems = lacking()
    except GatewayError as error:
        access = f"see the settings under {group.section}.{name}, and its key's rights"
        return [area.missing("access", error.message, access)]
    return [area.missing(item.field, _expected(item), remedy) for item in problems]


def _area(group: Group, name: str) -> Area:
    return Area(f"{group.label} {name}")


def _expected(problem: Problem) -> str:
    found = f" (found {problem.value})" if problem.value else ""
    return f"expected {problem.expected}{found}"


def _named(names: Sequence[str]) -> str:
    """The names, the first few of many."""
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
