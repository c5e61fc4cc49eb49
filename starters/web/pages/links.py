"""Links to what is kept elsewhere: records of Odoo, workflows in Temporal's own pages."""

from __future__ import annotations

from urllib.parse import quote

from starters.web.pages.workbench import Workbench


def odoo(workbench: Workbench, model: str, record: int | None) -> str:
    """The address of a record in Odoo, in the form that every version understands; empty where
    there is none."""
    if not workbench.odoo_url or record is None:
        return ""
    return f"{workbench.odoo_url}/web#id={record}&model={model}&view_type=form"


def temporal(workbench: Workbench, namespace: str, workflow_id: str) -> str:
    """The address of a workflow in Temporal's pages; empty where these are not configured."""
    if not workbench.temporal_url:
        return ""
    parts = (quote(namespace, safe=""), quote(workflow_id, safe=""))
    return f"{workbench.temporal_url}/namespaces/{parts[0]}/workflows/{parts[1]}"
