"""Tools that look into a computation: sources of NaN, lost gradients, time and memory."""

from autograd_cnn.diagnose.anomaly import detect_anomaly
from autograd_cnn.diagnose.drawing import draw
from autograd_cnn.diagnose.profiling import Profile, profile
from autograd_cnn.diagnose.summary import Summary, summary
from autograd_cnn.diagnose.why import why_no_grad

__all__ = ["Profile", "Summary", "detect_anomaly", "draw", "profile", "summary", "why_no_grad"]
__dir__ = __all__.copy
