"""Loop nests in the formats of accelerator simulators: SCALE-Sim, MAESTRO, Timeloop, ZigZag."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bneck_cli.bridges.export.loopnests import nests
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.bridges.export.loopnests import Nest
    from bneck_cli.engine.analysis import Analysis


def _name(nest: Nest) -> str:
    """Make a name that every simulator takes; how many copies it stands for is after it."""
    plain = re.sub(r"\W+", "_", nest.path).replace("DP", "dp")
    return f"{plain}_x{nest.copies}" if nest.copies > 1 else plain


def scale_sim(analysis: Analysis, unique: bool = False) -> str:
    """Write a topology of SCALE-Sim: a row for each layer, and one for each group, which it does not have.

    Its input sides are (out - 1)·stride + kernel, since it rounds up and pads nothing. Raises BneckError for strides
    that differ by axis, of which it takes one.
    """
    lines = ["Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"]
    for nest in nests(analysis, unique):
        if nest.stride[0] != nest.stride[1] and 1 not in (nest.out[0], nest.out[1]):
            raise BneckError(f"{nest.path}: SCALE-Sim takes one stride for both axes (got {nest.stride})")
        stride = nest.stride[1] if nest.out[0] == 1 else nest.stride[0]
        sides = [(nest.out[axis] - 1) * stride + nest.kernel[axis] for axis in (0, 1)]
        row = (*sides, *nest.kernel, nest.inputs, nest.outputs, stride)
        figures = ",".join(map(str, row))
        if unique:
            lines.append(f"{_name(nest._replace(copies=nest.copies * nest.groups))},{figures},")
        else:
            names = [_name(nest)] if nest.groups == 1 else [f"{_name(nest)}_g{group}" for group in range(nest.groups)]
            lines += [f"{name},{figures}," for name in names]
    return "\n".join(lines) + "\n"


def maestro(analysis: Analysis, unique: bool = False) -> str:
    """Write a network of MAESTRO; the dataflow of each layer is the user's."""
    lines = [f"Network {re.sub(r'[^0-9A-Za-z]+', '_', analysis.name)} {{"]
    for nest in nests(analysis, unique):
        depthwise = nest.groups > 1 and nest.inputs == nest.outputs == 1
        kind, filters, channels = ("DSCONV", 1, nest.groups) if depthwise else ("CONV", nest.outputs, nest.inputs)
        sizes = {"K": filters, "C": channels, "R": nest.kernel[0], "S": nest.kernel[1]}
        sizes |= {"Y": nest.side(0, dilated=False), "X": nest.side(1, dilated=False)}
        told = ", ".join(f"{letter}: {size}" for letter, size in sizes.items())
        groups = 1 if depthwise else nest.groups
        for group in range(1 if unique else groups):
            name = _name(nest._replace(copies=nest.copies * groups)) if unique else _name(nest)
            name += f"_g{group}" if groups > 1 and not unique else ""
            lines += [
                f"  Layer {name} {{",
                f"    Type: {kind}",
                f"    Stride {{ X: {nest.stride[1]}, Y: {nest.stride[0]} }}",
                f"    Dimensions {{ {told} }}",
                "  }",
            ]
    return "\n".join([*lines, "}"]) + "\n"


PROBLEM = """\
problem:
  version: 0.4
  shape:
    name: {name}
    dimensions: [C, M, R, S, N, P, Q, G]
    coefficients:
    - {{name: Wstride, default: 1}}
    - {{name: Hstride, default: 1}}
    - {{name: Wdilation, default: 1}}
    - {{name: Hdilation, default: 1}}
    data_spaces:
    - {{name: Weights, projection: [[[C]], [[M]], [[R]], [[S]], [[G]]]}}
    - name: Inputs
      projection: [[[N]], [[C]], [[R, Hdilation], [P, Hstride]], [[S, Wdilation], [Q, Wstride]], [[G]]]
    - {{name: Outputs, projection: [[[N]], [[M]], [[P]], [[Q]], [[G]]], read_write: true}}
  instance: {{{sizes}}}
"""


def timeloop(analysis: Analysis, unique: bool = False) -> str:
    """Write problems of Timeloop v4, a document of YAML for each layer."""
    documents = []
    for nest in nests(analysis, unique):
        sizes = {"C": nest.inputs, "M": nest.outputs, "R": nest.kernel[0], "S": nest.kernel[1], "N": 1}
        sizes |= {"P": nest.out[0], "Q": nest.out[1], "G": nest.groups}
        sizes |= {"Hstride": nest.stride[0], "Wstride": nest.stride[1]}
        sizes |= {"Hdilation": nest.dilation[0], "Wdilation": nest.dilation[1]}
        documents.append(PROBLEM.format(name=_name(nest), sizes=_listed(sizes.items())))
    return "---\n".join(documents)


def _listed(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{letter}: {size}" for letter, size in pairs)


LAYER = """\
- id: {id}
  name: {name}
  operator_type: {kind}
  equation: {equation}
  dimension_relations: [ix={sx}*ox+{dx}*fx, iy={sy}*oy+{dy}*fy]
  loop_dims: [{dims}]
  loop_sizes: [{sizes}]
  operand_precision: {{W: 8, I: 8, O: 16, O_final: 8}}
  operand_source: {{I: {source}, W: {id}}}
  padding: [[{py}], [{px}]]
"""


def zigzag(analysis: Analysis, unique: bool = False) -> str:
    """Write a workload of ZigZag: one list of layers, each reading the one before it."""
    lines = []
    for number, nest in enumerate(nests(analysis, unique)):
        grouped = nest.groups > 1
        group = "[g]" if grouped else ""
        dims = ["B", *(["G"] if grouped else []), "K", "C", "OY", "OX", "FY", "FX"]
        sizes = [1, *([nest.groups] if grouped else []), nest.outputs, nest.inputs, *nest.out, *nest.kernel]
        lines.append(
            LAYER.format(
                id=number,
                name=_name(nest),
                kind="Conv",
                equation=f"O[b]{group}[k][oy][ox]+=W{group}[k][c][fy][fx]*I[b]{group}[c][iy][ix]",
                sx=nest.stride[1],
                sy=nest.stride[0],
                dx=nest.dilation[1],
                dy=nest.dilation[0],
                dims=", ".join(dims),
                sizes=", ".join(map(str, sizes)),
                source=max(number - 1, 0),
                py=", ".join(map(str, nest.padding[0])),
                px=", ".join(map(str, nest.padding[1])),
            )
        )
    return "".join(lines)
