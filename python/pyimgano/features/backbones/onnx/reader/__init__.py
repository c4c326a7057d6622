"""ONNX files: read strictly, checked operator by operator, and written anew for the engines."""
