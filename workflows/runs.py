"""When a run of a long workflow gives way to the next, and which release that one begins with."""

from __future__ import annotations

from temporalio import workflow

UPGRADES = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
"""A run stays with the release it began with (it is pinned), the next begins with the current one.
Without this it would inherit the old release for as long as the contract lives."""

MANY_EVENTS = 250
"""A worker that has forgotten a workflow goes through all of its run's events before it acts on
news. A new run costs one action, so contracts of a few milestones need none."""


def is_old() -> bool:
    """Whether the history has grown long, or another release has become the current one."""
    info = workflow.info()
    return (
        info.get_current_history_length() >= MANY_EVENTS
        or info.is_continue_as_new_suggested()
        or info.is_target_worker_deployment_version_changed()
    )
