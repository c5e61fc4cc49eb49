"""What a bank says about an account, and which invoices its lines pay."""
