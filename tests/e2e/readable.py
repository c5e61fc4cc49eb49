"""What stays readable in a run whose payloads are encrypted: the table of docs/encryption.md, with
what is held against it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.e2e.marks import Kind

_DOCS = Path(__file__).parents[2] / "docs" / "encryption.md"
_ROW = re.compile(r"^\| (.+?) \| (.+?) \|$", re.MULTILINE)


class Place(StrEnum):
    """Where the marks are searched for."""

    DATABASE = "the files of Temporal's database"
    HISTORIES = "histories as they are exported"
    LISTS = "lists of workflows and schedules"
    TEMPORAL_LOG = "the log of Temporal"
    WORKER_LOG = "the log of the workers"
    WEB_LOG = "the log of c2c serve"
    TRACES = "traces"
    METRICS = "metrics"
    RECORDS = "the record store"
    MAILS = "mails to the firm's people"
    PAGES = "pages and answers to whoever may not see them"
    PROBLEMS = "answers about what was wrong"


@dataclass(frozen=True)
class Readable:
    """A row of the docs. `places` are where it is found, with `marks` the kinds of marks that may
    be readable there; `like` matches an example, which must be there too. `fields` are those of a
    history that hold it."""

    where: str
    what: str
    places: tuple[Place, ...]
    like: str
    marks: frozenset[Kind] = frozenset()
    fields: frozenset[str] = field(default=frozenset())


READABLE = (
    Readable(
        "ids of workflows, schedules, updates",
        "legal entity, contract id, invoice number; an event's id, as its sender chose it",
        (Place.DATABASE, Place.HISTORIES, Place.LISTS),
        r"contract/northwind/M-1/invoice/1",
        fields=frozenset(
            {
                "workflow_id",
                "run_id",
                "first_execution_run_id",
                "original_execution_run_id",
                "continued_execution_run_id",
                "new_execution_run_id",
                "base_run_id",
                "new_run_id",
                "update_id",
                "request_id",
                "accepted_request_message_id",
                "protocol_instance_id",
                "activity_id",
                "timer_id",
                "id",
                "namespace_id",
                "parent_workflow_namespace_id",
            }
        ),
    ),
    Readable(
        "search attributes",
        "contract id, legal entity, `Customer` (the key in the CRM or the contract's file), "
        "stages, currency, **amounts**, dates",
        (Place.DATABASE, Place.HISTORIES, Place.LISTS),
        r"77001",
        fields=frozenset({"indexed_fields", "fairness_key"}),
    ),
    Readable(
        "names",
        "of workflow and activity types, messages, queues, memo fields, failure types; `pid@host` "
        "of workers",
        (Place.DATABASE, Place.HISTORIES, Place.LISTS),
        r"ContractWorkflow",
        fields=frozenset(
            {
                "name",
                "normal_name",
                "signal_name",
                "marker_name",
                "identity",
                "namespace",
                "parent_workflow_namespace",
                "sdk_name",
                "sdk_version",
                "build_id",
                "source",
                "type",
                "non_retryable_error_types",
            }
        ),
    ),
    Readable(
        "reasons typed into Temporal for a termination, a cancellation, a paused schedule",
        "whatever was typed: no names, please",
        (Place.DATABASE, Place.HISTORIES),
        r"typed for the operators",
        fields=frozenset({"reason", "cause"}),
    ),
    Readable(
        "traces",
        "ids of records, in addresses; trace ids, in headers",
        (Place.TRACES,),
        r"RunWorkflow:ContractWorkflow",
        fields=frozenset({"header.fields"}),
    ),
    Readable(
        "metrics",
        "legal entities, currencies, amounts; queues, types, codes",
        (Place.METRICS,),
        r"c2c[._]",
    ),
    Readable(
        "the log of `c2c serve`",
        "who asked, by the name in the approval rules; the kind of each request, and no address",
        (Place.WEB_LOG,),
        r"cleo@northwind\.example",
        frozenset({Kind.PERSON}),
    ),
    Readable(
        "logs of workers",
        "ids of workflows, kinds and codes of errors, places in the code",
        (Place.WORKER_LOG,),
        r"serving contracts",
    ),
    Readable(
        "the record store",
        "contract ids, numbers of invoices and entries, kinds of messages and acts, times, "
        "hashes, ids in Odoo",
        (Place.RECORDS,),
        r"approval_decision",
    ),
    Readable(
        "mails to the firm's own people",
        "their own address; contract ids, amounts, days, codes",
        (Place.MAILS,),
        r"northwind/M-1",
        frozenset({Kind.PERSON}),
    ),
)


_OF_THE_SERVER = re.compile(rb"Encoded failure|activity \w+ timeout|UnhandledCommand")


def is_of_the_server(content: bytes) -> bool:
    """Whether it is the server's own text, or what stands in the place of ours."""
    return _OF_THE_SERVER.fullmatch(content) is not None


def allowed(place: Place) -> frozenset[Kind]:
    """The kinds of marks that may be readable there."""
    nothing: frozenset[Kind] = frozenset()
    told_again = {Kind.ASKED} if place in (Place.PAGES, Place.PROBLEMS) else nothing
    return nothing.union(told_again, *(row.marks for row in READABLE if place in row.places))


def rows_of_docs() -> list[tuple[str, str]]:
    """The table under the heading, as the docs have it."""
    _, _, after = _DOCS.read_text("utf-8").partition("## What stays readable\n")
    section, _, _ = after.partition("\n## ")
    return [(where, what) for where, what in _ROW.findall(section)][1:]


FIELDS: Mapping[str, Readable] = {name: row for row in READABLE for name in row.fields}
