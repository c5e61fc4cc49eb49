"""A model checker over a contract and its invoices together: `python -m tests.explore`.

odoo        what is true in Odoo, and what each act does there
world       both cores, Odoo and the Signals on their way; the shell around them
messages    everything that people and systems may send
coverage    which messages there are in which moments, and which of them were seen
properties  what must hold, always and at the end
moves       everything that may happen next
canonical   which states are the same
endings     from any state, people who do their work bring the contract to a good end
examples    the contracts; starts: where on their way an exploration begins
ways        a way by the names of its moves
search      every way of a small contract, random ways of large ones, short paths
running     all of it, in several processes
shell       the real workflows beside the cores
mutations   the cores without one of their safeguards
"""
