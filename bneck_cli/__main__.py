"""Run the command with ``python -m bneck_cli``."""

from bneck_cli.cli import main

if __name__ == "__main__":
    main()
