"""The agenda: what a contract or an invoice has to do next, decided without doing anything.

    apply(rules, state, event, now) -> Outcome      the only way in which a state changes
    next_action(rules, state) -> Action | None      what may start now
    next_wake(rules, state) -> datetime | None      when time alone changes something

`contracts.contract` and `contracts.invoice` are each a state and the `Rules` about it. A workflow
is the shell around one of them: it performs the actions, applies their results, and waits.
"""
