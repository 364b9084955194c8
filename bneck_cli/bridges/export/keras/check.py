"""An exported Keras model, built where Keras is installed and compared with the analysis: weights, multiply-adds."""

from __future__ import annotations

import os
from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export import is_installed
from bneck_cli.bridges.export.pytorch.check import compare, module_of
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.export.keras.writer import Source
    from bneck_cli.engine.analysis import Analysis


INBOUND = "_inbound_nodes"
"""Where a layer of Keras keeps how it is called."""


def check_keras(analysis: Analysis, source: Source) -> None:
    """Build a model whose weights have no values, and require that it is the network that was analysed.

    Raises BneckError for what differs, and where there is no Keras.
    """
    if "KERAS_BACKEND" not in os.environ and is_installed("torch") and not is_installed("tensorflow"):
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise BneckError("--check builds the model, which needs Keras 3", hint="pip install 'bneck[keras]'") from None
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = module_of(source.text, source.name)()
            params = sum(prod(one.shape) for one in model.trainable_weights)
            macs = multiply_adds(model)
            outputs = [tuple(one.shape) for one in model.outputs]
    except (RuntimeError, TypeError, ValueError, NameError, AttributeError, LookupError) as error:
        said = str(error).strip().partition("\n")[0]
        raise BneckError(f"the exported model does not run, so it is not written: {said}") from None
    compare("parameters", params, number(analysis.cost.inference_params))
    for shape, found in zip(analysis.outputs.values(), outputs, strict=True):
        sizes = tuple(map(number, shape.spatial))
        wanted = (None, *sizes, number(shape.channels)) if set(sizes) - {1} else (None, number(shape.channels))
        compare("the shape that leaves", found, wanted)
    compare("multiply-adds", macs, number(analysis.cost.macs))


def multiply_adds(model: Any) -> int:
    """Count the multiply-adds of a model's layers: of each kernel at each position, and of attention's products."""
    total = 0
    for layer in model.operations:
        for node in getattr(layer, INBOUND):
            if node.input_tensors:
                total += _of_layer(layer, tuple(node.input_tensors[0].shape), tuple(node.output_tensors[0].shape))
    return total


def _of_layer(layer: Any, taken: tuple[Any, ...], given: tuple[Any, ...]) -> int:
    """Count those of one layer, by the shapes of its first tensors."""
    kind = type(layer).__name__
    if "Attention" in kind:
        length, channels = taken[1:]
        heads = getattr(layer, "num_heads", None) or layer.num_query_heads
        size = getattr(layer, "key_dim", None) or layer.head_dim
        held = getattr(layer, "num_key_value_heads", heads)
        return int(2 * length * channels * size * (heads + held) + 2 * length * length * heads * size)
    if kind.endswith("Transpose"):
        return int(prod(layer.kernel.shape) * prod(taken[1:-1]))
    if kind == "Dense" or "Conv" in kind:
        return int(prod(layer.kernel.shape) * prod(given[1:-1]))
    return 0
