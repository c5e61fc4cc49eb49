"""The audit record: what happened to a contract or an invoice, in entries that are chained by hash.

    Trail      what a workflow keeps of it: how far it is written, and what is still to be written
    Record     an entry as it is stored: what is readable, what is sealed, and hashes
    check      whether stored records are whole: change, removal, swap, a cut-off end
    merkle     one hash over the heads of all chains, for an anchor

The hashes are over what is stored. So a chain can be checked by whoever has no key, and still when
the key of a contract is destroyed.
"""
