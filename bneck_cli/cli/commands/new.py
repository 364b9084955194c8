"""``bneck new``."""

import os
from typing import Annotated

import typer

from bneck_cli.cli.edge import quoted
from bneck_cli.errors import BneckError
from bneck_cli.output import write

GROUP = "Design"
EXAMPLES = ("bneck new mynet", "bneck new nets/small.yaml")
TEXT = """\
# {name}: a first spec. Try it: bneck analyze {file}
input: 3 x 32 x 32                                      # channels x height x width

blocks:
  bottleneck(channels, stride=1, width=channels/4):     # defined once, used in one line below
    - residual:                                         # the result is added to what came in
        - conv 1x1 width -> bn -> relu
        - conv 3x3 width stride=stride -> bn -> relu
        - conv 1x1 channels -> bn
      shortcut: auto                                    # the identity, or a 1x1 convolution where the shape changes
    - relu

net(classes=10):                                        # bneck analyze {file} --set classes=100
  - conv 3x3 64 -> bn -> relu                           # arrows run left to right; input channels are implied
  - 3x bottleneck 256 -> as stage1                      # three copies, called stage1.0 to stage1.2
  - 4x bottleneck 512 first(stride=2) -> as stage2      # the first with a stride of 2: half the height and width
  - global_avgpool -> linear classes
"""


def command(name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the spec, or of its file.")]) -> None:
    """Write a small, commented spec to start from; an existing file is never replaced."""
    file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    if os.path.lexists(file):
        raise BneckError(f"{file} already exists", hint="choose another name")
    stem = os.path.basename(file).rsplit(".", 1)[0]
    if not stem or not file.isprintable():
        raise BneckError(f"'{quoted(name)}' cannot name a spec", hint="for example: bneck new mynet")
    write([TEXT.format(name=stem, file=file)], file)
    write([f"wrote {file}; next: bneck analyze {file}\n"], None)
