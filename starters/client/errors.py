"""How a call ends that does not succeed.

    Refused     the workflow says no, or has ended
    NotFound    there is no such contract or invoice
    NoAnswer    no worker answered in time; what was asked may still be carried out

Over the HTTP API of an application also

    SignedOut       nobody is signed in there, or no longer
    Unreachable     the application does not answer
    OnlyOnTemporal  the application has no address for it

Besides these a call raises `contracts.problems.InvalidContract` for what cannot even be sent,
`BadReference` for a text that names nothing, and Temporal's `RPCError` where the server fails.
"""

from __future__ import annotations


class Refused(Exception):
    """The workflow said no; the message says why."""


class NotFound(Exception):
    """No such contract or invoice."""


class NoAnswer(Exception):
    """No worker answered in time. What was asked may still be carried out: sent again with this
    `request_id` it counts once. Empty for a question, which changes nothing."""

    def __init__(self, message: str, request_id: str = "") -> None:
        super().__init__(message)
        self.request_id = request_id


class SignedOut(Exception):
    """The application does not know who asks; the message says how to sign in."""


class Unreachable(Exception):
    """The application does not answer."""


class OnlyOnTemporal(Exception):
    """This needs Temporal itself; the application has no address for it."""
