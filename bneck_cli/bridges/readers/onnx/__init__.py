"""ONNX models: their operators, as the calls that a framework would have made."""
