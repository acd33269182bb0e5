"""What a type checker sees of the public surface: checked by mypy in ``make lint``, never run."""

import numpy as np

from sklearn_ecg.base import NeuralClassifier, TorchClassifier, parameter
from sklearn_ecg.classifiers import CNNClassifier
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import ECGFilter, detect_r_peaks

X = np.zeros((4, 100))
record = make_ecg(10, fs=250, random_state=0)
peaks: np.ndarray = detect_r_peaks(record, fs=250)
classifier: CNNClassifier = CNNClassifier(channels=(8, 16), lr=0.01, device="cpu").fit(X, [0, 1, 0, 1])
probabilities: np.ndarray = classifier.predict_proba(X)

CNNClassifier(channels=8)  # type: ignore[arg-type]
ECGFilter()  # type: ignore[call-arg]
detect_r_peaks(X[0])  # type: ignore[call-arg]


class Mine(NeuralClassifier):
    """A method of one's own has a typed constructor, too."""

    width: int = parameter("Hidden units.", default=8)


Mine(width=4, max_epochs=2)
Mine(width="wide")  # type: ignore[arg-type]
TorchClassifier(dict, max_epochs=2)
