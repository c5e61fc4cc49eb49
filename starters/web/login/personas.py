"""People to choose from on one machine, where no provider is configured: those whom the approval
rules name, and one for each role that they do not give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.access import EVERYWHERE, Role
from contracts.approval_rules import ApprovalRules
from contracts.approvals import ApprovalKind
from contracts.policy import LegalEntity

ISSUER = "c2c:personas"
"""Of whoever was chosen, and has proven nothing."""
BANNER = "For trials on this machine: nobody has signed in, you chose who you are."


@dataclass
class Persona:
    """Somebody to try the application as. `groups` are those of the rules, for people to read."""

    person: str
    name: str
    roles: dict[str, frozenset[Role]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def about(self) -> list[str]:
        """What they are, and for which legal entities: a line each."""
        found: dict[str, list[str]] = {}
        for entity, roles in self.roles.items():
            what = ", ".join(sorted(role.words for role in roles))
            groups = " and ".join(self.groups.get(entity, ()))
            words = f"{what}; approves as {groups}" if groups else what
            found.setdefault(words, []).append("all" if entity == EVERYWHERE else entity)
        return [f"{words} ({', '.join(where)})" for words, where in found.items()]


def personas(entities: Mapping[str, LegalEntity]) -> dict[str, Persona]:
    """All of them, by the name that rules have."""
    found: dict[str, Persona] = {}
    for entity, policy in entities.items():
        for group, people in policy.approval.groups.items():
            role = _role_of(group, policy.approval)
            for person in people:
                one = found.setdefault(person, Persona(person, _name(person)))
                one.roles[entity] = one.roles.get(entity, frozenset()) | {role}
                one.groups[entity] = (*one.groups.get(entity, ()), group)
    given = {role for one in found.values() for roles in one.roles.values() for role in roles}
    for role in Role:
        if role in given or role is Role.SENDER:  # that one is of systems
            continue
        person = f"{role}@c2c.example"
        found[person] = Persona(person, role.words.capitalize(), {EVERYWHERE: frozenset({role})})
    return found


def _role_of(group: str, rules: ApprovalRules) -> Role:
    """The role that fits a group: who decides on change orders alone is of delivery, whom others
    escalate to is a controller."""
    if group == rules.escalation_group:
        return Role.CONTROLLER
    tiers = [tier for tier in rules.tiers if group in tier.groups]
    if tiers and all(set(tier.kinds) == {ApprovalKind.CHANGE_ORDER} for tier in tiers):
        return Role.PROJECT_MANAGER
    return Role.FINANCE


def _name(person: str) -> str:
    """An e-mail address as a name: of `ana.silva@firm.example`, Ana Silva."""
    words = person.partition("@")[0].replace("_", ".").replace("-", ".").split(".")
    return " ".join(word.capitalize() for word in words if word) or person
