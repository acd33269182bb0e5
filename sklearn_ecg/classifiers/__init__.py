"""Neural classifiers of beats and short strips: one base, of which only the module differs."""

from ._cnn import CNNClassifier
from ._cnn_lstm import CNNLSTMClassifier
from ._cnn_lstm_attention import CNNLSTMAttention
from ._resnet import ResNetClassifier

__all__ = ["CNNClassifier", "CNNLSTMAttention", "CNNLSTMClassifier", "ResNetClassifier"]
