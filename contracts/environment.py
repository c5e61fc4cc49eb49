"""Which Odoo belongs to which Temporal namespace, so that a copy of one never serves another."""

from __future__ import annotations

from typing import Self
from uuid import UUID, uuid5

from contracts.model import Value

WORKFLOW_ID = "environment"
"""Of the workflow that holds what a namespace is bound to: one in each."""

MEMO = "environment"
"""Where it holds that: it can be read without a worker."""


class Environment(Value):
    """What a namespace is bound to. `odoo` is the address and database, as configured; `mark` is
    what Odoo's database carries (`gateways.odoo.mark`)."""

    name: str
    odoo: str
    mark: str

    @classmethod
    def of(cls, name: str, odoo: str, namespace_id: str) -> Self:
        """The mark is the same whenever it is made for this namespace, so that binding goes on
        where it was cut off. Namespaces have ids of their own, also those of equal names."""
        return cls(name=name, odoo=odoo, mark=str(uuid5(UUID(namespace_id), name)))
