"""Why a worker does not serve. Light to import: the command knows these without any worker."""

from __future__ import annotations


class DoesNotReplay(Exception):
    """A worker was not started because workflows would stop there; the message says which, why
    and what to do."""
