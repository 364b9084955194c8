"""Progress of long work, shown on a terminal, and a clean stop on an interrupt."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds after which it is said how much is done."""


@contextmanager
def watched(whole: int) -> Iterator[Callable[[int], bool]]:
    """Yield what is told how much is done, and answers whether to go on: not after an interrupt.

    Work that takes long shows a bar on standard error, where that is a terminal.
    """
    import signal
    from time import monotonic

    stopped: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    begun = monotonic()
    bar = None

    def watch(done: int) -> bool:
        nonlocal bar
        signal.signal(signal.SIGINT, lambda number, _frame: stopped.append(number))
        if bar is None and monotonic() - begun > PATIENCE and sys.stderr is not None and sys.stderr.isatty():
            bar = _bar(whole)
        if bar is not None:
            bar(done)
        return not stopped

    try:
        yield watch
    finally:
        signal.signal(signal.SIGINT, before)
        if bar is not None:
            bar(-1)


def _bar(whole: int) -> Callable[[int], None]:
    """Begin a bar of designs; it is told how many are done, and -1 at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    progress = Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    )
    task = progress.add_task("", total=whole)
    progress.start()

    def show(done: int) -> None:
        if done < 0:
            progress.stop()
        else:
            progress.update(task, completed=done)

    return show
