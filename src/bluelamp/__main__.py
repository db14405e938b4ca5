"""`python -m bluelamp`: the command line, where the command itself is not on the path."""

from bluelamp.cli import main

main()
