"""The command ``bneck``, also as ``python -m bneck_cli``."""

import gc


def main() -> None:
    """Run the command without the collector: it ends before that could earn what it costs, 5 ms of 85."""
    gc.disable()
    from bneck_cli.cli import main as run_and_leave

    run_and_leave()


if __name__ == "__main__":
    main()
