"""The settings of a Salesforce org."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateways.secrets import Secret
from gateways.settings import CrmSettings, Section, secret_of

FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
"""A field's API name. It goes into queries as it is, so it is nothing but a name."""

NoField = Literal[""]


class FieldNames(Section):
    """The API names of the fields that a firm may call as it likes; "" where it has none."""

    signed_on: FieldName = Field("CloseDate", description="opportunity: the day of signature")
    starts_on: FieldName | NoField = Field(
        "c2c_starts_on__c", description="opportunity: first day of the contract"
    )
    ends_on: FieldName | NoField = Field(
        "c2c_ends_on__c", description="opportunity: last day of the contract"
    )
    payment_term: FieldName | NoField = Field(
        "c2c_payment_term__c", description="opportunity: name of a payment term in Odoo"
    )
    purchase_order: FieldName | NoField = Field(
        "c2c_purchase_order__c", description="opportunity: the customer's order number"
    )
    terms: FieldName | NoField = Field(
        "c2c_terms__c", description="opportunity: terms that products cannot say"
    )
    vat_number: FieldName | NoField = Field(
        "c2c_vat_number__c", description="account: VAT number with its country"
    )
    country: FieldName | NoField = Field(
        "", description="account: country code, where the billing address does not have it"
    )
    milestones: FieldName | NoField = Field(
        "c2c_milestones__c", description="product of the opportunity: its milestones"
    )
    billing_frequency: FieldName | NoField = Field(
        "", description="product of the opportunity: how often its price is billed"
    )


class SalesforceSettings(CrmSettings):
    """A Salesforce org, through an External Client App.

    The app signs in by a private key in the name of `user` (JWT bearer), or by its consumer secret
    as the user that its policies name (client credentials). One of both is to be given.
    """

    url: str = Field(description="My Domain, such as `https://firm.my.salesforce.com`")
    consumer_key: str = Field(min_length=1, description="the app's consumer key")
    user: str = Field("", description="JWT bearer: the user name of the integration user")
    private_key_file: Path | None = Field(None, description="JWT bearer: RSA key in PEM")
    private_key: SecretStr | None = Field(None, description="the same, by the environment")
    audience: Literal["https://login.salesforce.com", "https://test.salesforce.com"] = Field(
        "https://login.salesforce.com",
        description="JWT bearer: `https://test.salesforce.com` for a sandbox",
    )
    consumer_secret_file: Path | None = Field(None, description="client credentials: the secret")
    consumer_secret: SecretStr | None = Field(None, description="the same, by the environment")
    api_version: str = Field(
        "v67.0",
        pattern=r"^v[0-9]{2,3}\.0$",
        description="each lives about three years; `c2c check` says which the org offers",
    )
    default_currency: str = Field(
        "", description="the currency of an org that has one currency only"
    )
    billing_role: str = Field(
        "Billing", description="the contact role of whoever receives the invoices"
    )
    fields: FieldNames = Field(FieldNames(), description="names of fields, where yours differ")

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        given = [
            self.private_key_file,
            self.private_key,
            self.consumer_secret_file,
            self.consumer_secret,
        ]
        if sum(item is not None for item in given) != 1:
            raise ValueError("give either private_key_file or consumer_secret_file")
        if self.signs_by_key != bool(self.user):
            raise ValueError("user goes with private_key_file: the user that the app acts as")
        return self

    @property
    def signs_by_key(self) -> bool:
        return self.private_key_file is not None or self.private_key is not None

    @property
    def secret(self) -> Secret:
        """The private key or the consumer secret."""
        return secret_of(
            self.private_key_file or self.consumer_secret_file,
            self.private_key or self.consumer_secret,
        )
