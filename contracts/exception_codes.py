"""Every code that the product gives a failure: what it means, who is responsible, what to do.

docs/exception-codes.md, connector-codes.md and contract-problems.md are generated from this table
(`make docs`). A test holds it to the code: every code raised is here, and every code here is
raised.

Written as a glossary: `code (responsible, at step, only action, heals): meaning => remedy`. Where
the brackets are left out, those of the group count.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

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


@dataclass(frozen=True)
class ExceptionCode:
    """One code. `remedy` names actions in backticks; a test holds them to the steps' actions.

    `steps` are the steps at which it can park; empty means every step that calls the remote, or no
    step at all where the group is only refused or retried. `actions` are what a person may do about
    it where that is not what the step allows of everything else: a waiver is only for what it
    names. `heals` says that what it names may go away by itself, so that it is looked at again
    without a person, ever more seldom.
    """

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


@dataclass(frozen=True)
class CodeGroup:
    """Codes of one origin, in the order in which a page lists them."""

    title: str
    introduction: str
    outcome: Outcome
    codes: tuple[ExceptionCode, ...]


_ENTRY = re.compile(r"(\w+)(?: \(([^)]*)\))?: (.*?)(?: => (.*))?")


def _group(
    title: str, outcome: Outcome, text: str, *, default: str = "", remedy: str = ""
) -> CodeGroup:
    introduction, _, glossary = text.strip().partition("\n\n")
    codes = (_code(entry, default, remedy) for entry in _entries(glossary))
    return CodeGroup(title, " ".join(introduction.split()), outcome, tuple(codes))


def _entries(glossary: str) -> Iterator[str]:
    """Each entry in one line: the lines that go on are indented."""
    yield from re.sub(r"\n +", " ", textwrap.dedent(glossary).strip()).split("\n")


def _code(entry: str, default: str, remedy: str) -> ExceptionCode:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ValueError(f"not an entry: {entry}")
    code, stated, meaning, what_to_do = found.groups()
    known = default if stated is None else stated
    words = {kind: value for kind, _, value in (word.partition(" ") for word in known.split(", "))}
    responsible = next((item for item in Responsible if item in words), None)
    return ExceptionCode(
        code,
        meaning,
        what_to_do or remedy,
        responsible,
        steps=tuple(parking.STEPS[word[3:]] for word in known.split(", ") if word[:3] == "at "),
        actions=tuple(Action(word) for word in words.get("only", "").split(" or ") if word),
        heals="heals" in words,
    )


CONTRACT_DATA = _group(
    "Contract data",
    Outcome.PARKS,
    """
Validation reports all problems at once. With several problems the step's own code is
`contract_invalid`, and each problem has its code. `c2c contract start` checks the same before
it starts a contract, except for what only Odoo knows.

contract_invalid: there are several problems; they are listed => `amend` all of them
missing: a value is missing or blank
field_unknown (sales): the contract has no such field; from Odoo: a module is missing there =>
    `amend` the name; for Odoo, operations installs the module, then `retry`
not_an_object: the contract data is not an object of fields => `cancel`, then start the contract
    from a correct file
path_unknown: the path of an amendment leads nowhere => correct the path, such as
    `customer.vat_number`
key_malformed: an id or key is too long, or has characters other than letters, digits, `-`, `_`
key_not_unique: two services share a key, or two milestones or plans do, or two rows of the
    hand-over name one service => `amend` one of them
key_reserved: a milestone or plan has the key `deposit`, `retainage` or `termination`
too_long: more than 500 services or milestones, 50 plans of a kind, 200 rates or 50 tiers =>
    split the programme into several contracts
too_short: there is no service, or a plan has no rate or no tier
contract_data_too_large: the contract data takes more than 200,000 bytes => shorten its texts,
    or split it into several contracts
too_deep: the contract data is nested more than 50 levels deep => `cancel`, then start the
    contract from a correct file
more_problems: only the first 200 problems are listed => `amend` these first
text_malformed: a text has control or invisible characters or half a character, or a name has a
    tab or a line break
string_too_long: a text is longer than 200 characters, or an id than 100 bytes
string_type: a text is required here
model_type: an object is required here
tuple_type: a list is required here
type_malformed: JSON of another type is required here, such as a text for an amount
email_malformed: this is not an e-mail address
country_malformed: this is not an ISO country code of two capitals
partner_malformed: the choice of a partner is neither an id of Odoo nor `new`
vat_invalid: the VAT number's check digits or country prefix are wrong => ask the customer and
    `amend`; `null` where there is no VAT number
currency_unknown: this is not an ISO 4217 currency code
currency_mismatch: an amount is in another currency than the contract
currency_not_in_odoo: the currency is not active in Odoo => operations activates it and adds a
    price list, then `retry`
money_malformed: an amount is not text such as `"4000.00"`; a JSON number cannot hold cents
money_too_precise: an amount has more decimals than the currency => `amend` it; rounding is a
    person's decision
amount_not_positive: an amount is zero or below; only estimates and rates may be zero
percent_malformed: a percentage is not text such as `"33.5"`, above 0 up to 100
milestone_amount_twice: a milestone states both an amount and a percentage => `amend`: set one
    of them to `null`
