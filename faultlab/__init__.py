"""The fault campaign: contracts run from signature to close while everything around them breaks.

Scenarios run beside each other in one stack (Temporal, an Odoo, a CRM, workers) while
processes are killed and calls are spoilt. What came of it is then read from Odoo's own database
and from the histories, never through the product's code, and held against what must always be
true. docs/faults.md says what that is; `python -m faultlab` runs it.
"""
