from odoo import models


class SaleOrder(models.Model):
    """An invoice names the contract, as the order does."""

    _inherit = "sale.order"

    def _prepare_invoice(self):
        return super()._prepare_invoice() | {"invoice_origin": self.origin or self.name}
