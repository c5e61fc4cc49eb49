"""A small stand-in for Salesforce's REST API: exactly the calls `gateways.crm.salesforce` makes.

Its answers and errors follow Salesforce's documentation and what simple-salesforce and jsforce can
read (tests/unit/crm/salesforce/test_judges.py drives it with both); it has not been held against a
live org. `org` has the data, `objects` what the org's objects look like, `soql` the query
language as far as it is needed, `answers` what a query finds, `app` the calls.
"""

from sandbox.salesforce.app import ExternalClientApp, salesforce_app
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.objects import Features
from sandbox.salesforce.org import SalesforceOrg

__all__ = ["ExternalClientApp", "Features", "SalesforceError", "SalesforceOrg", "salesforce_app"]
