"""One table of tiny instances of every public estimator; conformance and contract tests read it.

An instance may set ``precision="float64"``, ``dropout=0``, ``norm="group"``, a batch that holds a whole toy data set,
``fs``, small sizes and few epochs: with these everything a network computes is exact. Nothing else may be set.
"""

from sklearn_ecg import CNNLSTMAttention

EXACT = {"precision": "float64", "dropout": 0, "norm": "group", "batch_size": 256, "random_state": 0, "device": "cpu"}

CLASSIFIERS = {
    "CNNLSTMAttention": CNNLSTMAttention(
        channels=(8,), kernel_size=3, lstm_size=4, attention_size=4, side_size=4, max_epochs=20, lr=0.03, **EXACT
    ),
}
TRANSFORMERS = {}
INSTANCES = {**CLASSIFIERS, **TRANSFORMERS}
"""Name of the instance → instance. The part of a name before a dash is its class."""
