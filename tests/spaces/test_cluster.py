"""Sweeps beyond one process: Parquet, and a real Dask cluster of two workers, of which one is killed."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
from running import bneck, run

from bneck_cli.engine.settings import Settings
from bneck_cli.language.library import load
from bneck_cli.questions.sweep import Sweep, rows, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIDES = ("resnet18", "--vary", "side=20:60", "--vary", "classes=1:40")
FAMILY = ("width=0.5:2:0.025", "side=32:512", "classes=10:200:10")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start two workers on this machine, each a process; a worker that dies is started again."""
    distributed = pytest.importorskip("distributed")
    import logging

    quiet = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(silence_logs=logging.CRITICAL, **quiet) as cluster:
        yield cluster.scheduler_address


def wanted(dask: str | None, **asked: Any) -> Sweep:
    """Settle a sweep of half a million designs, eight blocks."""
    return sweep("mobilenet_v2", load("mobilenet_v2"), Settings(), FAMILY, dask=dask, **asked)


def listed(found: Sweep, watch: Any = lambda _done: True) -> list[list[Any]]:
    """Return all rows by columns."""
    gathered: dict[str, list[Any]] = {}
    for columns in rows(found, watch):
        for name, column in columns.items():
            gathered.setdefault(name, []).extend(column.tolist())
    return list(gathered.values())


def test_a_cluster_gives_the_same_rows(address: str) -> None:
    """And the same tally; a worker that is killed on the way loses nothing."""
    alone = wanted(None, keep="macs < 150M")
    expected = listed(alone)
    distributed = pytest.importorskip("distributed")
    with distributed.Client(address, set_as_default=False) as client:
        victims = list(client.run(os.getpid).values())
        killed = []

        def watch(done: int) -> bool:
            if not killed:
                killed.append(victims[0])
                os.kill(victims[0], signal.SIGKILL)
            return True

        shared = wanted(address, keep="macs < 150M")
        assert listed(shared, watch) == expected
    assert killed
    assert vars(shared.tally) == vars(alone.tally)


def test_a_cluster_takes_a_shard_and_refusals(address: str) -> None:
    """The command gives what it gives alone, refused designs and a part of all included."""
    for options in (
        ("--refused",),
        ("--shard", "1/2"),
        ("--best", "3", "--maximize", "macs"),
        ("--pareto", "params,macs"),
    ):
        words = ("sweep", *SIDES, *options, "-f", "csv")
        assert bneck(*words, "--dask", address) == bneck(*words)


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, soon."""
    pytest.importorskip("distributed")
    from bneck_cli.spaces import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{port}", "nowhere", "tcp://", "ftp://127.0.0.1"):
        done = run("sweep", *SIDES, "--dask", address)
        assert (done.code, done.out) == (1, "")
        assert "error: --dask: no cluster answers at" in done.err
        assert done.err.count("\n") == 1


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    """Each column with its type; all rows, in their order, also through a pipe."""
    parquet = pytest.importorskip("pyarrow.parquet")
    words = ("sweep", "mobilenet_v2", "--vary", "width=0.25:1.5:0.25", "--vary", "side=32:224:32")
    bneck(*words, "-o", "found.parquet", folder=tmp_path)
    table = parquet.read_table(tmp_path / "found.parquet")
    assert [str(kind) for kind in table.schema.types] == ["double", "int64", "int64", "int64"]
    lines = bneck(*words, "-f", "csv").splitlines()
    assert table.schema.names == lines[0].split(",")
    assert [[float(cell) for cell in line.split(",")] for line in lines[1:]] == [
        list(row.values()) for row in table.to_pylist()
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["found.parquet"]


def test_parquet_of_what_is_refused(tmp_path: Path) -> None:
    """Refused designs are rows with a reason; what is beyond 64 bits is told, and no file is left."""
    parquet = pytest.importorskip("pyarrow.parquet")
    words = ("sweep", "basic", "--vary", "channels=1:4", "--vary", "stride=0:1")
    bneck(*words, "--refused", "-o", "found.parquet", folder=tmp_path)
    assert {row["stride"] for row in parquet.read_table(tmp_path / "found.parquet").to_pylist()} == {0}
    big = ("sweep", "basic", "--vary", "channels=1048576", "--vary", "side=4294967290", "-o", "big.parquet")
    done = run(*big, folder=tmp_path)
    assert (done.code, done.err.split("\n")[0]) == (1, "error: a total exceeds 64 bits, the limit of Parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["found.parquet"]
