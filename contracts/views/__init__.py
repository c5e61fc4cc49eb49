"""What people are shown of a contract or an invoice."""
