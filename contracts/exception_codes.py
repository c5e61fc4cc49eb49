"""Every code that the product gives a failure: what it means, who is responsible, what to do.

docs/exceptions.md and docs/contract-problems.md are generated from this table (`make docs`). A test
holds it to the code: every code raised is here, and every code here is raised.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from contracts import parking
from contracts.parking import Action, Responsible, Step


class Outcome(StrEnum):
    """What happens where a code is raised."""

    PARKS = "parks"
    HEALS = "heals"
    """It parks, and tries again by itself: after one minute, later every 15 minutes."""
    RETRIED = "retried"
    """Temporal tries the activity again; nothing parks."""
    REFUSED = "refused"
    """A command or message is refused with it; nothing parks."""


class ExceptionCode(BaseModel):
    """One code. `remedy` names actions in backticks; a test holds them to the steps' actions.

    `steps` are the steps at which it can park; empty means every step that calls the remote, or no
    step at all where the group is only refused or retried. `actions` are what a person may do about
    it where that is not what the step allows of everything else: a waiver is only for what it
    names. `heals` says that what it names may go away by itself, so that it is looked at again
    without a person, ever more seldom.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    meaning: str
    remedy: str
    responsible: Responsible | None = None
    steps: tuple[Step, ...] = ()
    actions: tuple[Action, ...] = ()
    heals: bool = False

    @property
    def allowed(self) -> tuple[Action, ...]:
        """What may be done about it at every one of its steps, in the order of `Action`."""
        found = (action for action in Action if all(action in step.allowed for step in self.steps))
        return self.actions or tuple(found)


class CodeGroup(BaseModel):
    """Codes of one origin, in the order in which a page lists them."""

    model_config = ConfigDict(frozen=True)

    title: str
    introduction: str
    outcome: Outcome
    codes: tuple[ExceptionCode, ...]


_SALES, _OPERATIONS, _FINANCE = Responsible.SALES, Responsible.OPERATIONS, Responsible.FINANCE


def _code(
    code: str,
    meaning: str,
    remedy: str,
    responsible: Responsible | None = None,
    *steps: Step,
    actions: tuple[Action, ...] = (),
    heals: bool = False,
) -> ExceptionCode:
    return ExceptionCode(
        code=code,
        meaning=meaning,
        remedy=remedy,
        responsible=responsible,
        steps=steps,
        actions=actions,
        heals=heals,
    )


def _data(code: str, meaning: str, remedy: str = "`amend` it") -> ExceptionCode:
    """A problem of contract data, which sales corrects where the contract is validated."""
    return _code(code, meaning, remedy, _SALES, parking.VALIDATE)


