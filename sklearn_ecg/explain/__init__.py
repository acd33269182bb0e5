"""Where in a signal a neural classifier finds its reasons: class activation maps and input gradients."""

from ._grad_cam import grad_cam
from ._saliency import saliency

__all__ = ["grad_cam", "saliency"]
