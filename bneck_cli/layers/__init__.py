"""The layer kinds: each a class with its shape rule, its parameters and its multiply-adds side by side."""

from __future__ import annotations

from bneck_cli.layers import activation, attention, convolution, normalisation, pooling, reshaping  # noqa: F401
from bneck_cli.layers.kinds import LAYERS, Field, Kind, LayerError, Window, make

__all__ = ["LAYERS", "Field", "Kind", "LayerError", "Window", "make"]
