"""What one needs to try the product on one machine.

Stand-ins for Odoo and the CRM, the harness of a real Odoo, the local stack and its demo. The extra
`local` installs what they require.
"""
