"""The command ``bneck``, also as ``python -m bneck_cli``."""

import _signal  # type: ignore[import-not-found]  # what signal is made of, without its enums' 5 ms

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # before anything else is imported: ^C ends it without a traceback

import gc


def main() -> None:
    """Run the command without the collector: it ends before that could earn what it costs, 5 ms of 85."""
    gc.disable()
    from bneck_cli.cli import main as run_and_leave

    run_and_leave()


if __name__ == "__main__":
    main()
