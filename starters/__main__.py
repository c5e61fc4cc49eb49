"""`python -m starters` is `c2c`."""

from starters.cli import main

main()
