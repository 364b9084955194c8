"""A spec as an ONNX model."""
