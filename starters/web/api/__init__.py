"""`/api/v1`: what the client face does, for programs and for `c2c` away from Temporal.

routes     the router, and what every route has around it
sending    a route for each Update, made from the one list of messages
reading    lists, and how one contract, invoice or bank file stands
delivering inbound events, again or not at all
starting   contracts from contract data, and of won deals
reviewing  the access review
access     what a visitor may see and send
failures   how a call's failure is answered
documents  what OpenAPI says of messages, with examples
"""
