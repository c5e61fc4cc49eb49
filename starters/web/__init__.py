"""The web gateway: receives webhooks, and says whether it can (`c2c serve`)."""
