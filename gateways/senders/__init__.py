"""Senders of webhooks that are no CRM and no service for signatures."""