CONTRACT_DATA = CodeGroup(
    title="Contract data",
    introduction=(
        "Validation reports all problems at once. With several problems the step's own code is"
        " `contract_invalid`, and each problem has its code. `c2c contract start` checks the same"
        " before it starts a contract, except for what only Odoo knows."
    ),
    outcome=Outcome.PARKS,
    codes=(
        _data(
            "contract_invalid", "there are several problems; they are listed", "`amend` all of them"
        ),
        _data("missing", "a value is missing or blank"),
        _code(
            "field_unknown",
            "the contract has no such field; from Odoo: a module is missing there",
            "`amend` the name; for Odoo, operations installs the module, then `retry`",
            _SALES,
        ),
        _data(
            "not_an_object",
            "the contract data is not an object of fields",
            "`cancel`, then start the contract from a correct file",
        ),
        _data(
            "path_unknown",
            "the path of an amendment leads nowhere",
            "correct the path, such as `customer.vat_number`",
        ),
        _data(
            "key_malformed",
            "an id or key is too long, or has characters other than letters, digits, `-`, `_`",
        ),
        _data(
            "key_not_unique",
            "two services share a key, or two milestones or plans do",
            "`amend` one of them",
        ),
        _data(
            "key_reserved",
            "a milestone or plan has the key `deposit`, `retainage` or `termination`",
        ),
        _data(
            "too_long",
            "more than 500 services or milestones, 50 plans of a kind, 200 rates or 50 tiers",
            "split the programme into several contracts",
        ),
        _data("too_short", "there is no service, or a plan has no rate or no tier"),
        _data(
            "contract_data_too_large",
            "the contract data takes more than 200,000 bytes",
            "shorten its texts, or split it into several contracts",
        ),
        _data(
            "too_deep",
            "the contract data is nested more than 50 levels deep",
            "`cancel`, then start the contract from a correct file",
        ),
        _data("more_problems", "only the first 200 problems are listed", "`amend` these first"),
        _data(
            "text_malformed",
            "a text has control or invisible characters or half a character, or a name has a tab"
            " or a line break",
        ),
        _data("string_too_long", "a text is longer than 200 characters, or an id than 100 bytes"),
        _data("string_type", "a text is required here"),
        _data("model_type", "an object is required here"),
        _data("tuple_type", "a list is required here"),
        _data("email_malformed", "this is not an e-mail address"),
        _data("country_malformed", "this is not an ISO country code of two capitals"),
        _data(
            "vat_invalid",
            "the VAT number's check digits or country prefix are wrong",
            "ask the customer and `amend`; `null` where there is no VAT number",
        ),
        _data("currency_unknown", "this is not an ISO 4217 currency code"),
        _data("currency_mismatch", "an amount is in another currency than the contract"),
        _data(
            "currency_not_in_odoo",
            "the currency is not active in Odoo",
            "operations activates it and adds a price list, then `retry`",
        ),
        _data(
            "money_malformed",
            'an amount is not text such as `"4000.00"`; a JSON number cannot hold cents',
        ),
        _data(
            "money_too_precise",
            "an amount has more decimals than the currency",
            "`amend` it; rounding is a person's decision",
        ),
        _data(
            "amount_not_positive",
            "an amount is zero or below; only estimates and rates may be zero",
        ),
        _data("percent_malformed", 'a percentage is not text such as `"33.5"`, above 0 up to 100'),
        _data(
            "milestone_amount_twice",
            "a milestone states both an amount and a percentage",
            "`amend`: set one of them to `null`",
        ),
        _data(
            "deposit_amount_twice",
            "the deposit states both an amount and a percentage",
            "`amend`: set one of them to `null`",
        ),
        _data("milestones_do_not_add_up", "a service's milestones do not sum to its amount"),
        _data("services_do_not_add_up", "the services do not sum to the contract's value"),
        _data(
            "service_unknown",
            "a milestone, plan, deposit, retainage or fee names a service that is not there",
        ),
        _data(
            "service_not_billed",
            "a service has an amount, but no milestone and no plan bills it",
            '`amend`: add a milestone or plan, or set the amount to `"0"`',
        ),
        _data(
            "service_code_unknown",
            "no product in Odoo has this internal reference",
            "`amend` the code; or operations adds the product, then `retry`",
        ),
        _data(
            "service_type_unfit",
            "the product's invoicing policy in Odoo does not suit how the contract bills it",
            "operations corrects the product, then `retry`; or `amend` the code",
        ),
        _data(
            "payment_term_not_in_odoo",
            "Odoo has no payment term of this name",
            "`amend` it; or operations adds the term, then `retry`",
        ),
        _code(
            "company_unknown",
            "Odoo does not have exactly one company of the name in `odoo_company`, or the service"
            " user may not use it",
            "correct either, then `retry`",
            _OPERATIONS,
            parking.VALIDATE,
        ),
        _code(
            "legal_entity_unknown",
            "the configuration has no such legal entity",
            "add it, restart the workers, then `retry`",
            _OPERATIONS,
            parking.VALIDATE,
            parking.POLICY,
        ),
        _data("date_malformed", "this is not a date such as `2026-03-31`"),
        _data("date_from_datetime_parsing", "this is not a date such as `2026-03-31`"),
        _data("date_out_of_range", "a date is before 1990 or after 2199"),
        _data(
            "dates_out_of_order",
            "an end, due date, release or index is before the start, or a plan outside the"
            " contract's dates",
        ),
        _data(
            "deposit_too_large",
            "the deposit is more than the milestones that it is deducted from",
        ),
        _data("number_malformed", 'this is not a number; decimals are text such as `"12.5"`'),
        _data("number_out_of_range", "a number is too large, too small or has too many decimals"),
        _data("yes_or_no_expected", "`true` or `false` is required here"),
        _data("choice_malformed", "the choice does not exist; the message lists those that do"),
        _data(
            "cadence_malformed",
            "this is not a cadence such as `month`, `quarter`, `year` or `2 weeks`",
        ),
        _data("rate_not_unique", "two rates are for the same person, role and day"),
        _data("tiers_out_of_order", "tiers do not rise, or a tier before the last has no limit"),
        _data(
            "expense_plans_overlap",
            "two plans bill the same project's expenses on the same days",
            "`amend` their dates",
        ),
        _data("end_needed", "renewal or a commitment requires an end (`ends_on`)"),
        _data("nothing_to_renew", "renewal requires a plan; milestones are not renewed"),
    ),
)

