"""What a contract may bill and how it becomes invoices: pure rules only.

account       the door: all that the contract's agenda calls
state         what is stored: terms, facts, invoices, decisions; `packing` writes it down short
keys          what everything is billed under
terms         which version of a plan counts for a day, which period, when it is due
entitlements  what terms and facts give a right to bill
accounts      what is billed and waived of a key; `index` keeps it, with the differences
occasions     which differences become an invoice now; `reading` what must be read before
drafting      the lines of differences; `numbering` makes them an invoice's
composing     one invoice: own lines, caps, deposit, retainage, what waits
pots          caps, retainage, deposit and commitments as functions of the sums to date
facts         what is reached, worked, spent, metered and owed
decisions     what becomes of proposals; releases, credits (`crediting`), waivers
totals        what people ask; `checks` what must hold; `folding` what keeps the state small

time, retainers, usage, expenses, periods, order  the rules of each way to bill
"""
