"""`c2c contract start`: from a file or from a won deal, or only a look at what would start."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli import documents
from starters.cli.errors import ExitCode, UsageError
from starters.cli.session import Session, session_of
from starters.client.references import short

if TYPE_CHECKING:
    from contracts.model import JsonObject
    from contracts.problems import Problem
    from starters.cli.tables import View
    from starters.client import Started


def start(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="The contract as JSON or TOML; - reads stdin."),
    ] = None,
    deal: Annotated[
        str | None, typer.Option(help="A won deal's id, read from the CRM instead of a file.")
    ] = None,
    crm: Annotated[
        str | None,
        typer.Option(help="The deal's CRM, by its name under crm. Default: the only one."),
    ] = None,
    park: Annotated[
        bool,
        typer.Option("--park", help="Start in spite of problems: the contract parks with them."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only check it, and say what would start; Temporal is not asked."
        ),
    ] = False,
) -> None:
    """Start a contract; the same again changes nothing, with other content it says what differs."""
    session = session_of(context)
    if (file is None) == (deal is None):
        raise UsageError("give either a FILE or --deal ID")
    if file is not None:
        if crm is not None:
            raise UsageError("--crm goes with --deal, not with a FILE")
        _start_data(session, _identified(session, documents.read(file)), park, dry_run)
        return
    system, entity = _source(session, crm)
    if dry_run:
        _start_data(session, _read_deal(session, system, deal or "", entity), park, dry_run)
    else:
        _show(session, session.run(lambda c2c: c2c.start_deal(system, deal or "", entity)))


def _start_data(session: Session, contract_data: JsonObject, park: bool, dry_run: bool) -> None:
    problems = _problems(session, contract_data)
    if problems and not park:
        from contracts.problems import InvalidContract

        raise InvalidContract(problems)
    if dry_run:
        _show_dry_run(session, contract_data, problems)
        return
    started = session.run(lambda c2c: c2c.start(contract_data))
    if problems and started.new:
        session.warn(f"it parks with {len(problems)} problem(s); see c2c exceptions list")
    _show(session, started, **({"problems": problems} if problems else {}))


def _identified(session: Session, contract_data: JsonObject) -> JsonObject:
    """The contract data with what identifies it filled in, as the workflow will see it."""
    from contracts.contract.state import FILE_SOURCE

    entity = contract_data.get("legal_entity") or session.default_entity()
    identity = str(contract_data.get("contract_id") or "unknown")
    source = contract_data.get("source") or {"system": FILE_SOURCE, "id": identity}
    return {**contract_data, "legal_entity": entity, "source": source}


def _problems(session: Session, contract_data: JsonObject) -> list[Problem]:
    """What would park the contract as far as can be told without asking Odoo."""
    from contracts.problems import InvalidContract, Problem
    from contracts.validation import validate

    problems: list[Problem] = []
    known = session.known_entities()
    if known and contract_data["legal_entity"] not in known:
        problems.append(
            Problem(
                code="legal_entity_unknown",
                field="legal_entity",
                value=str(contract_data["legal_entity"]),
                expected=f"a configured legal entity: {', '.join(sorted(known))}",
            )
        )
    try:
        validate(contract_data)
    except InvalidContract as invalid:
        problems += invalid.problems
    return problems


# --- deals --------------------------------------------------------------------------------------


def _source(session: Session, crm: str | None) -> tuple[str, str]:
    """The CRM of a deal, and the legal entity that its contract belongs to."""
    settings = session.readable_settings
    configured = settings.crm if settings else {}
    if crm is None and len(configured) != 1:
        known = f"configured: {', '.join(configured)}" if configured else "none is configured here"
        raise UsageError(f"which CRM? give --crm ({known})")
    system = crm or next(iter(configured))
    of_crm = configured[system].legal_entity if system in configured else ""
    return system, session.entity or of_crm or session.default_entity()


def _read_deal(session: Session, system: str, deal_id: str, legal_entity: str) -> JsonObject:
    """The contract data of a won deal, as its workflow would read it."""
    from contracts.identifiers import deal_contract_id
    from gateways.connectors import Group
    from wiring import remotes

    with contextlib.closing(remotes.odoo(session.settings)) as odoo:
        crms = remotes.built(session.settings, Group.CRM, odoo)
        if system not in crms:
            raise UsageError(f"no CRM {system} is configured; configured: {', '.join(crms)}")
        contract_data = crms[system].read_contract(deal_id)
    identity = deal_contract_id(system, deal_id)
    return {**contract_data, "contract_id": identity, "legal_entity": legal_entity}


# --- how it is shown ----------------------------------------------------------------------------


def _show_dry_run(session: Session, contract_data: JsonObject, problems: list[Problem]) -> None:
    """What would start. Raises InvalidContract where not even a parked contract could."""
    from contracts.identifiers import contract_workflow_id
    from starters.client.starting import input_of_data

    contract = input_of_data(contract_data)
    workflow_id = contract_workflow_id(contract.legal_entity, contract.contract_id)
    document = {
        "contract": short(workflow_id),
        "workflow_id": workflow_id,
        "dry_run": True,
        "problems": problems,
        "contract_data": contract_data,
    }
    how = f"park with {len(problems)} problem(s)" if problems else "start"
    words = f"Contract {short(workflow_id)} would {how} as workflow {workflow_id}; nothing is done."
    session.show(document, *_terms_of(contract_data, problems), words)


def _terms_of(contract_data: JsonObject, problems: list[Problem]) -> list[View]:
    """What a person checks before a start: who pays how much for what; or what is wrong."""
    from contracts.validation import validate
    from starters.cli import tables

    if problems:
        return [tables.problems(problems)]
    contract = validate(contract_data)
    pairs = [
        ("Title", contract.title),
        ("Customer", contract.customer.name),
        ("Agreed", contract.value),
        ("Signed", contract.signed_on),
    ]
    rows = [("milestone", item.name, str(item.amount)) for item in contract.milestones]
    rows += [("plan", item.key, "") for item in contract.plans]
    return [tables.Pairs(pairs), tables.Table(("Bills by", "Name", ">Amount"), rows)]


def _show(session: Session, started: Started, **more: Any) -> None:
    name, workflow_id = short(started.workflow_id), started.workflow_id
    if started.new:
        words = [f"Started contract {name} as workflow {workflow_id}"]
    elif not started.differences:
        words = [f"Contract {name} was started before (workflow {workflow_id}); nothing changed"]
    else:
        words = [
            f"Contract {name} was started before with other content, and nothing changed. As it is "
            "now -> as given:",
            *(f"- {line}" for line in started.differences),
            _advice(name, started),
        ]
    session.show({"contract": name, **vars(started), **more}, *words)
    if started.differences:
        raise typer.Exit(ExitCode.OTHER_CONTENT)


def _advice(name: str, started: Started) -> str:
    """How a contract that says something else is changed, where it is now."""
    if started.stage in ("active", "closing"):
        return f"To change it: c2c contract change {name} FILE --by PERSON"
    if started.may_amend:
        return f"To correct it: c2c exceptions amend {name} --by PERSON --set PATH=VALUE"
    if started.stage in ("closed", "cancelled"):
        return f"It is {started.stage}: a new contract needs a contract_id of its own"
    return f"It is being set up, and changes once that is done: c2c contract show {name}"
