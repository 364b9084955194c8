"""Where text goes: files are replaced whole or left alone, devices are written to, no stream ends in a traceback."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bneck_cli import BneckError
from bneck_cli.output import suffix_format, write

SPEC = "input: 3 x 8 x 8\nnet: conv 3x3 4\n"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which ``bneck`` is this program."""
    text = line.replace("bneck", f"{sys.executable} -m bneck_cli")
    return subprocess.run(
        ["bash", "-c", text],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=30,
        check=False,
        env={**os.environ, **environment},
    )


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    """What was there before is gone, its mode is not, and nothing else is left in the folder."""
    file = tmp_path / "out.csv"
    file.write_text("old")
    file.chmod(0o600)
    write(["new\n", "lines\n"], str(file))
    assert file.read_text() == "new\nlines\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Through a symbolic link its target is replaced."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to("target")
    write(["new"], str(link))
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    """A fifo stays one, and whoever reads it gets the text."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    write(["through ", "it"], str(fifo))
    reader.join(10)
    assert got == ["through it"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_stays_a_device() -> None:
    """What is written to a device does not replace it; one that is full is an error."""
    write(["gone"], os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(BneckError, match="/dev/full: cannot be written: no space left"):
        write(["text" * 10_000], "/dev/full")


def test_what_fails_on_the_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """An error while the text is made leaves the old file, and nothing beside it."""
    file = tmp_path / "out.txt"
    file.write_text("old")

    def half() -> list[str]:
        raise BneckError("no more")

    with pytest.raises(BneckError):
        write((text for text in (half() or [""])), str(file))
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_signal_leaves_nothing_half_written(tmp_path: Path) -> None:
    """SIGTERM in the middle of a file ends the process with 143, and removes what it had begun."""
    code = (
        "import time, sys\nfrom bneck_cli.output import write\n"
        "def slow():\n    yield 'begun'\n    print('ready', flush=True)\n    time.sleep(20)\n"
        f"write(slow(), {str(tmp_path / 'out.txt')!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("bneck analyze resnet18 --format json > /dev/full", 1, "standard output: cannot be written: no space left"),
        ("PYTHONUNBUFFERED=1 bneck analyze resnet18 --format json > /dev/full", 1, "cannot be written: no space left"),
        ("bneck analyze resnet18 >&-", 1, "standard output is closed"),
        ("bneck analyze - <&-", 1, "standard input is closed"),
        ("mkdir gone; cd gone; rmdir ../gone; bneck analyze resnet18 -o x.csv", 1, "cannot be written"),
        ("bneck analyze $'\\xfe.yaml'", 1, r"\xfe.yaml: cannot be read"),
        ("bneck analyze . ", 1, "."),
        ("bneck analyze s.yaml -o .", 1, ".: cannot be written: is a directory"),
        ("bneck analyze s.yaml -o nowhere/x.csv", 1, "nowhere/x.csv: cannot be written: no such file"),
    ],
)
def test_a_stream_that_is_not_there_is_one_message(line: str, code: int, told: str, tmp_path: Path) -> None:
    """A full, closed or missing place gives one message and exit code 1."""
    (tmp_path / "s.yaml").write_text(SPEC)
    done = shell(line, tmp_path)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("columns", ["²", "0", "10", "-3", "9" * 30])
def test_any_width_is_taken(columns: str, tmp_path: Path) -> None:
    """A width that is no number is none."""
    (tmp_path / "s.yaml").write_text(SPEC)
    done = shell("bneck analyze s.yaml --columns op && bneck list && bneck analyze --help", tmp_path, COLUMNS=columns)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", ["bneck --help", "bneck analyze --help", "bneck analyze bottleneck --channels C"])
def test_ascii_is_enough(line: str, tmp_path: Path) -> None:
    """Where standard output has no more than ASCII, everything is said in it."""
    done = shell(line, tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "?" not in done.stdout.replace("?'", "")


@pytest.mark.parametrize(
    "arguments", ["list", "analyze densenet121 --expand", "rules", "layers", "lint densenet121 --all --exit-zero"]
)
def test_a_reader_that_leaves_is_no_error(arguments: str, tmp_path: Path) -> None:
    """``| head`` ends every command with 0, in silence."""
    done = shell(f"bneck {arguments} 2>err | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}; cat err", tmp_path)
    assert done.stdout == "0\n"


def test_an_early_interrupt_leaves_no_traceback(tmp_path: Path) -> None:
    """^C while the program loads ends it by the signal, in silence."""
    code = (
        "import os, signal, sys\nimport bneck_cli.__main__\n"
        "os.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""


def test_the_suffix_chooses_the_format(tmp_path: Path) -> None:
    """A file's name says its format, where the command has it and no other is asked for."""
    assert suffix_format("a/b.CSV", ("table", "csv")) == "csv"
    assert suffix_format("b.csv", ("table",)) is None
    assert suffix_format(None, ("table", "csv")) is None
    done = shell("bneck analyze resnet18 -o r.json && bneck analyze resnet18 -o r.md -f csv", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.json").read_text(encoding="utf-8").startswith("{")
    assert (tmp_path / "r.md").read_text(encoding="utf-8").startswith("path,")


def test_a_zip_is_told(tmp_path: Path) -> None:
    """Run from a zip, where no folder of specs can be, the program says so."""
    import shutil

    import bneck_cli

    package = Path(bneck_cli.__file__).parent
    archive = shutil.make_archive(str(tmp_path / "bneck"), "zip", package.parent, package.name)
    done = subprocess.run(
        [sys.executable, "-c", "from bneck_cli.cli import main; main()", "list"],
        env={**os.environ, "PYTHONPATH": archive},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "it does not run from a zip" in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_output_by_its_name_is_written_to(tmp_path: Path) -> None:
    """``-o /dev/stdout`` leads to a pipe that has no name in any folder."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = shell("bneck analyze spec.yaml -o /dev/stdout -f csv | head -1", tmp_path)
    assert done.stdout.startswith("path,op,")
    assert done.stderr == ""


def test_a_file_that_may_not_be_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To rename over a file needs no right to write it, so that right is asked for."""
    file = tmp_path / "out.csv"
    file.write_text("old")
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(file))  # the tests may run as root
    with pytest.raises(BneckError, match="cannot be written: permission denied"):
        write(["new\n"], str(file))
    assert file.read_text() == "old"


@pytest.mark.parametrize("columns", ["op", "layer", "op,layer", "macs", "layer,output,params,macs"])
def test_columns_that_are_asked_for_survive_any_width(columns: str, tmp_path: Path) -> None:
    """The last column is never dropped, however narrow the page."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = shell(f"bneck analyze spec.yaml --columns {columns}", tmp_path, COLUMNS="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_importing_the_package_imports_nothing() -> None:
    """What ``python -m`` imports before it can handle ^C is the package's own face, and nothing else."""
    code = "import sys; before = set(sys.modules); import bneck_cli; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['__future__', 'bneck_cli']\n"


@pytest.mark.parametrize("step", ["open", "chmod", "replace"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_right_after_a_step_leaves_nothing(
    step: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two steps of replacing a file a signal may come: the file is the old or the new one, alone."""
    file = tmp_path / "out.csv"
    file.write_text("old")
    real = getattr(os, step)

    def stepped(*given: object) -> object:
        result = real(*given)
        os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(os, step, stepped)
    with pytest.raises(SystemExit) as left:
        write(["new"], str(file))
    assert left.value.code == 128 + number
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]
    assert file.read_text() == ("new" if step == "replace" else "old")
