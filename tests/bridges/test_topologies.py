"""Lists of layers for simulators, read into specs: sums as the simulators have them, and files that are wrong."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli import BneckError, analyze
from bneck_cli.bridges.export.simulators import maestro, scale_sim
from bneck_cli.bridges.importing import import_model
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.language.library import load

if TYPE_CHECKING:
    from pathlib import Path

HEADING = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def imported(folder: Path, text: str, name: str = "topology.csv") -> str:
    """Write a list to a file and return the spec that is made of it."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_model(str(path), [], None, opaque=False).text


def resnet50_rows() -> str:
    """Write the 54 rows of ResNet-50 as its authors had it: strides in the first 1x1, sides padded, rounded up."""
    rows, side = ["conv1,229,229,7,7,3,64,2,"], 56
    channels = 64
    for stage, (width, depth) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for copy in range(depth):
            stride = 2 if stage and not copy else 1
            out = side // stride
            before = (out - 1) * stride + 1
            name = f"conv{stage + 2}_{copy + 1}"
            rows += [f"{name}a,{before},{before},1,1,{channels},{width},{stride},"]
            rows += [f"{name}b,{out + 2},{out + 2},3,3,{width},{width},1,"]
            rows += [f"{name}c,{out},{out},1,1,{width},{4 * width},1,"]
            if not copy:
                rows += [f"{name}s,{before},{before},1,1,{channels},{4 * width},{stride},"]
            side, channels = out, 4 * width
    rows += ["fc,1,1,1,1,2048,1000,1,"]
    return HEADING + "\n".join(rows) + "\n"


def test_resnet50_has_the_papers_multiply_adds(tmp_path: Path) -> None:
    """54 rows, summed; the weights are those of convolutions and of the classifier."""
    text = resnet50_rows()
    assert len(text.splitlines()) == 55
    analysis, own = analyze(imported(tmp_path, text)), analyze("resnet50_v1")
    assert analysis.macs == own.macs == 3_857_973_248
    assert analysis.cost.params == own.cost.params - 2 * 26_560 - 1000


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small", "vit_b_16"])
@pytest.mark.parametrize(("write", "suffix"), [(scale_sim, ".csv"), (maestro, ".m")])
def test_what_is_exported_comes_back(tmp_path: Path, name: str, write: object, suffix: str) -> None:
    """Every multiply-add of a network."""
    analysis = analyze_program(load(name))
    text = write(analysis)  # type: ignore[operator]
    assert analyze(imported(tmp_path, text, f"net{suffix}")).macs == analysis.macs


def test_rows_round_up_as_scale_sim_does(tmp_path: Path) -> None:
    """A side of 230 gives 113 rows there: the window reaches beyond the edge."""
    text = imported(tmp_path, f"{HEADING}conv1,230,230,7,7,3,64,2,\n")
    assert "conv1_in: 3 x 231 x 231" in text
    assert analyze(text).macs == 113 * 113 * 49 * 3 * 64


def test_depthwise_rows_have_a_word_in_their_name(tmp_path: Path) -> None:
    """And products of matrices a heading of their own; a sparsity behind the strides is passed over."""
    text = imported(tmp_path, f"{HEADING}Conv2DP,9,9,3,3,32,1,1,2:4,\n")
    assert "dwconv 3x3 pad=0" in text
    assert analyze(text).macs == 49 * 9 * 32
    product = imported(tmp_path, "Layer, M, N, K,\nlinear,196,3072,768,\nlinear,1,1000,768,\n")
    assert "linear_row_2_in: 768 x 1" in product
    assert analyze(product).macs == 196 * 3072 * 768 + 768_000


def test_maestro_has_its_own_form(tmp_path: Path) -> None:
    """Comments, and a dataflow that is passed over."""
    text = """Network N { // a comment
      Layer L1 { Type: CONV
        Stride { X: 2, Y: 2 } Dimensions { K: 64, C: 3, R: 7, S: 7, Y: 230, X: 230 }
        Dataflow { SpatialMap(1,1) K; TemporalMap(64,64) C; Cluster(64, P); }
      }
      Layer L2 { Type: DSCONV Dimensions { K: 1, C: 8, R: 3, S: 3, Y: 9, X: 9 } }
    }"""
    assert analyze(imported(tmp_path, text, "n.m")).macs == 112 * 112 * 49 * 192 + 49 * 9 * 8


WRONG = [
    ("topology.csv", "", "no rows of SCALE-Sim"),
    ("topology.csv", "a,b\n", "begins with a heading"),
    ("topology.csv", f"{HEADING}conv1,230,230,7,7,3,64\n", "a row has a name and 7 numbers"),
    ("topology.csv", f"{HEADING}conv1,230,x,7,7,3,64,2,\n", "topology.csv:2:1: IFMAP Width is a whole number"),
    ("topology.csv", f"{HEADING}conv1,230,0,7,7,3,64,2,\n", "(got '0')"),
    ("topology.csv", f"{HEADING}conv1,{'9' * 40},9,7,7,3,64,2,\n", "IFMAP Height is a whole number"),
    ("topology.csv", f"{HEADING}conv1,3,3,7,7,3,64,2,\n", "a filter of 7x7 is larger than its input of 3x3"),
    ("topology.csv", HEADING + "c,9,9,1,1,1,1,1,\n" * 20_001, "more than 20,000 rows"),
    ("n.m", "", "no rows of MAESTRO"),
    ("n.m", "Layer L {", "braces that are not closed"),
    ("n.m", "Layer L { Type: LSTM Dimensions { K: 1 } }", "type LSTM is not read"),
    ("n.m", "Layer L { Dimensions { K: 1, C: 1 } }", "no R, S, Y, X among its dimensions"),
    ("n.m", "Layer L { Dimensions { K 1 } }", "expected ':' (got '1')"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_a_wrong_file_gets_one_message(tmp_path: Path, name: str, text: str, said: str) -> None:
    """With the row, what was expected and what is there."""
    with pytest.raises(BneckError) as caught:
        imported(tmp_path, text, name)
    assert said in str(caught.value)


def test_sizes_are_the_rows_own(tmp_path: Path) -> None:
    """There is no input to give sizes to."""
    (tmp_path / "t.csv").write_text(resnet50_rows(), encoding="utf-8")
    with pytest.raises(BneckError, match=r"each row of .* has sizes of its own"):
        import_model(str(tmp_path / "t.csv"), [], "3x224x224", opaque=False)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_mangled_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Characters changed: never anything but a spec or the one error."""
    name, text = data.draw(
        st.sampled_from([("a.csv", resnet50_rows()[:600]), ("a.m", maestro(analyze_program(load("lenet5"))))])
    )
    letters = list(text)
    for _ in range(data.draw(st.integers(1, 4))):
        letters[data.draw(st.integers(0, len(letters) - 1))] = data.draw(st.sampled_from(list("{}:,x0-\n ")))
    with suppress(BneckError):
        analyze(imported(tmp_path_factory.mktemp("mangled"), "".join(letters), name))
