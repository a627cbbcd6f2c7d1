"""ONNX files, written and read (the extra ``onnx``)."""

from autograd_cnn.onnx.export import export as export
from autograd_cnn.onnx.load import load as load
from autograd_cnn.onnx.recording import ExportError as ExportError

__all__ = ["ExportError", "export", "load"]
