"""``python -m ovseg``."""

from ovseg.cli import main

main()
