"""The domain: canonical models and the rules on them. Pure: no I/O, no clock, no randomness."""
