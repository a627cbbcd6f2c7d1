"""ONNX files, written and read (the extra ``onnx``)."""