FILES = CodeGroup(
    title="Files",
    introduction="Reported by the command that reads the file.",
    outcome=Outcome.REFUSED,
    codes=(
        _code(
            "file_malformed",
            "the file is neither JSON nor TOML",
            "correct the file",
            _SALES,
        ),
    ),
)

CHANGE_ORDERS = CodeGroup(
    title="Change orders",
    introduction=(
        "A change order is checked as a whole before it is proposed, with the codes above and"
        " these: correct the change order and propose it again. What it can change is on"
        " [contract-file.md](contract-file.md#change-orders)."
    ),
    outcome=Outcome.REFUSED,
    codes=(
        _code(
            "already_billed",
            "the milestone, the deposit or periods of the plan are billed or proposed",
            "credit it first (`c2c contract credit`), or end the plan and add another",
            _SALES,
        ),
        _code(
            "milestone_unknown",
            "the contract has no milestone with this key",
            "correct the key; the message lists them",
            _SALES,
        ),
        _code(
            "plan_unknown",
            "the contract has no plan with this key",
            "correct the key; the message lists them",
            _SALES,
        ),
        _code(
            "changed_twice",
            "a milestone is dropped, and also repriced or rescheduled",
            "remove one of the two",
            _SALES,
        ),
        _code(
            "amount_needed",
            "a percentage of a service whose amount is the sum of its milestones",
            "state the amount",
            _SALES,
        ),
        _code(
            "not_changeable",
            "no change order can change this field",
            "leave it as it is",
            _SALES,
        ),
        _code(
            "nothing_changed",
            "the contract would be as it is now",
            "nothing to do",
            _SALES,
        ),
    ),
)

CRM = CodeGroup(
    title="The deal and the CRM",
    introduction="Raised where a deal is read, or where the status is written to the CRM.",
    outcome=Outcome.PARKS,
    codes=(
        _code(
            "crm_not_configured",
            "the contract names a CRM that the workers' configuration does not have",
            "configure it, restart the workers, then `retry`; or `cancel`",
            _OPERATIONS,
            parking.READ_DEAL,
        ),
        _code(
            "deal_not_found",
            "the CRM has no such deal",
            "restore the deal and `retry`, or `cancel`",
            _SALES,
            parking.READ_DEAL,
        ),
        _code(
            "deal_not_won",
            "the deal is not in a won stage",
            "set it to won and `retry`, or `cancel`",
            _SALES,
            parking.READ_DEAL,
        ),
        _code(
            "terms_unreadable",
            "the deal's text `c2c_terms` is neither TOML nor JSON; the message gives the place",
            "correct it on the deal, then `retry`",
            _SALES,
            parking.READ_DEAL,
        ),
        _code(
            "terms_not_allowed",
            "`c2c_terms` states something that belongs to the deal: the customer, amounts, lines",
            "remove it from the text, then `retry`",
            _SALES,
            parking.READ_DEAL,
        ),
        _code(
            "order_already_confirmed",
            "Odoo CRM: somebody confirmed the quotation, but the contract creates its own order",
            "cancel that order in Odoo, leave the quotation unconfirmed, then `retry`",
            _SALES,
            parking.READ_DEAL,
        ),
        _code(
            "status_refused",
            "the CRM refused the status on this deal; the message says why",
            "correct the deal, then `retry`",
            _SALES,
            parking.WRITE_BACK,
        ),
        _code(
            "crm_refused",
            "HubSpot refused the call; the field names the property",
            "correct the property, usually its type, then `retry`",
            _OPERATIONS,
            parking.READ_DEAL,
            parking.WRITE_BACK,
        ),
        _code(
            "not_found",
            "HubSpot answered 404 where a record is required",
            "look at the record in HubSpot, then `retry`",
            _OPERATIONS,
            parking.READ_DEAL,
            parking.WRITE_BACK,
        ),
        _code(
            "already_exists",
            "HubSpot answered 409 where no record should exist",
            "look at the record in HubSpot, then `retry`",
            _OPERATIONS,
            parking.READ_DEAL,
            parking.WRITE_BACK,
        ),
    ),
)

