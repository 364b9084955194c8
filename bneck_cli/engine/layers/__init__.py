"""The layer kinds: one class each, with its shape rule, its parameters and its multiply-adds."""

from __future__ import annotations

# isort: off
# Their order here is their order in the reference.
from bneck_cli.engine.layers import convolution, fitting, reshaping, normalisation, activation, pooling  # noqa: F401
from bneck_cli.engine.layers import sequences, recurrent, attention  # noqa: F401
from bneck_cli.engine.layers.kinds import LAYERS, WORDS, Field, Keeps, Kind, LayerError, Window, make

__all__ = ["LAYERS", "WORDS", "Field", "Keeps", "Kind", "LayerError", "Window", "make"]
