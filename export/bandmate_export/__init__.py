"""From torch modules to an ONNX bundle, with a parity check."""
