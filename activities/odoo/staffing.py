"""Whether a project has its people: a manager who is not us, and somebody on each planned task."""

from __future__ import annotations

from typing import Any

from activities.odoo.needs import PROJECT, Need
from gateways.odoo import OdooClient

NEEDS = (Need("project.task", ("project_id", "allocated_hours", "user_ids"), access=PROJECT),)


def without_people(projects: list[int]) -> list[Any]:
    """The domain of the tasks of these projects that have hours and nobody on them."""
    return [
        ("project_id", "in", projects),
        ("allocated_hours", ">", 0),
        ("user_ids", "=", False),
    ]


def is_managed(user: Any, own_user: int) -> bool:
    """Whether a project's `user_id`, as it is read, is a person and not us, who made it."""
    return bool(user) and user[0] != own_user


def is_staffed(odoo: OdooClient, project: int, user: Any, own_user: int) -> bool:
    """Whether a project with this `user_id` has its people."""
    if not is_managed(user, own_user):
        return False
    return not odoo.search_read("project.task", without_people([project]), ["id"], limit=1)
