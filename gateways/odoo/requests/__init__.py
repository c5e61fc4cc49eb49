"""What callers ask of Odoo, a class per kind: how requests become one call and share its answer.

class                      one call holds       each request gets
------------------------   ------------------   ------------------------------------
Load                       the rows of all      the ids of its own records
OnRecords: read, save      the ids of all       its own rows, in the order of its ids
OnRecords: write, button   the ids of all       nothing
Find                       the values of all    the rows that have one of its values
Single                     one request          the answer as it is
Mail                       (takes three calls)  how its own e-mail fared
"""
