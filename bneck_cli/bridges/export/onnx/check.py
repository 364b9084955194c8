"""An exported model, held against ONNX's own checker."""

from __future__ import annotations

from bneck_cli.errors import BneckError


def check_onnx(content: bytes) -> None:
    """Require that ONNX's own checker takes a model, all shapes inferred. Raises BneckError if it does not."""
    try:
        import onnx
    except ImportError:
        raise BneckError("--check needs ONNX's checker", hint="pip install 'bneck[onnx]'") from None
    try:
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = str(error).partition("\n")[0]
        raise BneckError(f"ONNX's checker rejects the model, which was not written: {said}") from None
