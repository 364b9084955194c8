"""Models of torchvision and timm, whose wheels are made for another build of PyTorch than the one that is here."""

from __future__ import annotations

from typing import Any

OPERATORS = (
    *("nms", "qnms", "roi_align", "_roi_align_backward", "qroi_align", "roi_pool", "_roi_pool_backward"),
    *("ps_roi_align", "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward"),
    *("deform_conv2d", "_deform_conv2d_backward"),
)
"""What torchvision's compiled part defines: without it they are names alone, which no classifier calls."""

_kept: list[Any] = []


def zoo() -> tuple[Any, Any]:
    """Import torchvision's models and timm. Raises ImportError where they are not there."""
    import torch

    if not _kept:
        try:
            import torchvision
        except RuntimeError:
            library = torch.library.Library("torchvision", "DEF")
            _kept.append(library)  # or its definitions go with it
            for name in OPERATORS:
                library.define(f"{name}(Tensor x) -> Tensor")
    import timm
    import torchvision.models

    return torchvision.models, timm
