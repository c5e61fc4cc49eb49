"""A model checker over a contract and its invoices together: `python -m tests.explore`.

odoo        what is true in Odoo, and what each act does there
world       both cores, Odoo and the Signals on their way; the shell around them
messages    everything that people and systems may send
moves       everything that may happen next
properties  what must hold, always and at the end
endings     from any state, people who do their work bring the contract to a good end
canonical   which states are the same
search      every way of a small contract, random ways of large ones, short paths
"""
