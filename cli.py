"""Run the command line from a checkout: ``python cli.py segment photos/ -c "cat, dog" -o out``."""

from ovseg.cli import main

if __name__ == "__main__":
    main()
