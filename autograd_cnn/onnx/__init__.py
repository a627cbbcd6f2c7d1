"""ONNX files, written and read (the extra ``onnx``)."""

from autograd_cnn.onnx.load import load

__all__ = ["load"]
