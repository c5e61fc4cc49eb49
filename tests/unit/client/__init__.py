"""The client: what engineers call, without a server."""
