"""The whole stack on one machine: `c2c dev` to work with, `c2c demo` to see it work."""
