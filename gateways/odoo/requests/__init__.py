"""What callers ask of Odoo, a class per kind: how several requests become one call, and how its
answer is divided.

    class    one call holds                  each request gets
    ------   -----------------------------   --------------------------------------
    Load     the rows of all                 the ids of its own records
    Read     the ids of all                  its own rows, in the order it asked for
    Write    the ids of all, equal values    nothing
    Save     the ids of all, equal values    its own rows, as they are afterwards
    Press    the ids of all                  nothing
    Find     the values of all               the rows that have one of its values
    Single   one request                     the answer as it is
    Mail     (three calls for all of them)   how its own e-mail fared
"""