CRM_SETUP = CodeGroup(
    title="The setup of the CRM",
    introduction="Reported by `c2c check` and `c2c setup --crm`.",
    outcome=Outcome.REFUSED,
    codes=(
        _code(
            "crm_property_missing",
            "a property that we read or write does not exist",
            "run `c2c setup --crm`",
            _OPERATIONS,
        ),
        _code(
            "crm_property_wrong",
            "the property exists with another type",
            "rename yours; nothing is changed here, because it may hold data",
            _OPERATIONS,
        ),
        _code("crm_module_missing", "Odoo lacks `sale_crm`", "install it", _OPERATIONS),
        _code(
            "crm_team_missing",
            "a won opportunity has no sales team, so there is no place for the status",
            "give it a sales team",
            _OPERATIONS,
        ),
    ),
)

ODOO = CodeGroup(
    title="Odoo refuses",
    introduction=(
        "Raised at any step that calls Odoo. The message is Odoo's own. Correct the cause, then"
        " `retry`."
    ),
    outcome=Outcome.PARKS,
    codes=(
        _code(
            "access_denied",
            "the service user lacks a right (HubSpot: the token lacks a scope)",
            "give it the group, the company or the scope, then `retry`",
            _OPERATIONS,
        ),
        _code(
            "vat_refused",
            "Odoo does not accept the VAT number",
            "`amend` `customer.vat_number`",
            _SALES,
            parking.CUSTOMER,
        ),
        _code(
            "period_locked",
            "the invoice date is in a closed period",
            "unlock the period and `retry`; or `amend` `invoice_on`, which keeps the approval",
            _FINANCE,
            parking.CREATE_INVOICE,
            parking.POST_INVOICE,
        ),
        _code(
            "price_list_missing",
            "Odoo has no price list in the contract's currency",
            "add one, then `retry`",
            _OPERATIONS,
            parking.ORDER,
        ),
        _code(
            "reference_unknown",
            "a record or external id that we refer to does not exist",
            "find out what was deleted or renamed, then `retry`",
            _OPERATIONS,
        ),
        _code(
            "choice_unknown",
            "Odoo does not know a choice: a module is missing, or the version is unknown to us",
            "install the module, then `retry`; else report a defect",
            _OPERATIONS,
        ),
        _code(
            "value_malformed",
            "a value has the wrong form",
            "`amend` it where the step allows that, else `retry` once Odoo accepts it",
            _OPERATIONS,
        ),
        _code(
            "field_missing",
            "Odoo requires a field that we do not fill, usually because of a customisation",
            "give the field a default in Odoo, then `retry`",
            _OPERATIONS,
        ),
        _code(
            "module_missing",
            "Odoo lacks a model: a module is missing",
            "install the module, then `retry`",
            _OPERATIONS,
        ),
        _code(
            "record_missing",
            "a record was deleted in Odoo",
            "restore it and `retry`; if the order or project is gone for good, end the contract",
            _OPERATIONS,
        ),
        _code(
            "wrong_state",
            "a button did not suit the record's state: somebody pressed it meanwhile",
            "`retry`; the state is read first",
            _OPERATIONS,
        ),
        _code(
            "odoo_constraint",
            "a rule of Odoo's database refused it, often a customisation",
            "read the message, correct the cause, then `retry`",
            _OPERATIONS,
        ),
        _code(
            "odoo_refused",
            "Odoo refused it in other words",
            "read the message, correct the cause, then `retry`",
            _OPERATIONS,
        ),
        _code(
            "one_pdf_at_a_time",
            "Odoo's `wkhtmltopdf` refuses several PDFs in one run; the worker mails one by one"
            " from then on, so this is not expected to park",
            "`retry`",
            _OPERATIONS,
            parking.DELIVER,
        ),
    ),
)

