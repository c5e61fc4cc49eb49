"""A request: a message under an id of its sender's, which counts once however often it is sent."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def content_digest(message: BaseModel) -> str:
    """SHA-256 over what a message says, without who has signed it; a field that is left as it is by
    default adds nothing, so that a release which brings one tells messages apart as the release
    before."""
    content = message.model_dump(mode="json", exclude_defaults=True, exclude={"actor"})
    text = f"{type(message).__name__} {json.dumps(content, sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()


def digest(message: BaseModel) -> str:
    """What tells one message from another."""
    return content_digest(message)[:16]


def update_id(request_id: str, message: BaseModel) -> str:
    """The id that a request has for Temporal, which answers an id that it knows without asking the
    workflow: another message under the same request id must reach it, to be refused there."""
    return request_id + _suffix(message)


def request_id(update_id: str, message: BaseModel) -> str:
    """The request id in the id of an Update; all of it, where the sender added no digest."""
    return update_id.removesuffix(_suffix(message))


def _suffix(message: BaseModel) -> str:
    return f"~{digest(message)}"
