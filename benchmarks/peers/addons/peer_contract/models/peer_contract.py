"""A signed contract inside Odoo, carried out by jobs.

One job provisions it and one bills each milestone, after one another. A job is one transaction with
its own end: what failed is rolled back and run again, what is done is done once.
"""

from odoo import api, fields, models
from odoo.addons.queue_job.delay import chain

PRICE_LIST = "EUR"
PAYMENT_TERM = "30 Days"


class PeerContract(models.Model):
    """A contract as it came from the CRM, and the order that was made of it."""

    _name = "peer.contract"
    _description = "Signed contract"

    reference = fields.Char(required=True, index=True)
    document = fields.Json(required=True)
    order_id = fields.Many2one("sale.order")

    _reference_unique = models.Constraint("UNIQUE (reference)", "This contract is here already.")

    @api.model_create_multi
    def create(self, vals_list):
        contracts = super().create(vals_list)
        for contract in contracts:
            contract._schedule()
        return contracts

    def _schedule(self):
        self.ensure_one()
        bills = [
            self.delayable(identity_key=f"{self.reference}/{item['key']}").bill(number)
            for number, item in enumerate(self.document["milestones"])
        ]
        chain(
            self.delayable(identity_key=f"{self.reference}/provision").provision(), *bills
        ).delay()

    def provision(self):
        """Customer, project, order with its lines, milestones and tasks; confirmed."""
        self.ensure_one()
        document = self.document
        customer = self._customer(document["customer"])
        project = self.env["project.project"].create(
            {
                "name": f"{document['title']} ({self.reference})",
                "partner_id": customer.id,
                "allow_milestones": True,
                "allow_billable": True,
            }
        )
        product = self._one("product.product", "default_code", document["services"][0]["code"])
        order = self.env["sale.order"].create(
            {
                "partner_id": customer.id,
                "project_id": project.id,
                "pricelist_id": self._one("product.pricelist", "name", PRICE_LIST).id,
                "payment_term_id": self._one("account.payment.term", "name", PAYMENT_TERM).id,
                "origin": self.reference,
                "order_line": [
                    fields.Command.create(
                        {
                            "product_id": product.id,
                            "name": item["name"],
                            "product_uom_qty": 1,
                            "price_unit": float(item["amount"]),
                        }
                    )
                    for item in document["milestones"]
                ],
            }
        )
        milestones = self.env["project.milestone"].create(
            [
                {
                    "name": line.name,
                    "project_id": project.id,
                    "sale_line_id": line.id,
                    "quantity_percentage": 1,
                }
                for line in order.order_line
            ]
        )
        # Before the tasks: a task of an order that is not confirmed would confirm it.
        order.action_confirm()
        self.env["project.task"].create(
            [
                {
                    "name": milestone.name,
                    "project_id": project.id,
                    "milestone_id": milestone.id,
                    "sale_line_id": milestone.sale_line_id.id,
                }
                for milestone in milestones
            ]
        )
        self.order_id = order

    def bill(self, number):
        """The milestone is reached; Odoo's own method makes the invoice, which is posted."""
        self.ensure_one()
        line = self.order_id.order_line[number]
        milestone = self.env["project.milestone"].search([("sale_line_id", "=", line.id)])
        milestone.is_reached = True
        invoice = self.order_id._create_invoices()
        invoice.action_post()

    def _customer(self, customer):
        found = self._one("res.partner", "email", customer["billing_email"])
        return found or self.env["res.partner"].create(
            {
                "name": customer["name"],
                "is_company": True,
                "email": customer["billing_email"],
                "country_id": self._one("res.country", "code", customer["country"]).id,
                "street": customer["street"],
                "city": customer["city"],
                "zip": customer["zip"],
            }
        )

    def _one(self, model, field, value):
        return self.env[model].search([(field, "=", value)], limit=1)

    @api.model
    def schedule_nothings(self, count):
        """That many chains of five jobs that do nothing."""
        for _ in range(count):
            chain(*[self.delayable().nothing() for _ in range(5)]).delay()

    @api.model
    def nothing(self):
        """What a job alone costs."""