deposit_amount_twice: the deposit states both an amount and a percentage => `amend`: set one of
    them to `null`
milestones_do_not_add_up: a service's milestones do not sum to its amount
services_do_not_add_up: the services do not sum to the contract's value
service_unknown: a milestone, plan, deposit, retainage, fee or hand-over names a service that is
    not there
service_not_billed: a service has an amount, but no milestone and no plan bills it => `amend`:
    add a milestone or plan, or set the amount to `"0"`
service_code_unknown: no product in Odoo has this internal reference => `amend` the code; or
    operations adds the product, then `retry`
service_type_unfit: the product's invoicing policy in Odoo does not suit how the contract bills
    it => operations corrects the product, then `retry`; or `amend` the code
payment_term_not_in_odoo: Odoo has no payment term of this name => `amend` it; or operations
    adds the term, then `retry`
company_unknown (operations, at validate): Odoo does not have exactly one company of the name in
    `odoo_company`, or the service user may not use it => correct either, then `retry`
legal_entity_unknown (operations, at validate, at policy): the configuration has no such legal
    entity => add it, restart the workers, then `retry`
date_malformed: this is not a date such as `2026-03-31`
date_from_datetime_parsing: this is not a date such as `2026-03-31`
date_out_of_range: a date is before 1990 or after 2199
dates_out_of_order: an end, due date, release or index is before the start, or a plan outside
    the contract's dates
deposit_too_large: the deposit is more than the milestones that it is deducted from
number_malformed: this is not a number; decimals are text such as `"12.5"`
number_out_of_range: a number is too large, too small or has too many decimals
yes_or_no_expected: `true` or `false` is required here
choice_malformed: the choice does not exist; the message lists those that do
cadence_malformed: this is not a cadence such as `month`, `quarter`, `year` or `2 weeks`
rate_not_unique: two rates are for the same person, role and day
tiers_out_of_order: tiers do not rise, or a tier before the last has no limit
expense_plans_overlap: two plans bill the same project's expenses on the same days => `amend`
    their dates
end_needed: renewal or a commitment requires an end (`ends_on`)
nothing_to_renew: renewal requires a plan; milestones are not renewed
link_malformed: a document's address does not begin with `https://`, or has spaces
assignment_not_unique: the hand-over names a person or a role twice for one task
budget_currency: the cost of a budget is in another currency than the legal entity's books
task_unknown (sales, at validate, at hand_over): the hand-over names a task that neither the
    contract nor a template has => before the order: `amend` it; later a change order corrects it
person_not_in_odoo (operations, at validate, at hand_over): no user of Odoo has this e-mail
    address => create the user, then `retry`; or name somebody else
template_unknown (operations, at validate, at hand_over): Odoo has no project of this name to copy
    from => create or rename it, then `retry`; or name another
template_ambiguous (operations, at validate, at hand_over): several projects in Odoo have this
    name => rename all but one, or mark one as the template, then `retry`
template_too_large (operations, at hand_over): the templates have more than 500 tasks or 6 levels
    of sub-tasks => make them smaller, then `retry`; or `skip`
""",
    default="sales, at validate",
    remedy="`amend` it",
)

FILES = _group(
    "Files",
    Outcome.REFUSED,
    """
Reported by the command that reads the file.

file_malformed: the file is neither JSON nor TOML => correct the file
""",
    default="sales",
)

CHANGE_ORDERS = _group(
    "Change orders",
    Outcome.REFUSED,
    """
