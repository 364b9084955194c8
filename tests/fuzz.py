"""Run bneck on random specs and command lines, in process, and watch: ``python tests/fuzz.py --cases 200000 --seed 1``.

A case fails where an exception other than the one error leaves the command, where it takes over a second of processor
time or 200 MB, and where its output is not what it says: JSON that does not parse, ragged CSV, control characters, an
exit code that nothing explains. Growth of the process over many cases is reported too. Cases run in a forked worker, so
that one which hangs or dies is a finding like any other; each kind of finding is made small and printed once.
``--case N`` shows and runs one case.
"""

from __future__ import annotations

import argparse
import csv
import gc
import io
import json
import mmap
import os
import pickle
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_cases import Case, make_case

from bneck_cli import cli

SECONDS = 1.0
LONGER = {"report": 2, "list": 4, "check": 4, "plot": 4}
"""How many times as long commands may take that answer several questions, or analyse the whole library."""
MEGABYTES = 200
GROWTH = 60
"""Megabytes that a worker may grow after its first thousand cases: caches are bounded, and leaks are not."""
HANG = 8.0
"""Seconds of processor time after which a case is killed, and a tenth of the wall seconds that it may wait."""
MESSAGE = 4000
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


class Finding(NamedTuple):
    """A case that failed: its number, the kind by which findings are grouped, and what was seen."""

    index: int
    kind: str
    text: str
    case: Case


class Result(NamedTuple):
    """What a command did: its exit code, output and messages, the processor time, and a traceback where one left it."""

    code: int | None
    out: str
    err: str
    seconds: float
    trace: str = ""
    raised: str = ""


def run(case: Case) -> Result:
    """Run a command line in this process, in the folder where it stands."""
    for entry in os.scandir("."):
        if entry.is_file(follow_symlinks=False):
            os.unlink(entry.path)
    for name, text in case.files.items():
        Path(name).write_bytes(text.encode("utf-8", "surrogatepass"))
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(3)]
    streams[0].buffer.write(case.stdin.encode("utf-8", "surrogatepass"))
    streams[0].buffer.seek(0)
    before = (sys.stdin, sys.stdout, sys.stderr, sys.argv)
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.argv = ["bneck", *case.words]
    code, trace, raised = None, "", ""
    started = time.process_time()
    try:
        code = cli.run()
    except Exception as error:  # noqa: BLE001 - whatever leaves a command is a finding
        raised, trace = where(error), "".join(traceback.format_exception(error, limit=-4))
    finally:
        seconds = time.process_time() - started
        with suppress(ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        sys.stdin, sys.stdout, sys.stderr, sys.argv = before
    out, err = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in streams[1:])
    return Result(code, out, err, seconds, trace, raised)


def where(error: BaseException) -> str:
    """Name an exception by its type and the innermost function of the program that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "bneck_cli" in frame.filename]
    if not frames or isinstance(error, RecursionError):
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} in {last.filename.rpartition('bneck_cli/')[2]}:{last.name}"


def judge(case: Case, result: Result) -> tuple[str, str] | None:
    """Return the kind of a failure and what was seen; None where all is well."""
    if result.trace:
        return result.raised, result.trace
    if result.seconds > SECONDS * LONGER.get(case.words[0], 1):
        return "slow", f"{result.seconds:.1f} s"
    if result.code not in (0, 1, 2):
        return f"exit {result.code}", result.err[-300:]
    if "Traceback" in result.err:
        return "traceback printed", result.err[-600:]
    if result.code == 0 and result.err:
        return "exit 0 with a message", result.err[:300]
    if result.code and not result.err and not result.out and "--output" not in case.words:  # lint's findings, in a file
        return f"exit {result.code} without a word", ""
    if result.code and result.out and result.err and "--save" not in case.words:  # the rows first, then the file
        return "an error after output", result.err[:300]
    if len(result.err) > MESSAGE:
        return "long message", f"{len(result.err):,} characters: {result.err[:200]}"
    for text in (result.out, result.err):
        if found := CONTROL.search(text):
            return f"control character U+{ord(found[0]):04X}", repr(text[max(0, found.start() - 60) : found.end() + 20])
    return judge_data(asked_format(case), result.out) if result.code == 0 and result.out else None


def asked_format(case: Case) -> str:
    """Return the format that a case's options name."""
    words = case.words
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word == "--format"), "")


def judge_data(form: str, out: str) -> tuple[str, str] | None:
    """Read data as a program would: JSON without NaN, CSV with as many cells in each row."""
    if form == "json":
        try:
            json.loads(out, parse_constant=_no_constant)
        except ValueError as error:
            return "not JSON", f"{error}: {out[:200]}"
    if form in ("csv", "tsv"):
        csv.field_size_limit(1 << 30)
        rows = list(csv.reader(io.StringIO(out, newline=""), delimiter="," if form == "csv" else "\t"))
        widths = {len(row) for row in rows}
        if len(widths) > 1:
            return f"ragged {form}", f"rows of {sorted(widths)} cells: {out[:200]}"
    return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Workers


