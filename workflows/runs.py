"""When a run of a long workflow gives way to the next, and which release that one begins with."""

from __future__ import annotations

from temporalio import workflow

UPGRADES = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
"""A run stays with the release it began with (it is pinned), the next begins with the current one.
Without this it would inherit the old release for as long as the contract lives."""


def is_old() -> bool:
    """Whether the history has grown long, or another release has become the current one."""
    info = workflow.info()
    return info.is_continue_as_new_suggested() or info.is_target_worker_deployment_version_changed()