A change order is checked as a whole before it is proposed, with the codes above and these:
correct the change order and propose it again. What it can change is on
[contract-file.md](contract-file.md#change-orders).

already_billed: the milestone, the deposit or periods of the plan are billed or proposed =>
    credit it first (`c2c contract credit`), or end the plan and add another
milestone_unknown: the contract has no milestone with this key => correct the key; the message
    lists them
plan_unknown: the contract has no plan with this key => correct the key; the message lists them
changed_twice: a milestone is dropped, and also repriced or rescheduled => remove one of the two
amount_needed: a percentage of a service whose amount is the sum of its milestones => state the
    amount
not_changeable: no change order can change this field => leave it as it is
nothing_changed: the contract would be as it is now => nothing to do
""",
    default="sales",
)

CRM = _group(
    "The deal and the CRM",
    Outcome.PARKS,
    """
Raised where a deal is read, or where the status is written to the CRM.

crm_not_configured (operations, at read_deal): the contract names a CRM that the workers'
    configuration does not have => configure it, restart the workers, then `retry`; or `cancel`
deal_not_found (sales, at read_deal): the CRM has no such deal => restore the deal and `retry`,
    or `cancel`
deal_not_won (sales, at read_deal): the deal is not in a won stage => set it to won and `retry`,
    or `cancel`
terms_unreadable (sales, at read_deal): the deal's text `c2c_terms` is neither TOML nor JSON;
    the message gives the place => correct it on the deal, then `retry`
terms_not_allowed (sales, at read_deal): `c2c_terms` states something that belongs to the deal:
    the customer, amounts, lines => remove it from the text, then `retry`
order_already_confirmed (sales, at read_deal): Odoo CRM: somebody confirmed the quotation, but
    the contract creates its own order => cancel that order in Odoo, leave the quotation
    unconfirmed, then `retry`
status_refused (sales, at write_back): the CRM refused the status on this deal; the message says
    why => correct the deal, then `retry`
crm_refused (operations, at read_deal, at write_back): the CRM refused the call, or a deal lacks
    what a rule of the account requires; the field names the property => correct the property, or
    fill it in on the deal, then `retry`
crm_version_gone (operations, at read_deal, at write_back): Salesforce does not answer at the
    configured API version, mostly because it is retired => set `api_version` to one that `c2c
    check` lists, restart the workers, then `retry`
crm_property_unknown (operations, at write_back): the CRM lacks a property that we write; the field
    names it => run `c2c setup --connectors`, then `retry`
not_found (operations, at read_deal, at write_back): the CRM answered 404 where a record is
    required => look at the record there, then `retry`
already_exists (operations, at read_deal, at write_back): HubSpot answered 409 where no record
    should exist => look at the record in HubSpot, then `retry`
""",
)

CRM_SETUP = _group(
    "The setup of the CRM",
    Outcome.REFUSED,
    """
Reported by `c2c check` and `c2c setup --connectors`; of an envelope by `c2c events`.

crm_property_missing (operations): a property or column that we read or write does not exist =>
    run `c2c setup --connectors`
crm_property_wrong (operations): the property exists with another type => rename yours
crm_module_missing (operations): Odoo lacks `sale_crm` => install it
crm_table_missing (operations): Dynamics 365 lacks the table for the status => run `c2c setup
    --connectors`
crm_key_missing (operations): that table lacks its alternate key => run `c2c setup --connectors`
crm_key_not_active (operations): the key's index is not built yet, or failed => look again in
    minutes; reactivate a failed one
crm_right_missing (operations): the application's user lacks a privilege, or has it in part only =>
    add it to its security role, at the level Organization
esign_field_missing (operations): DocuSign has no custom field `c2c_deal` for envelopes => run
    `c2c setup --connectors`
envelope_unsigned (operations): a completed envelope had nobody to sign it => send another, or
    `c2c contract signed`
envelope_foreign (operations): an envelope names a deal that another service signs, or of another
    legal entity => send it with the right one, or name its service in `signature` of the CRM
crm_team_missing (operations): a won opportunity has no sales team to hold the status => give it
    one
""",
)

ODOO = _group(
    "Odoo refuses",
    Outcome.PARKS,
    """
Raised at any step that calls Odoo. The message is Odoo's own. Correct the cause, then `retry`.

access_denied (operations): the service user lacks a right (HubSpot: the token lacks a scope) =>
    give it the group, the company or the scope, then `retry`
vat_refused (sales, at customer): Odoo does not accept the VAT number => `amend`
    `customer.vat_number`
period_locked (finance, at create_invoice, at post_invoice): the invoice date is in a closed
    period => unlock the period and `retry`; or `amend` `invoice_on`, which keeps the approval
price_list_missing (operations, at order): Odoo has no price list in the contract's currency =>
    add one, then `retry`
reference_unknown (operations): a record or external id that we refer to does not exist => find
    out what was deleted or renamed, then `retry`
choice_unknown (operations): Odoo does not know a choice: a module is missing, or the version is
    unknown to us => install the module, then `retry`; else report a defect
value_malformed (operations): a value has the wrong form => `amend` it where the step allows
    that, else `retry` once Odoo accepts it
field_missing (operations): Odoo requires a field that we do not fill, usually because of a
    customisation => give the field a default in Odoo, then `retry`
module_missing (operations): Odoo lacks a model: a module is missing => install the module, then
    `retry`
record_missing (operations): a record was deleted in Odoo => restore it and `retry`; if the
    order or project is gone for good, end the contract
wrong_state (operations): a button did not suit the record's state: somebody pressed it
    meanwhile => `retry`; the state is read first
odoo_constraint (operations): a rule of Odoo's database refused it, often a customisation =>
    read the message, correct the cause, then `retry`
odoo_refused (operations): Odoo refused it in other words => read the message, correct the
    cause, then `retry`
one_pdf_at_a_time (operations, at deliver): Odoo's `wkhtmltopdf` refuses several PDFs in one
    run; the worker mails one by one from then on, so this is not expected to park => `retry`
""",
)

SIGNATURES = _group(
    "The signature",
    Outcome.PARKS,
    """
Raised while a contract waits for its signature, and where the signed document is attached.

envelope_declined (sales, at signature): a signer declined; the message has the reason => `retry`
    waits for a new envelope; signed otherwise: `skip`; else `cancel`
envelope_voided (sales, at signature): the envelope was voided or has expired => `retry` waits
    for a new one; signed otherwise: `skip`; else `cancel`
esign_not_configured (operations, at attach_signed): the workers' configuration has no service of
    this name => configure it, restart the workers, then `retry`
envelope_not_found (operations, at attach_signed): the service has no such envelope => attach the
    document by hand and `skip`
signed_document_too_large (operations, at attach_signed): it has more than 20 MB => attach it by
    hand and `skip`
esign_refused (operations, at attach_signed): the service refused the call; the message says why
    => correct that, then `retry`
""",
)

TIME = _group(
    "Hours of time systems",
    Outcome.REFUSED,
    """
Listed by `c2c events list --parked`, once for each person or project; read again by itself, at
the latest every hour. `c2c events replay` does so at once, `c2c events dismiss` ends it. Lasting
is what the configuration says: [timesheets.md](connectors/timesheets.md#who-and-where).

time_project_unknown (operations): a project has no place in Odoo => add it to `projects` of its
    system, also as `"ignore"`, and restart the workers
time_target_unknown (operations): a project or task is mapped to a contract, milestone, plan or
    task that Odoo does not have => correct it, or wait until the contract is set up
time_person_unknown (operations): no active employee of the company has the person's work e-mail
    => set it on the employee in Odoo; or add the person to `people`, and restart the workers
time_person_ambiguous (operations): several employees of the company have it => correct them in
    Odoo
time_line_refused (finance): Odoo refuses the line of one entry; the message says why. A line that
    Odoo itself has invoiced cannot change => correct it in Odoo, and dismiss the event
time_many_gone (operations): the system shows less than half of the entries of a week that Odoo
    has; nothing was deleted => see that the key may read everybody's hours; if they are really
    gone, delete their lines in Odoo
time_entry_unreadable (operations): something of one entry cannot be read; it holds up no other, and
    its line stays as it is => correct the entry there
time_week_uncompared (operations): the hours of a week cannot be compared with Odoo's lines; the
    message says why, and other weeks are compared => correct that, and deliver the event again
time_too_many_lines (operations): a week has more hours than can be compared => set `open_days`
    lower; compare by hand
time_access_limited (operations): reported by `c2c check`: the key sees the hours of its owner only
    => use one of an administrator
payroll_without_employees (operations): reported by `c2c payroll export`: Odoo shows no employee of
    the company, and nothing was taken back => give the service user the company and its employees
timesheets_not_configured (operations): the workers' configuration has no time system of this name
    => configure it and restart the workers; or dismiss the event
""",
)

SETTING_UP = _group(
    "Setting up and changing the order",
    Outcome.PARKS,
    """
Found by our own checks while a contract is set up or changed in Odoo.

customer_ambiguous (operations, at customer): customers in Odoo may be this one, or its parent
    company; the message lists them with what speaks for each => `amend` `customer.odoo_partner`:
    the id of one, or `new`; or merge or restore them in Odoo, then `retry`
service_code_ambiguous (operations, at order, at create_invoice): several products in Odoo have
    this internal reference => make the references unique, then `retry`
order_total_differs (operations, at order, at confirm, at amend_order): Odoo's order does not
    total the fixed price: a price with tax included, a price list that rounds, or somebody's
    edit => correct the order in Odoo, then `retry`
order_cancelled (operations, at confirm, at amend_order): somebody cancelled the order in Odoo
    => set it back to quotation and `retry`; or end the contract
analytic_account_missing (operations, at order, at confirm): the project has no analytic account
    => switch on its timesheets in Odoo, then `retry`
""",
)

BILLING = _group(
    "What is billed",
    Outcome.PARKS,
    """
Found by our own checks before an invoice is proposed, or after it is rejected.

proposal_rejected (finance, at proposal): finance rejected the proposal; the message says why =>
    `retry` proposes what is due now, under the next number; `amend` corrects the contract
    first; `skip` waives it
milestone_unreached (finance, at review): a milestone that is proposed or billed is not reached
    after all => reject or credit the invoice, or report the milestone reached again; or `skip`,
    and the invoice remains
invoice_ended (operations, at follow): somebody ended an invoice's workflow in Temporal before
    the invoice was settled => look after the invoice in Odoo (cancel a draft there), then
    `skip`
credit_not_possible (finance, at credit): the accepted part of a dispute cannot be credited; the
    message says what can be => credit it otherwise (`c2c contract credit`) and `skip`; or
    correct the cause and `retry`
rate_missing (sales, at bill_period, heals): no rate of the contract covers a person's approved
    hours on that day => add the rate by a change order, or correct the hours or the job title
    in Odoo, and the period is billed by itself, at the latest a day later (`retry`: now)
cap_reached (sales, at cap): the period would bill more than the cap of its plan => raise the
    cap by a change order, and the period is billed; or `skip` to bill up to the cap, by your
    decision
purchase_order_limit (sales, at purchase_order): the invoice would exceed the limit of the
    customer's purchase order => raise `purchase_order_limit` by a change order, and the invoice
    is proposed; or `skip` to bill this one invoice all the same
time_unit_unknown (operations, at read): a timesheet line is in another unit than hours =>
    correct it in Odoo, then `retry`
expense_currency (operations, at read): an expense is in another currency than the contract and
    its company => book it in the contract's currency, or take its approval back; then `retry`
period_settled (finance, at too_late): hours or expenses were approved or changed in Odoo more
    than 400 days after their period; it is settled for good, and they are not billed => bill or
    credit them by a change order if need be, then `skip`
billing_inconsistent (operations, at billing_check): sums of the contract's billing do not
    agree: a defect of c2c; nothing is proposed => report it with `c2c contract statement`;
    after a corrected release `retry`
""",
)

ISSUING = _group(
    "Drafting, posting, delivering",
    Outcome.PARKS,
    """
Found by our own checks on the way from a proposal to the customer.

draft_differs_from_proposal (operations, at create_invoice): Odoo's invoice does not total the
    proposal without tax: a product's price includes its tax, or somebody changed and posted it =>
    correct the taxes, or reset it to draft, then `retry`
approval_outdated (finance, at post_invoice): the approved content has changed => `amend` the
    invoice, such as its `purchase_order`; it is then approved again
invoice_differs_from_approval (finance, at post_invoice, at deliver, at balance): the invoice or
    its address in Odoo is not what was approved => `retry` writes the draft again, which may need
    approval again. A posted invoice: correct it in Odoo and `retry`, which mails it to the address
    shown; one whose amounts changed waits until they are restored
invoice_cancelled (finance, at post_invoice): the draft was cancelled in Odoo => reset it to
    draft there, then `retry`
invoice_posted (finance, at discard): a proposal was rejected, but somebody had posted its draft
    in Odoo => credit it there and `skip`; or reset it to draft there and `retry`
invoice_not_delivered (operations, at deliver): Odoo could not mail the invoice: the address or
    the mail server => correct it and `retry`; or send it another way and `skip`
""",
)

COLLECTING = _group(
    "Collecting, crediting, closing",
    Outcome.PARKS,
    """
Found by our own checks after an invoice is posted.

invoice_not_posted (finance, at balance): a posted invoice was reset or cancelled in Odoo =>
    post it there; it then continues by itself, or `retry`
email_missing (finance, at remind): the customer has no e-mail address in Odoo => nothing here:
    a to-do on the invoice in Odoo asks a person to remind the customer
reminder_not_delivered (operations, at remind): Odoo could not mail the reminder: the address or
    the mail server => correct it and `retry`; or remind another way and `skip`
payment_refused (finance, at register_payment, only skip): a reported payment cannot be booked:
    another currency, not above zero, of a day ahead => book the money where it belongs or pay
    it back, then `skip`
payment_without_invoice (finance, at register_payment, only skip): a payment was reported by
    Signal for a proposal that was then rejected => book the money where it belongs or pay it
    back, then `skip`
booking_left (finance, at take_back): the draft of what was given up is posted in Odoo, or is not
    cancelled there => cancel it there and `retry`; or `skip`
payment_exceeds (finance, at settle_payment, only skip): more was paid than was open; the rest
    is on the customer's account in Odoo => reconcile or repay it, then `skip`
payment_differs (finance, at settle_payment, only skip): a known payment was reported again with
    another amount; the first counts => book another one under its own reference, then `skip`
payment_reversed (finance, at settle_payment, only skip): a payment that was given up is undone at
    its processor, or money again => book that, too, then `skip`
payment_missing (finance, at reverse_payment): Odoo has no posted payment that this undoes => book
    there what became of the money, then `skip`; or `retry`
journal_unknown (operations, at register_payment): Odoo does not have exactly one journal with the
    code in `journal` of the payment processor => correct the configuration or Odoo, then `retry`
discount_in_clearing (finance, at register_payment): a payment of a processor takes the discount
    for paying early, which Odoo books past the journal's account => register it there under its
    reference, then `retry`
clearing_account_missing (operations, at register_payment): that journal has no account of its own
    => set its default account, then `retry`
credit_not_posted (finance, at reconcile): a credit note cannot be reconciled: it or its invoice
    is not posted in Odoo => post it there, then `retry`
account_unknown (operations, at write_off): Odoo does not have exactly one account with the code
    in `write_off_account` => correct the configuration, restart the workers, then `retry`
journal_missing (operations, at write_off): the company has no journal for miscellaneous entries
    => add one, then `retry`
write_off_too_large (finance, at write_off): less is open in Odoo than is to be written off,
    because money came meanwhile => `skip`, then ask to write off what is open now
write_off_changed (finance, at write_off): the entry of the write-off was cancelled in Odoo, or
    given another amount => restore it there and `retry`; or `skip`, and ask for it again
close_out_differs (finance, at close_out, only retry or skip, heals): Odoo's totals differ =>
    correct them in Odoo; it is compared again by itself (`retry`: now); or `skip` to accept it
came_after_close (finance, at after_close): a Signal came after the close => bill or credit by
    hand, then `skip`
""",
)

BANK_STATEMENTS = _group(
    "Bank statements",
    Outcome.REFUSED,
    """
What does not fit in a bank's file, or between it and those before. Lines of a statement that
does not add up are not booked.

bank_file_malformed: the file is not well-formed XML, or has a DOCTYPE => get it from the bank
    again
bank_file_unknown: the file holds neither a CAMT.053 nor a CAMT.054 => choose one of these formats
    at the bank; 052 says nothing that is final
bank_file_too_large: the file has more than 100 MB, 1,000 statements or 50,000 payments in one =>
    ask the bank for files of single days
bank_file_missing: no file of this name, or with this content, is where the bank's files are => look
    there, and put it there again
bank_source_incomplete (operations): the place of the files lacks a folder or a right, or there is
    no such place => `c2c setup --connectors`, then what it says
bank_file_exists: another file of this name is there => give it another name
bank_value_malformed: an amount, currency, date or account cannot be read; the message says where
    => get the file from the bank again
statement_totals_differ: the opening balance and the lines do not make the closing balance =>
    get the file from the bank again
balance_missing: the statement has no opening or closing balance, so nothing proves that it is
    whole => ask the bank for statements with booked balances
line_currency_differs: a line or balance is in another currency than the account => get the file
    from the bank again
statement_gap: the statement opens with another balance than the one before closed with: one is
    missing => get the missing one from the bank
statement_skipped: the balance fits, and the number of a statement was skipped => ask the bank
    whether there is one
statement_changed: a statement of this id was read with other lines => ask the bank which counts
bank_not_configured (operations): the workers' configuration has no bank of this name => add it,
    restart them, then `c2c bank retry`
bank_account_unknown (operations): the file is about an account that `accounts` does not name => add
    it with the code of its journal, or refuse the file
bank_journal_unknown (operations): Odoo has no single bank journal of this code in the company =>
    correct `accounts`
bank_account_missing (operations): the journal lacks its own account or its suspense account => set
    both in Odoo
bank_currency_differs (operations): the account and its journal are in different currencies =>
    correct `accounts`, or the journal's currency
bank_period_locked: lines lie in a period that is closed in Odoo, which would date them today =>
    open the period, then `c2c bank retry`; or refuse the file and book it by hand
bank_ledger_too_large (operations): Odoo has more open invoices or accounts than lines are compared
    with => settle or archive what is old
""",
    default="finance",
)

BANK_LINES = _group(
    "Payments that no rule can apply",
    Outcome.PARKS,
    """
A bank line parks with the invoices that it may pay, the likeliest first
([bank.md](bank.md)). Other lines are booked meanwhile.

payment_unidentified: nothing that the line says leads to one invoice => choose a candidate, or
    ask the payer
payment_ambiguous: the payer has several invoices of this amount and names none => choose one
payment_number_unknown: the account and the amount lead to an invoice, but the text has a number
    or reference that is not known => choose the candidate if the number is a slip
payment_perhaps_repeated: the same account paid the same amount less than three weeks before, and
    the line names nothing => choose an invoice, or pay it back
payment_amount_differs: the invoices that are named come to less, or to more in a way that is no
    part payment => choose what it pays, or pay the rest back
payer_differs: the account or name is not that of the customer whose invoice is named => choose
    the invoice if the payer pays for the customer
invoice_paid_already: the invoice that is named has nothing open => choose another, or pay it back
payment_currency_differs: the invoice that is named is in another currency => book the payment in
    Odoo with its rate
payment_company_differs: the invoice that is named is another company's => book it in Odoo
payment_direction_differs: money went out, and the line names an open invoice of the same partner
    => find out what was paid; a refund belongs to a credit note
payment_details_awaited: the entry sums several payments, and the bank's notification (CAMT.054)
    has not come => wait for it, or ask the bank
payment_details_differ: the payments that the bank lists do not add up to the entry => ask the
    bank, and book it in Odoo
payment_overtaken: the invoices were settled by something else in the same moment, three times in a
    row => look what is open of them, then settle the line
line_not_parked: no such line of the file waits => see `c2c bank lines`
line_split: the line sums payments that came with a notification and wait one by one => settle those
line_gone: the line was deleted in Odoo => book it there, then ignore it here
line_not_returnable: no booked line of this key is there, or it was taken back already => choose
    another
settlement_unclear: not exactly one of invoices, a line to undo and a reason to ignore is given, or
    an invoice twice => give one
invoice_number_unknown: no single posted invoice has this number => see the candidates
nothing_to_accept: nothing was noticed of the file => nothing
file_applied: something of the file is applied already, so it cannot be refused => settle its lines
return_unidentified: a payment came back, and not one booked line is found that it undoes =>
    choose the line
""",
    default="finance",
)

PAYMENTS = _group(
    "Payment processors",
    Outcome.REFUSED,
    """
Shown by `c2c events`. Correct the cause, then `c2c events replay`.

payments_not_configured (operations): no payment processor of this name is configured => configure
    it, restart the workers
payment_not_found (finance): the processor has no such record => look for it there
payment_foreign (finance): a payment names an invoice of another legal entity => book it by hand
payments_refused (operations): the processor refused the call => correct what the message says
payment_link_refused (operations): it made no page to pay on; the invoice was mailed without =>
    correct what its journal says
payout_cancelled (finance): the entry of a payout is cancelled in Odoo => reset it to draft there
""",
)

CREDENTIALS = _group(
    "Credentials",
    Outcome.HEALS,
    """
`WaitingOn = 'credentials'`. **Alert on it.** The step tries again by itself, after one minute
and later every 15 minutes, so a good key is enough; `retry` only makes it sooner. How to:
[runbook.md](runbook.md#an-api-key-has-expired).

api_key_refused (operations): Odoo refuses the key: it is wrong, withdrawn or expired => write a
    new key into the file
host_key_differs (operations): the SFTP server shows another host key than it should: the bank has a
    new one, or it is not the bank => ask the bank, and write its key into `host_keys`
audit_key_unusable (operations): a key of anchors cannot be read, or is no Ed25519 key
    => see `audit.signing_key_file` and `audit.public_keys`
credentials_refused (operations): the connector's remote refuses the key or the token, or does not
    let the app in; the message says why => write a new one into the file, or correct the app
consent_required (operations): nobody has agreed yet that c2c acts for the DocuSign user => open
    the address in the message as that user, and agree
other_database (operations): the database in Odoo is not the one that this environment is bound to,
    but another or a copy => correct `odoo.url` and `odoo.database`, or
    see docs/environments.md
database_unknown (operations): Odoo has no such database (reported over JSON-RPC) => correct
    `odoo.database`, restart the workers
not_installed (operations): a package is missing that the configuration asks for => install the
    extra that the message names, restart the workers
record_store_refused (operations): the bucket of records does not let us in => correct the keys of
    AWS's variables or roles, or the bucket's policy
secret_missing (operations): the key's file does not exist or is empty => write the key into it
secret_unreadable (operations): the key's file cannot be read or is not text => correct its
    permissions or its content
key_unavailable (operations): the key that a payload names is not in the record store, or its
    master key is not configured, or AWS KMS refuses it => do what the message says
payload_missing (operations): a large payload is not in the record store => see that `[records]`
    names the store it was written to, or bring it back from a backup
""",
)

DEFECTS = _group(
    "Defects",
    Outcome.HEALS,
    """
Ours, or a version of a remote that we do not know. The step tries again by itself, as with
credentials, so that a new release corrects it.

defect (operations): our code failed => read the traceback in the worker's log, and report it
odoo_error (operations): Odoo failed with a Python error => read the traceback in Odoo's log
unexpected_answer (operations): the answer is not one of Odoo's or the CRM's, often because of a
    proxy or a wrong address => check the address and the proxy
unknown_method (operations): Odoo has no such method: it is another version => check Odoo's
    version
payload_unreadable (operations): an encrypted payload was changed, or sealed by another key => see
    who can write to Temporal; report it
payload_too_large (operations): a payload is larger than even the record store takes => report it,
    with what was sent
record_differs (operations): a record exists with other content, and is never overwritten => see
    who else writes to the record store; report it
""",
)

TRANSIENT = _group(
    "Retried by Temporal",
    Outcome.RETRIED,
    """
Temporal retries the activity at most a minute apart, for two hours (mails: for a day). The
Temporal UI shows them as pending activities, with the attempt and the last failure. What lasts
longer parks, and tries again by itself. Act only if one lasts.

unreachable: there is no connection to the remote => start the remote
no_answer: the call was sent and no answer came, so it may be done => nothing: the retry finds
    its own record
unavailable: the remote is starting, overloaded or down => look at the remote
bank_file_changing: a bank's file is being written => nothing
contracts_unread: so many contracts gave no answer that the day's figures would say nothing => see
    that workers run
conflict: two writers met in Odoo or the CRM => nothing
locked: the CRM keeps the record locked for a moment => nothing
rate_limited: the remote asks for fewer calls; the wait it asks for is kept => nothing
throttled: our own limit (`odoo.calls_per_second`) is used up => raise the limit if Odoo can
    bear it
client_busy: for 30 s no connection and none of `odoo.calls_at_once` was free, or the remote was
    slow; no more was sent => give Odoo more processes
under_way: an earlier attempt to mail the invoice may still run in Odoo; it is looked at within
    seconds, and mailed after two minutes at the latest => nothing
client_closed: the worker was stopping and did not send the call => nothing
kms_unavailable: AWS KMS does not answer, and the key is not in memory => look at AWS's own status
record_store_unavailable: the folder or bucket of records cannot be read or written => mount it,
    or correct its permissions
""",
)

ERASED = _group(
    "Erased keys",
    Outcome.REFUSED,
    """
Nothing is read or written any more for a contract whose keys were erased: see
[encryption.md](encryption.md#erase).

key_erased (operations): the keys of the contract were erased => nothing: that was the purpose
""",
)

AUDIT = _group(
    "The audit record",
    Outcome.PARKS,
    """
Nothing else waits for it: only the workflow does not end before all is written.

audit_differs (operations, at audit): the store has another entry than the workflow writes =>
    run `c2c audit verify`, and find out who changed it; if the workflow was reset, or the same
    contract was started again, `skip` (of a bank's file `accept`, of an event deliver it again):
    what comes is written behind what is there
""",
)

ANCHORS = _group(
    "Anchors of the audit record",
    Outcome.REFUSED,
    """
The run of the schedule `c2c-audit-anchor-<legal entity>` fails with it, and the next one tries
again.

timestamp_invalid (operations): the time stamping authority's answer does not hold => see
    `audit.timestamp_roots_file`
""",
)

MAILS = _group(
    "Mails to our own people",
    Outcome.REFUSED,
    """
Nothing parks: the mail is not sent, and the next digest says the same. The alert `MailsNotSent`
counts them: [runbook.md](runbook.md#mails-to-our-own-people-do-not-go-out).

mail_refused (operations): the mail server refuses the sender, the person or the content, or cannot
    be trusted => correct what the message says
mail_not_configured (operations): an approval was escalated, and no mail server is configured =>
    configure `mail`, or leave it: Odoo has a note all the same
""",
)

AMENDMENTS = _group(
    "Amendments of an invoice",
    Outcome.REFUSED,
    """
An amendment of an invoice is refused with it, and the step remains parked.

not_amendable (finance): only `invoice_on`, `payment_term`, `purchase_order` and the
    `description` of a line may be amended => amend one of these; the address is the customer's
    in Odoo
""",
)

CONTRACT_PROBLEMS = (CONTRACT_DATA, CHANGE_ORDERS, FILES)
"""The groups of docs/contract-problems.md."""
SYSTEMS = (SIGNATURES, CRM, CRM_SETUP, TIME, PAYMENTS, BANK_STATEMENTS, BANK_LINES)
"""The groups of docs/connector-codes.md."""
EXCEPTIONS = (
    SETTING_UP,
    BILLING,
    ISSUING,
    COLLECTING,
    AUDIT,
    ODOO,
    CREDENTIALS,
    DEFECTS,
    TRANSIENT,
    ERASED,
    ANCHORS,
    MAILS,
    AMENDMENTS,
)
"""The groups of docs/exception-codes.md."""
GROUPS = (*CONTRACT_PROBLEMS, *EXCEPTIONS, *SYSTEMS)
BY_CODE = {item.code: item for group in GROUPS for item in group.codes}


def allowed(step: Step, code: str) -> tuple[Action, ...]:
    """What a person may do about a failure of this code at this step."""
    known = BY_CODE.get(code)
    return known.actions if known is not None and known.actions else step.allowed


def heals(code: str) -> bool:
    """Whether what the code names may go away by itself."""
    known = BY_CODE.get(code)
    return known is not None and known.heals


STEP_NOTES = dict(
    entry.split(": ", 1)
    for entry in _entries("""
hand_over: Billing continues meanwhile. *Skip* leaves the project as it is; the next version of the
    contract is handed over again.
burn: Only what is shown of the budget is old. *Skip* waits for the next reading.
proposal: The proposal was rejected. *Retry* bills what is due now, so hours corrected in Odoo
    count. *Amend* corrects the contract first. *Skip* is a waiver: what the proposal billed is
    not billed again, and is listed with your name and the reason.
review: Reject the proposal, credit the invoice (`c2c contract credit`), or report the milestone
    reached again: each ends the review by itself. *Skip* keeps the invoice, and the
    milestone stays reached.
follow: Nobody approves, reminds or books for that invoice any more. Look after it in Odoo, then
    *skip*: a posted invoice counts as settled, a proposal as rejected.
read: The hours or expenses of one plan cannot be read. Other plans and milestones are billed
    meanwhile.
bill_period: The period cannot be billed as it is. Other periods and milestones are billed
    meanwhile. It ends by itself once nothing prevents the bill any more; *retry* reads hours
    and expenses again.
cap: *Skip* bills up to the cap, by your name and reason. What is above is listed as not billed,
    and is billed after all if the cap is raised.
purchase_order: *Skip* bills this one invoice in spite of the limit; the next one is checked
    again.
delivered: Odoo did not accept the delivered quantities of order lines that it cannot count by
    itself. *Skip* leaves them as they are; the next invoice tries again.
amend_order: Nothing is billed until the order is at the contract's version, so it cannot be
    skipped. Correct what Odoo complains of, often somebody's edit of the order, and *retry*; or
    propose another change order.
amend_project: The same for milestones and tasks. *Skip*, and adjust them in Odoo by hand.
project_status: Work is suspended or resumed, and the project does not show it. *Skip* and tell
    the team.
write_back: After a *skip* the status is still owed to the CRM, so the step parks again until
    the CRM accepts it.
discard: The draft of a rejected proposal is still in Odoo. *Skip* once it is cancelled there.
reconcile: The credit note is posted, but not reconciled with its invoice. Reconcile them in
    Odoo and *skip*, or *retry*.
register_payment: The money is known and not booked. Before you *skip*, book it where it belongs
    or pay it back. The draft of the payment, if Odoo has one, is cancelled then.
reverse_payment: A refund or chargeback is known and not booked: the invoice is shown as paid and
    is not. Before you *skip*, book it in Odoo yourself, and delete the draft of it if there is one.
write_off: The write-off is approved and not booked. Correct `write_off_account`, then *retry*.
    *Skip* gives it up, and cancels the draft of its entry if Odoo has one.
take_back: A payment or write-off was given up, and its draft is still in Odoo. After a *skip* it
    stays there, and the journal has its number.
look_up_milestone: Two changes of the milestone in Odoo came within a second, and Odoo is asked
    which is the later. *Skip* keeps what was known.
after_close: Nothing follows from what came: the contract is closed. *Skip* once you have seen
    to it.
close_out: The problems name each difference between the contract and Odoo. *Skip* accepts them:
    the record is attached, the project archived. Without a comparison there is no *skip*.
closing_record: *Skip* closes without the closing record; `c2c contract close-out` writes it to a
    file.
audit: *Retry* compares again. *Skip* takes the store's record as it is, and goes on behind it.
archive_project: The contract has ended and its project is still open. *Skip* leaves it open.
""")
)
"""What a person needs to know about a step before they decide, by its name."""