SETTING_UP = CodeGroup(
    title="Setting up and changing the order",
    introduction="Found by our own checks while a contract is set up or changed in Odoo.",
    outcome=Outcome.PARKS,
    codes=(
        _code(
            "customer_ambiguous",
            "several customers in Odoo have this VAT number, or an archived one",
            "merge them in Odoo, or restore the archived one, then `retry`",
            _OPERATIONS,
            parking.CUSTOMER,
        ),
        _code(
            "service_code_ambiguous",
            "several products in Odoo have this internal reference",
            "make the references unique, then `retry`",
            _OPERATIONS,
            parking.ORDER,
            parking.CREATE_INVOICE,
        ),
        _code(
            "order_total_differs",
            "Odoo's order does not total the fixed price: a price with tax included, a price list"
            " that rounds, or somebody's edit",
            "correct the order in Odoo, then `retry`",
            _OPERATIONS,
            parking.ORDER,
            parking.CONFIRM,
            parking.AMEND_ORDER,
        ),
        _code(
            "order_cancelled",
            "somebody cancelled the order in Odoo",
            "set it back to quotation and `retry`; or end the contract",
            _OPERATIONS,
            parking.CONFIRM,
            parking.AMEND_ORDER,
        ),
        _code(
            "analytic_account_missing",
            "the project has no analytic account",
            "switch on its timesheets in Odoo, then `retry`",
            _OPERATIONS,
            parking.ORDER,
            parking.CONFIRM,
        ),
    ),
)

BILLING = CodeGroup(
    title="What is billed",
    introduction="Found by our own checks before an invoice is proposed, or after it is rejected.",
    outcome=Outcome.PARKS,
    codes=(
        _code(
            "proposal_rejected",
            "finance rejected the proposal; the message says why",
            "`retry` proposes what is due now, under the next number; `amend` corrects the contract"
            " first; `skip` waives it",
            _FINANCE,
            parking.PROPOSAL,
        ),
        _code(
            "milestone_unreached",
            "a milestone that is proposed or billed is not reached after all",
            "reject or credit the invoice, or report the milestone reached again; or `skip`, and"
            " the invoice remains",
            _FINANCE,
            parking.REVIEW,
        ),
        _code(
            "invoice_ended",
            "somebody ended an invoice's workflow in Temporal before the invoice was settled",
            "look after the invoice in Odoo (cancel a draft there), then `skip`",
            _OPERATIONS,
            parking.FOLLOW,
        ),
        _code(
            "credit_not_possible",
            "the accepted part of a dispute cannot be credited; the message says what can be",
            "credit it otherwise (`c2c contract credit`) and `skip`; or correct the cause and"
            " `retry`",
            _FINANCE,
            parking.CREDIT,
        ),
        _code(
            "rate_missing",
            "no rate of the contract covers a person's approved hours on that day",
            "add the rate by a change order, or correct the hours or the job title in Odoo, and the"
            " period is billed by itself, at the latest a day later (`retry`: now)",
            _SALES,
            parking.BILL_PERIOD,
            heals=True,
        ),
        _code(
            "cap_reached",
            "the period would bill more than the cap of its plan",
            "raise the cap by a change order, and the period is billed; or `skip` to bill up to the"
            " cap, by your decision",
            _SALES,
            parking.CAP,
        ),
        _code(
            "purchase_order_limit",
            "the invoice would exceed the limit of the customer's purchase order",
            "raise `purchase_order_limit` by a change order, and the invoice is proposed; or `skip`"
            " to bill this one invoice all the same",
            _SALES,
            parking.PURCHASE_ORDER,
        ),
        _code(
            "time_unit_unknown",
            "a timesheet line is in another unit than hours",
            "correct it in Odoo, then `retry`",
            _OPERATIONS,
            parking.READ_PLAN,
        ),
        _code(
            "expense_currency",
            "an expense is in another currency than the contract and its company",
            "book it in the contract's currency, or take its approval back; then `retry`",
            _OPERATIONS,
            parking.READ_PLAN,
        ),
        _code(
            "period_settled",
            "hours or expenses were approved or changed in Odoo more than 400 days after their"
            " period; it is settled for good, and they are not billed",
            "bill or credit them by a change order if need be, then `skip`",
            _FINANCE,
            parking.TOO_LATE,
        ),
        _code(
            "billing_inconsistent",
            "sums of the contract's billing do not agree: a defect of c2c; nothing is proposed",
            "report it with `c2c contract statement`; after a corrected release `retry`",
            _OPERATIONS,
            parking.BILLING_CHECK,
        ),
    ),
)

