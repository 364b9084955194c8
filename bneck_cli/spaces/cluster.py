"""Blocks of designs computed by the workers of a Dask cluster, in the same order and with the same numbers as alone.

A task is some blocks in a row. It has all that a worker needs, a few thousand bytes, so a worker may leave at any
time and another does its tasks; a worker walks a design once for all of its tasks.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError
from bneck_cli.spaces.space import BLOCK, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.spaces.space import Block

TOGETHER = 4
"""Blocks of a task, at most."""
AHEAD = 3
"""Tasks for each thread of the cluster that are handed out and not fetched yet."""
PATIENCE = 10
"""Seconds in which a cluster answers, and has a worker."""

_spaces: dict[bytes, Space] = {}
_lock = Lock()


def spread(space: Space, address: str, first: int = 0, each: int = 1) -> Iterator[Block]:
    """Yield the blocks of a space, computed by a cluster; some of them as ``Space.blocks`` says.

    Raises BneckError if there is no cluster or no worker, and for what ends the work there.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise BneckError("--dask needs Dask", hint="pip install 'bneck[dask]'") from None
    try:
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise BneckError(f"--dask: no cluster answers at '{address}': {_reason(error)}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except OSError:
            raise BneckError(f"--dask: the cluster at '{address}' has no worker") from None
        yield from _fetched(client, space, first, each)


def _fetched(client: Any, space: Space, first: int, each: int) -> Iterator[Block]:
    """Hand tasks out, a few more than there are threads, and fetch them in order."""
    recipe = pickle.dumps((space.program, space.settings, space.designs, space.totals))
    starts = space.designs.blocks(BLOCK, first, each)
    threads = sum(client.nthreads().values()) or 1
    together = max(1, min(TOGETHER, -(-space.designs.number // (BLOCK * each * threads))))
    waiting: list[Any] = []
    done = False
    while waiting or not done:
        while not done and len(waiting) < AHEAD * threads:
            task = [span for _, span in zip(range(together), starts, strict=False)]
            if task:
                waiting.append(client.submit(work, recipe, task, pure=False))
            done = len(task) < together
        if waiting:
            yield from _result(waiting.pop(0))


def _result(future: Any) -> list[Block]:
    try:
        return list(future.result())
    except BneckError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever a worker may meet ends here, in one message)
        raise BneckError(f"--dask: the cluster did not finish: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (str(error).split("\n")[0] or type(error).__name__)[:200]


def work(recipe: bytes, spans: list[tuple[int, int]]) -> list[Block]:
    """Compute blocks, on a worker: what was walked for other blocks of the same space is kept."""
    with _lock:
        if recipe not in _spaces:
            _spaces.clear()
            _spaces[recipe] = Space(*pickle.loads(recipe))  # noqa: S301  (from the client, as the task is)
        space = _spaces[recipe]
        return [space.block(start, stop) for start, stop in spans]
