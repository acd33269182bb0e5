"""Figures, after scikit-learn's Display convention: computed by ``from_…``, drawn by ``plot``.

matplotlib is imported when something is drawn: ``pip install sklearn_ecg[plot]``. Confusion matrices are
:class:`sklearn.metrics.ConfusionMatrixDisplay`'s.
"""

from ._agreement import IntervalAgreementDisplay
from ._beats import BeatClassDisplay
from ._history import HistoryDisplay
from ._relevance import AttentionDisplay, SaliencyDisplay

__all__ = ["AttentionDisplay", "BeatClassDisplay", "HistoryDisplay", "IntervalAgreementDisplay", "SaliencyDisplay"]
