"""The published networks as ONNX graphs."""
