"""ONNX models as backbones: what reads, checks, runs and writes them."""