def resident() -> float:
    """Return the megabytes that this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE / 1e6


def peak() -> float:
    """Return the most megabytes that this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def mapped() -> int:
    """Return the bytes of address space that this process has: those of whoever forked it, libraries and all."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def tried(case: Case) -> tuple[str, str] | None:
    """Run and judge a case; one that is slow is run once more, when all is imported and cached."""
    before = peak()
    found = judge(case, run(case))
    if found and found[0] == "slow":
        found = judge(case, run(case))
    if found is None and peak() - before > MEGABYTES:
        found = "memory", f"{peak() - before:.0f} MB"
    return found


def used(pid: int) -> float:
    """Return the processor time that a process has taken."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def work(seed: int, indices: range, share: mmap.mmap, pipe: int) -> None:
    """Run cases one after another, saying in the shared page which, and in the pipe what was found."""
    base = 0.0
    for count, index in enumerate(indices):
        struct.pack_into("qdd", share, 0, index, time.monotonic(), time.process_time())
        case = make_case(seed, index)
        found = tried(case)
        if found:
            send(pipe, Finding(index, *found, case))
            if found[0] == "memory":
                break  # the peak of a process never falls: begin anew
        if count % 1000 == 999:
            gc.collect()
            base = base or resident()
            if resident() - base > GROWTH:
                send(pipe, Finding(index, "growth", f"{base:.0f} to {resident():.0f} MB in {count + 1} cases", case))
                break
    else:
        index = indices.stop
    struct.pack_into("qd", share, 0, index, 0.0)


def send(pipe: int, finding: Finding) -> None:
    """Write a finding to a pipe, its length first."""
    data = pickle.dumps(finding)
    os.write(pipe, struct.pack("q", len(data)) + data)


class Worker:
    """A forked process that runs cases ``indices``; where it is killed or dies, another goes on after that case."""

    def __init__(self, seed: int, indices: range) -> None:
        self.seed, self.indices = seed, indices
        self.share = mmap.mmap(-1, mmap.PAGESIZE)
        self.findings: list[Finding] = []
        self.done = 0
        self.start()

    def start(self) -> None:
        """Fork; the child runs in a folder of its own."""
        self.inbox: bytes = b""
        read, write = os.pipe()
        struct.pack_into("qdd", self.share, 0, self.indices.start, time.monotonic(), 0.0)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            in_folder(lambda: work(self.seed, self.indices, self.share, write))
        os.close(write)
        os.set_blocking(read, False)
        self.pipe = read

    def poll(self) -> bool:
        """Take in what was found, and bury or replace the worker; return whether it goes on."""
        index, since, before = struct.unpack_from("qdd", self.share, 0)
        waits = since and time.monotonic() - since
        hangs = waits > HANG and (used(self.pid) - before > HANG or waits > 10 * HANG)
        if hangs:
            os.kill(self.pid, signal.SIGKILL)
        pid, status = os.waitpid(self.pid, 0 if hangs else os.WNOHANG)
        self.receive()
        if not pid:
            return True
        os.close(self.pipe)
        index, since = struct.unpack_from("qd", self.share, 0)
        if since:
            kind = "slow" if hangs else f"killed by signal {os.WTERMSIG(status)}"
            self.findings.append(
                Finding(index, kind, f"over {HANG:.0f} s" if hangs else "", make_case(self.seed, index))
            )
        if index >= self.indices.stop:
            return False
        self.indices = self.indices[self.indices.index(index) + 1 :]
        if self.indices:
            self.start()
        return bool(self.indices)

    def receive(self) -> None:
        """Read the findings that are whole."""
        with suppress(BlockingIOError):
            while data := os.read(self.pipe, 1 << 20):
                self.inbox += data
        while len(self.inbox) >= 8 and len(self.inbox) >= 8 + (size := struct.unpack_from("q", self.inbox)[0]):
            self.findings.append(pickle.loads(self.inbox[8 : 8 + size]))
            self.inbox = self.inbox[8 + size :]

    def stop(self) -> None:
        """End the worker."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def in_folder(action: Any) -> None:
    """Run an action in an empty folder, in a forked child, and end the child."""
    code = 0
    try:
        sys.settrace(None)  # a measurement of coverage ends with the child, and would be timed
        most = mapped() + (2 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        with tempfile.TemporaryDirectory(prefix="bneck-fuzz-") as folder:
            os.chdir(folder)
            action()
            os.chdir("/")
    except BaseException:  # noqa: BLE001 - a child must end here
        traceback.print_exc()
        code = 1
    os._exit(code)


def fuzz(seed: int, cases: int, seconds: float, jobs: int, first: int = 0) -> tuple[int, list[Finding]]:
    """Run cases in ``jobs`` workers until they are through or the time is; return how many ran, and the findings."""
    ends = time.monotonic() + seconds
    workers = [Worker(seed, range(first + job, first + cases, jobs)) for job in range(min(jobs, cases))]
    going = list(workers)
    while going and time.monotonic() < ends:
        time.sleep(0.05)
        going = [worker for worker in going if worker.poll()]
    ran = cases
    if going:
        reached = [struct.unpack_from("qd", worker.share, 0)[0] for worker in going]
        ran = min(reached) - first
    for worker in going:
        worker.receive()
        worker.stop()
    return ran, sorted((finding for worker in workers for finding in worker.findings), key=lambda found: found.index)


# Small cases


def kind_of(case: Case, wall: float = HANG) -> str:
    """Run a case in a process of its own; return the kind of its failure, or nothing."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)

        def action() -> None:
            found = tried(case)
            os.write(write, (found[0] if found else "").encode())

        in_folder(action)
    os.close(write)
    ends = time.monotonic() + wall
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > ends:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(read)
            return "slow"
        time.sleep(0.002)
    told = os.read(read, 1 << 16).decode()
    os.close(read)
    return f"killed by signal {os.WTERMSIG(ended[1])}" if os.WIFSIGNALED(ended[1]) else told