ISSUING = CodeGroup(
    title="Drafting, posting, delivering",
    introduction="Found by our own checks on the way from a proposal to the customer.",
    outcome=Outcome.PARKS,
    codes=(
        _code(
            "draft_differs_from_proposal",
            "Odoo's invoice does not total the proposal without tax: a product's price includes its"
            " tax, or somebody changed and posted it",
            "correct the taxes, or reset it to draft, then `retry`",
            _OPERATIONS,
            parking.CREATE_INVOICE,
        ),
        _code(
            "approval_outdated",
            "the approved content has changed",
            "`amend` the invoice, such as its `purchase_order`; it is then approved again",
            _FINANCE,
            parking.POST_INVOICE,
        ),
        _code(
            "invoice_differs_from_approval",
            "the invoice or its address in Odoo is not what was approved",
            "`retry` writes the draft again, which may need approval again. A posted invoice is"
            " mailed to the address shown; one whose amounts changed waits until they are restored",
            _FINANCE,
            parking.POST_INVOICE,
            parking.DELIVER,
            parking.BALANCE,
        ),
        _code(
            "invoice_cancelled",
            "the draft was cancelled in Odoo",
            "reset it to draft there, then `retry`",
            _FINANCE,
            parking.POST_INVOICE,
        ),
        _code(
            "invoice_posted",
            "a proposal was rejected, but somebody had posted its draft in Odoo",
            "credit it there and `skip`; or reset it to draft there and `retry`",
            _FINANCE,
            parking.DISCARD,
        ),
        _code(
            "invoice_not_delivered",
            "Odoo could not mail the invoice: the address or the mail server",
            "correct it and `retry`; or send it another way and `skip`",
            _OPERATIONS,
            parking.DELIVER,
        ),
    ),
)

COLLECTING = CodeGroup(
    title="Collecting, crediting, closing",
    introduction="Found by our own checks after an invoice is posted.",
    outcome=Outcome.PARKS,
    codes=(
        _code(
            "invoice_not_posted",
            "a posted invoice was reset or cancelled in Odoo",
            "post it there; it then continues by itself, or `retry`",
            _FINANCE,
            parking.BALANCE,
        ),
        _code(
            "email_missing",
            "the customer has no e-mail address in Odoo",
            "nothing here: a to-do on the invoice in Odoo asks a person to remind the customer",
            _FINANCE,
            parking.REMIND,
        ),
        _code(
            "reminder_not_delivered",
            "Odoo could not mail the reminder: the address or the mail server",
            "correct it and `retry`; or remind another way and `skip`",
            _OPERATIONS,
            parking.REMIND,
        ),
        _code(
            "payment_refused",
            "a reported payment cannot be booked: another currency, not above zero, of a day ahead",
            "book the money where it belongs or pay it back, then `skip`",
            _FINANCE,
            parking.REGISTER_PAYMENT,
            actions=(Action.SKIP,),
        ),
        _code(
            "payment_without_invoice",
            "a payment was reported by Signal for a proposal that was then rejected",
            "book the money where it belongs or pay it back, then `skip`",
            _FINANCE,
            parking.REGISTER_PAYMENT,
            actions=(Action.SKIP,),
        ),
        _code(
            "payment_exceeds",
            "more was paid than was open; the rest is on the customer's account in Odoo",
            "reconcile or repay it, then `skip`",
            _FINANCE,
            parking.SETTLE_PAYMENT,
            actions=(Action.SKIP,),
        ),
        _code(
            "payment_differs",
            "a known payment was reported again with another amount; the first counts",
            "book another one under its own reference, then `skip`",
            _FINANCE,
            parking.SETTLE_PAYMENT,
            actions=(Action.SKIP,),
        ),
        _code(
            "credit_not_posted",
            "a credit note cannot be reconciled: it or its invoice is not posted in Odoo",
            "post it there, then `retry`",
            _FINANCE,
            parking.RECONCILE,
        ),
        _code(
            "account_unknown",
            "Odoo does not have exactly one account with the code in `write_off_account`",
            "correct the configuration, restart the workers, then `retry`",
            _OPERATIONS,
            parking.WRITE_OFF,
        ),
        _code(
            "journal_missing",
            "the company has no journal for miscellaneous entries",
            "add one, then `retry`",
            _OPERATIONS,
            parking.WRITE_OFF,
        ),
        _code(
            "write_off_too_large",
            "less is open in Odoo than is to be written off, because money came meanwhile",
            "`skip`, then ask to write off what is open now",
            _FINANCE,
            parking.WRITE_OFF,
        ),
        _code(
            "write_off_changed",
            "the entry of the write-off was cancelled in Odoo, or given another amount",
            "restore it there and `retry`; or cancel it, `skip`, and ask for it again",
            _FINANCE,
            parking.WRITE_OFF,
        ),
        _code(
            "close_out_differs",
            "Odoo's totals differ: invoices less credits, open amounts, drafts",
            "correct them in Odoo; it is compared again by itself (`retry`: now), later once a day;"
            " or accept the difference and `skip`",
            _FINANCE,
            parking.CLOSE_OUT,
            actions=(Action.RETRY, Action.SKIP),
            heals=True,
        ),
    ),
)

