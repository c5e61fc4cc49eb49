"""Stand-ins for other people's systems that only the tests need."""