def minimised(finding: Finding, seconds: float = 20.0) -> Case:
    """Return the smallest case found that fails in the same way: files, words, lines, then characters taken away."""
    ends = time.monotonic() + seconds
    wall = 2.5 if finding.kind == "slow" else HANG

    def fails(case: Case) -> bool:
        return time.monotonic() < ends and kind_of(case, wall) == finding.kind

    case = finding.case
    if not fails(case):
        return case
    for name in (*case.files, ""):
        smaller = case._replace(files={key: text for key, text in case.files.items() if key != name})
        smaller = smaller if name else case._replace(stdin="")
        if smaller != case and fails(smaller):
            case = smaller
    kept = without(list(case.words), lambda words: fails(case._replace(words=tuple(words))))
    case = case._replace(words=tuple(kept))
    for name in case.files:
        for pattern in ("(?<=\n)", "(?<= )", ""):
            base = case
            pieces = [piece for piece in re.split(pattern, base.files[name]) if piece]
            kept = without(pieces, lambda rest: fails(base._replace(files={**base.files, name: "".join(rest)})))  # noqa: B023
            case = base._replace(files={**base.files, name: "".join(kept)})
    return case


def without(pieces: list[str], fails: Any) -> list[str]:
    """Take away runs of pieces, long ones first, as long as what is left fails."""
    size = max(1, len(pieces) // 2)
    while True:
        at = 0
        while at < len(pieces):
            rest = pieces[:at] + pieces[at + size :]
            if fails(rest):
                pieces = rest
            else:
                at += size
        if size == 1:
            return pieces
        size = max(1, size // 2)


def shown(case: Case) -> str:
    """Write a case as a person would repeat it."""
    words = " ".join(
        f"({len(word):,} characters: {word[:20]!a}...)"
        if len(word) > 400
        else word
        if re.fullmatch(r"[\w./:=,-]+", word)
        else ascii(word)
        for word in case.words
    )
    files = [f"--- {name}\n{text!a}" for name, text in case.files.items()]
    return "\n".join([f"bneck {words}", *files, *([f"--- stdin\n{case.stdin!a}"] if case.stdin else [])])


def report(findings: list[Finding], minimise: bool) -> str:
    """Write each kind of finding once: how often, where first, and the smallest case."""
    parts = []
    for kind in dict.fromkeys(finding.kind for finding in findings):
        alike = [finding for finding in findings if finding.kind == kind]
        first = min(alike, key=lambda found: sum(map(len, found.case.files.values())))
        case = minimised(first) if minimise and kind != "growth" else first.case
        parts.append(f"== {kind}: {len(alike)} cases, {alike[0].index} first\n{first.text.rstrip()}\n{shown(case)}\n")
    return "\n".join(parts)


def main() -> int:
    """Read the options, run, report; exit 1 where there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number to begin at")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--jobs", type=int, default=1, help="workers at once")
    parser.add_argument("--case", type=int, help="show and run this case alone")
    parser.add_argument("--whole", action="store_true", help="print failing cases as they were made, not made small")
    asked = parser.parse_args()
    if asked.case is not None:
        case = make_case(asked.seed, asked.case)
        print(shown(case), "\n==", kind_of(case) or "all is well")
        return 0
    started = time.monotonic()
    ran, findings = fuzz(asked.seed, asked.cases, asked.seconds, asked.jobs, asked.first)
    took = time.monotonic() - started
    if findings:
        print(report(findings, not asked.whole))
    print(f"{ran:,} cases of seed {asked.seed} in {took:.0f} s, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