CREDENTIALS = CodeGroup(
    title="Credentials",
    introduction=(
        "`WaitingOn = 'credentials'`. **Alert on it.** The step tries again by itself, after one"
        " minute and later every 15 minutes, so a good key is enough; `retry` only makes it"
        " sooner. How to: [runbook.md](runbook.md#an-api-key-has-expired)."
    ),
    outcome=Outcome.HEALS,
    codes=(
        _code(
            "api_key_refused",
            "Odoo refuses the key: it is wrong, withdrawn or expired",
            "write a new key into the file",
            _OPERATIONS,
        ),
        _code(
            "credentials_refused",
            "HubSpot refuses the token",
            "write a new token into the file",
            _OPERATIONS,
        ),
        _code(
            "database_unknown",
            "Odoo has no such database (reported over JSON-RPC)",
            "correct `odoo.database`, restart the workers",
            _OPERATIONS,
        ),
        _code(
            "secret_missing",
            "the key's file does not exist or is empty",
            "write the key into it",
            _OPERATIONS,
        ),
        _code(
            "secret_unreadable",
            "the key's file cannot be read or is not text",
            "correct its permissions or its content",
            _OPERATIONS,
        ),
    ),
)

DEFECTS = CodeGroup(
    title="Defects",
    introduction=(
        "Ours, or a version of a remote that we do not know. The step tries again by itself, as"
        " with credentials, so that a new release corrects it."
    ),
    outcome=Outcome.HEALS,
    codes=(
        _code(
            "defect",
            "our code failed",
            "read the traceback in the worker's log, and report it",
            _OPERATIONS,
        ),
        _code(
            "odoo_error",
            "Odoo failed with a Python error",
            "read the traceback in Odoo's log",
            _OPERATIONS,
        ),
        _code(
            "unexpected_answer",
            "the answer is not one of Odoo's or the CRM's, often because of a proxy or a wrong"
            " address",
            "check the address and the proxy",
            _OPERATIONS,
        ),
        _code(
            "unknown_method",
            "Odoo has no such method: it is another version",
            "check Odoo's version",
            _OPERATIONS,
        ),
    ),
)

TRANSIENT = CodeGroup(
    title="Retried by Temporal",
    introduction=(
        "Temporal retries the activity at most a minute apart, for two hours (mails: for a day)."
        " The Temporal UI shows them as pending activities, with the attempt and the last failure."
        " What lasts longer parks, and tries again by itself. Act only if one lasts."
    ),
    outcome=Outcome.RETRIED,
    codes=(
        _code("unreachable", "there is no connection to the remote", "start the remote"),
        _code(
            "no_answer",
            "the call was sent and no answer came, so it may be done",
            "nothing: the retry finds its own record",
        ),
        _code("unavailable", "the remote is starting, overloaded or down", "look at the remote"),
        _code("conflict", "two writers met in Odoo", "nothing"),
        _code("locked", "HubSpot keeps the record locked for a moment", "nothing"),
        _code(
            "rate_limited",
            "the remote asks for fewer calls; the wait it asks for is kept",
            "nothing",
        ),
        _code(
            "throttled",
            "our own limit (`odoo.calls_per_second`) is used up",
            "raise the limit if Odoo can bear it",
        ),
        _code(
            "client_busy",
            "for 30 s no connection and none of `odoo.calls_at_once` was free; nothing was done",
            "give Odoo more processes",
        ),
        _code(
            "under_way",
            "an earlier attempt to mail the invoice may still run in Odoo; it is looked at within"
            " seconds, and mailed after two minutes at the latest",
            "nothing",
        ),
        _code("client_closed", "the worker was stopping and did not send the call", "nothing"),
    ),
)

AMENDMENTS = CodeGroup(
    title="Amendments of an invoice",
    introduction="An amendment of an invoice is refused with it, and the step remains parked.",
    outcome=Outcome.REFUSED,
    codes=(
        _code(
            "not_amendable",
            "only `invoice_on`, `payment_term`, `purchase_order` and the `description` of a line"
            " may be amended",
            "amend one of these; the address is the customer's in Odoo",
            _FINANCE,
        ),
    ),
)

