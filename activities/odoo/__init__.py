"""What touches Odoo: one module for each kind of record, with its activities and what they need.

Each activity is safe to repeat: records are created by external ids (external_ids.py), buttons are
pressed after the record's state was read (buttons.py), messages are found by their subjects
(chatter.py). A module that calls Odoo declares the models, fields and rights it uses in `NEEDS`;
requirements.py puts them together.
"""
