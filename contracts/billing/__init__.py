"""What a contract may bill and how it becomes invoices: pure rules only.

account       the door: all that the contract's agenda calls
state         what is stored: terms, facts, invoices, decisions; `packing` writes it down short
keys          what everything is billed under
terms         which version of a plan counts for a day, which period, when it is due
entitlements  what terms and facts give a right to bill
ledger        a state with what is entitled, billed and waived per key; `posting` keeps it
occasions     which differences become an invoice now; `reading` what must be read before
drafting      the lines of differences; `drafts` their shapes
composing     one invoice: own lines under their `caps`, `deposits`, `retainage`, what waits
facts         what is reached, worked, spent, metered and owed
decisions     what becomes of proposals; releases, credits (`crediting`), waivers
totals        what people ask; `repricing` what re-invoicing would change
checks        what must hold; `folding` keeps the state small

time, retainers, usage, expenses, periods, order  the rules of each way to bill
"""
