"""Who may do what: every combination of role and permission, and what each message needs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts import access
from contracts.access import ALLOWED, OF_MESSAGES, Permission, Role
from contracts.parking import Action, Responsible, StepException
from starters.client import bank, events, messages
from starters.client.protocol import Update

V, P, F, C, O, A, S = Role  # noqa: E741
MAY = {
    Permission.READ: {V, P, F, C, O, A},
    Permission.REPORT: {P, S},
    Permission.CHANGE: {P},
    Permission.DECIDE: {P, F, C},
    Permission.COLLECT: {F, C},
    Permission.CREDIT: {F, C},
    Permission.HOLD: {C},
    Permission.END: {C},
    Permission.MEND_DELIVERY: {P, O},
    Permission.MEND_MONEY: {F, C},
    Permission.SKIP_MONEY: {C},
    Permission.MEND_EVENTS: {O},
    Permission.DECODE: {O},
    Permission.EXPORT_AUDIT: {C},
    Permission.REVIEW_ACCESS: {A},
    Permission.SET_UP: {A},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_every_role_and_permission(role: Role, permission: Permission) -> None:
    assert access.allows([role], permission) is (role in MAY[permission])
    assert (access.refusal([role], permission) is None) is (role in MAY[permission])


def test_roles_add_up_and_nobody_may_anything_without_one() -> None:
    assert access.allows([V, O], Permission.DECODE)
    assert not access.allows([], Permission.READ)
    assert access.refusal([V], Permission.HOLD) == "this needs one of the roles controller"
    assert set(ALLOWED) == set(Role)


def test_every_update_needs_one_permission() -> None:
    found = [item for part in (messages, bank, events) for item in vars(part).values()]
    names = {item.name for item in found if isinstance(item, Update)}
    assert names == {*OF_MESSAGES, access.RESOLVE_EXCEPTION}


@pytest.mark.parametrize(
    ("responsible", "action", "needed"),
    [
        (Responsible.SALES, Action.AMEND, Permission.MEND_DELIVERY),
        (Responsible.OPERATIONS, Action.SKIP, Permission.MEND_DELIVERY),
        (Responsible.OPERATIONS, Action.CANCEL, Permission.END),
        (Responsible.SALES, Action.CANCEL, Permission.END),
        (Responsible.FINANCE, Action.RETRY, Permission.MEND_MONEY),
        (Responsible.FINANCE, Action.AMEND, Permission.MEND_MONEY),
        (Responsible.FINANCE, Action.SKIP, Permission.SKIP_MONEY),
        (Responsible.FINANCE, Action.CANCEL, Permission.SKIP_MONEY),
    ],
)
def test_an_exception_is_decided_by_who_is_responsible(
    responsible: Responsible, action: Action, needed: Permission
) -> None:
    step = StepException(
        step="post",
        kind="business",
        doing="Post",
        responsible=responsible,
        code="x",
        message="m",
        allowed=tuple(Action),
        since=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert access.to_resolve(step, action) is needed
