"""Verifies the signatures of Signals, whose answer has to stand in the history: a replay must
decide as the first time, whatever the keys are by then. A local activity: it asks nobody."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from contracts.actors import Claims, NotProven, Proof


class Proven(BaseModel):
    """What the signature of a message says, or why it is refused. Neither: it has none, and needs
    none."""

    claims: Claims | None = None
    refusal: str = ""


class Proofs:
    """Verifies as this process is configured."""

    def __init__(self, proof: Proof) -> None:
        self._proof = proof

    @activity.defn
    async def verify_signatures(self, tokens: list[str]) -> list[Proven]:
        """What each signature says; a token is empty where there is none."""
        return [self._verified(token) for token in tokens]

    def _verified(self, token: str) -> Proven:
        try:
            return Proven(claims=self._proof.claims(token))
        except NotProven as error:
            return Proven(refusal=str(error))