CONTRACT_PROBLEMS = (CONTRACT_DATA, CHANGE_ORDERS, FILES)
"""The groups of docs/contract-problems.md."""
EXCEPTIONS = (
    SETTING_UP,
    BILLING,
    ISSUING,
    COLLECTING,
    CRM,
    CRM_SETUP,
    ODOO,
    CREDENTIALS,
    DEFECTS,
    TRANSIENT,
    AMENDMENTS,
)
"""The groups of docs/exceptions.md."""
GROUPS = (*CONTRACT_PROBLEMS, *EXCEPTIONS)
BY_CODE = {item.code: item for group in GROUPS for item in group.codes}


def allowed(step: Step, code: str) -> tuple[Action, ...]:
    """What a person may do about a failure of this code at this step."""
    known = BY_CODE.get(code)
    return known.actions if known is not None and known.actions else step.allowed


def heals(code: str) -> bool:
    """Whether what the code names may go away by itself."""
    known = BY_CODE.get(code)
    return known is not None and known.heals


STEP_NOTES: tuple[tuple[Step, str], ...] = (
    (
        parking.PROPOSAL,
        "The proposal was rejected. *Retry* bills what is due now, so hours corrected in Odoo"
        " count. *Amend* corrects the contract first. *Skip* is a waiver: what the proposal billed"
        " is not billed again, and is listed with your name and the reason.",
    ),
    (
        parking.REVIEW,
        "Reject the proposal, credit the invoice (`c2c contract credit`), or report the milestone"
        " reached again: each ends the review by itself. *Skip* keeps the invoice, and marks the"
        " milestone reached in Odoo again.",
    ),
    (
        parking.FOLLOW,
        "Nobody approves, reminds or books for that invoice any more. Look after it in Odoo, then"
        " *skip*: a posted invoice counts as settled, a proposal as rejected.",
    ),
    (
        parking.READ_PLAN,
        "The hours or expenses of one plan cannot be read. Other plans and milestones are billed"
        " meanwhile.",
    ),
    (
        parking.BILL_PERIOD,
        "The period cannot be billed as it is. Other periods and milestones are billed meanwhile."
        " It ends by itself once nothing prevents the bill any more; *retry* reads hours and"
        " expenses again.",
    ),
    (
        parking.CAP,
        "*Skip* bills up to the cap, by your name and reason. What is above is listed as not"
        " billed, and is billed after all if the cap is raised.",
    ),
    (
        parking.PURCHASE_ORDER,
        "*Skip* bills this one invoice in spite of the limit; the next one is checked again.",
    ),
    (
        parking.DELIVERED,
        "Odoo did not accept the delivered quantities of order lines that it cannot count by"
        " itself. *Skip* leaves them as they are; the next invoice tries again.",
    ),
    (
        parking.AMEND_ORDER,
        "The contract is at its next version and the order is not. Nothing is billed until it is,"
        " so it cannot be skipped. Correct what Odoo complains of, often somebody's edit of the"
        " order, and *retry*.",
    ),
    (
        parking.AMEND_PROJECT,
        "The same for milestones and tasks. *Skip*, and adjust them in Odoo by hand.",
    ),
    (
        parking.PROJECT_STATUS,
        "Work is suspended or resumed, and the project does not show it. *Skip* and tell the team.",
    ),
    (
        parking.WRITE_BACK,
        "After a *skip* the status is still owed to the CRM, so the step parks again until the"
        " CRM accepts it.",
    ),
    (
        parking.DISCARD,
        "The draft of a rejected proposal is still in Odoo. *Skip* once it is cancelled there.",
    ),
    (
        parking.RECONCILE,
        "The credit note is posted, but not reconciled with its invoice. Reconcile them in Odoo and"
        " *skip*, or *retry*.",
    ),
    (
        parking.WRITE_OFF,
        "The write-off is approved and not booked. Correct `write_off_account`, then *retry*.",
    ),
    (
        parking.CLOSE_OUT,
        "The problems name each difference between the contract and Odoo. *Skip* accepts them:"
        " the record is attached, the project archived. Without a comparison there is no *skip*.",
    ),
    (
        parking.AUDIT,
        "*Skip* closes without the audit record; `c2c contract audit` writes it to a file.",
    ),
    (
        parking.ARCHIVE_PROJECT,
        "The contract has ended and its project is still open. *Skip* leaves it open.",
    ),
)
"""What a person needs to know about a step before they decide."""
