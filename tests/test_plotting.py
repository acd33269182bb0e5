import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ecg import ECGScaler
from sklearn_ecg.plotting import (
    AttentionDisplay,
    BeatClassDisplay,
    HistoryDisplay,
    IntervalAgreementDisplay,
    SaliencyDisplay,
)
from sklearn_ecg.signals._validation import RowLayout, flatten_leads

FS = 100


@pytest.fixture(autouse=True)
def draw_off_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


class Halve(TransformerMixin, BaseEstimator):
    """A step that changes the number of samples, as a resampler would."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X[:, ::2]


class Attentive(ClassifierMixin, BaseEstimator):
    """All attention goes to the largest sample."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.history_ = [
            {"epoch": epoch, "train_loss": 1 / epoch, "valid_loss": 1.2 / epoch, "valid_score": 1 - 0.5 / epoch}
            for epoch in range(1, 6)
        ]
        return self

    def attention(self, X):
        return np.equal(X, X.max(axis=1, keepdims=True)).astype(float)


def make_beats(n=12, n_timepoints=60, seed=0):
    rng = np.random.default_rng(seed)
    X = 0.05 * rng.normal(size=(n, n_timepoints))
    X[:, 20] += 1.0
    return X, np.array(list("VNS"))[np.arange(n) % 3]


def test_beats_are_sorted_into_panels():
    X, y = make_beats()
    display = BeatClassDisplay.from_beats(X, y, fs=FS, r_sample=20)
    assert [ax.get_title() for ax in display.ax_] == ["N (4 beats)", "S (4 beats)", "V (4 beats)"]
    np.testing.assert_allclose(display.time[[0, 20, 59]], [-200, 0, 390])
    np.testing.assert_array_equal(display.beats["S"], X[y == "S"])
    for ax, name in zip(display.ax_, "NSV", strict=True):
        np.testing.assert_allclose(ax.lines[-1].get_ydata(), X[y == name].mean(axis=0))
    assert display.ax_[0].get_ylabel() == "amplitude (mV)"
    assert display.ax_[0].get_xlabel() == "time (ms)"
    assert len({ax.get_ylim() for ax in display.ax_}) == 1
    display.figure_.canvas.draw()


def test_lead_and_side_features_are_read_as_told():
    X, y = make_beats(n_timepoints=30)
    X3 = np.stack([X, X + 1, X + 2], axis=1)
    rows = np.hstack([X3.reshape(len(X), -1), np.full((len(X), 2), 99.0)])
    of_rows = BeatClassDisplay.from_beats(rows, y, fs=FS, n_leads=3, n_side_features=2, lead=1)
    of_records = BeatClassDisplay.from_beats(X3, y, fs=FS, lead=1)
    np.testing.assert_array_equal(of_rows.beats["N"], (X + 1)[y == "N"])
    np.testing.assert_array_equal(of_rows.beats["N"], of_records.beats["N"])


def test_at_most_max_beats_are_drawn():
    X, y = make_beats(n=300)
    display = BeatClassDisplay.from_beats(X, y, fs=FS, max_beats=7)
    assert [len(ax.lines) for ax in display.ax_] == [8, 8, 8]


def test_classes_of_other_kinds_units_and_no_grid():
    X, y = make_beats()
    display = BeatClassDisplay.from_beats(1000 * X, np.where(y == "N", 1, 0), fs=FS, unit="ADC", paper_grid=False)
    assert list(display.beats) == [0, 1]
    assert display.ax_[0].get_ylabel() == "amplitude (ADC)"
    display.plot(paper_grid=True).figure_.canvas.draw()


def test_given_axes_are_used():
    X, y = make_beats()
    figure, axes = plt.subplots(1, 3)
    display = BeatClassDisplay.from_beats(X, y, fs=FS, ax=axes)
    assert display.figure_ is figure
    assert all(ours is given for ours, given in zip(display.ax_, axes, strict=True))
    with pytest.raises(ValueError, match="ax must be one Axes or 3 of them, got 2"):
        display.plot(axes[:2])


def test_one_given_axes_is_divided():
    X, y = make_beats()
    figure, axes = plt.subplots(1, 2)
    display = BeatClassDisplay.from_beats(X, y, fs=FS, ax=axes[1])
    assert display.figure_ is figure
    assert not axes[1].axison
    left = axes[1].get_position().x0
    assert all(ax.get_position().x0 >= left - 1e-9 for ax in display.ax_)
    with pytest.raises(ValueError, match="no grid that can be divided"):
        display.plot(figure.add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"y": ["N"]}, ValueError, "y must be one-dimensional with 12 classes"),
        ({"X": np.zeros(3)}, ValueError, r"2-D rows .* or 3-D .* got 1-D of shape \(3,\)"),
        ({"n_leads": 7}, ValueError, "positive multiple of n_leads"),
        ({"lead": 1}, ValueError, "lead must be in 0 … 0"),
        ({"fs": 0}, ValueError, "fs must be positive"),
        ({"fs": "fast"}, TypeError, "fs must be a number"),
    ],
)
def test_bad_beats(changed, error, message):
    X, y = make_beats()
    arguments = {"X": X, "y": y, "fs": FS, **changed}
    with pytest.raises(error, match=message):
        BeatClassDisplay.from_beats(arguments.pop("X"), arguments.pop("y"), **arguments)


def test_attention_shades_the_beat():
    X, y = make_beats(n=3)
    classifier = Attentive().fit(X, y)
    display = AttentionDisplay.from_estimator(classifier, X, fs=FS, r_sample=20, titles=list(y))
    assert [ax.get_title() for ax in display.ax_] == list(y)
    for ax, beat in zip(display.ax_, X, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), beat)
        (shading,) = ax.collections
        weights = np.asarray(shading.get_array()).ravel()
        assert weights.argmax() == 20
        assert weights.mean() == pytest.approx(1)
    assert display.colorbar_.vmin == 0
    display.figure_.canvas.draw()


def test_attention_through_a_pipeline_spans_the_beat_as_given():
    X, y = make_beats(n=3)
    pipeline = make_pipeline(Halve(), Attentive()).fit(X, y)
    display = AttentionDisplay.from_estimator(pipeline, X, fs=FS)
    assert display.attention.shape == (3, 30)
    edges = display.ax_[0].collections[0].get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges[[0, -1]], display.time[[0, -1]] + [-5, 5])
    assert edges[10] < 200 < edges[11]  # the peak, sample 20 of the beat and 10 of what the classifier saw
    alone = AttentionDisplay.from_estimator(make_pipeline(Attentive()).fit(X, y), X, fs=FS)
    np.testing.assert_array_equal(alone.attention, Attentive().attention(X))


def test_attention_reads_the_layout_from_the_estimator():
    """Leads and RR features are never drawn as one wave."""
    X, y = make_beats(n=3, n_timepoints=30)
    rows = flatten_leads(np.stack([X, X + 1], axis=1), np.full((3, 4), 99.0))
    classifier = Attentive().fit(rows, y)
    classifier.layout_ = RowLayout(2, 30, 4)
    scaler = ECGScaler(n_leads=2, n_side_features=4)
    for estimator in (
        classifier,
        make_pipeline(scaler, Attentive()).fit(rows, y),
        make_pipeline(StandardScaler(), classifier).fit(rows, y),
        make_pipeline(scaler, Halve(), Attentive()).fit(rows, y),
    ):
        for told in ({}, {"n_leads": 2}, {"n_side_features": 4}, {"n_leads": 2, "n_side_features": 4}):
            display = AttentionDisplay.from_estimator(estimator, rows, fs=FS, lead=1, **told)
            np.testing.assert_array_equal(display.beats, X + 1)
            plt.close("all")
    strange = make_pipeline(FunctionTransformer(lambda rows: rows[:, :64]), classifier)
    with pytest.raises(ValueError, match="X has 70 columns, which no step was fitted on: give n_leads"):
        AttentionDisplay.from_estimator(strange, np.zeros((3, 70)), fs=FS)
    given = AttentionDisplay.from_estimator(strange, np.zeros((3, 70)), fs=FS, n_leads=7, n_side_features=0)
    assert given.beats.shape == (3, 10)


def test_beats_of_one_sample_are_drawn():
    X, y = make_beats(n=3, n_timepoints=21)
    X = X[:, 20:]
    attention = AttentionDisplay.from_estimator(Attentive().fit(X, y), X, fs=FS)
    beats = BeatClassDisplay.from_beats(X, y, fs=FS)
    for display in (attention, beats):
        assert display.ax_[0].get_xlim() == (-0.5, 0.5)
        assert display.ax_[0].lines[0].get_marker() == "o"
        display.figure_.canvas.draw()


def test_attention_asks_for_an_attentive_estimator():
    X, y = make_beats(n=3)
    with pytest.raises(TypeError, match="Halve has no method attention"):
        AttentionDisplay.from_estimator(Halve().fit(X), X, fs=FS)
    with pytest.raises(ValueError, match="titles must have 3 entries"):
        AttentionDisplay.from_estimator(Attentive().fit(X, y), X, fs=FS, titles=["N"])


def test_relevance_colours_the_trace():
    X, y = make_beats(n=3)
    for relevance, low in ((np.maximum(X, 0), 0), (X, -1)):
        display = SaliencyDisplay.from_relevance(X, relevance, fs=FS, r_sample=20, titles=list(y))
        assert [ax.get_title() for ax in display.ax_] == list(y)
        for ax in display.ax_:
            (trace,) = ax.collections
            assert trace.get_array().argmax() == 20
            np.testing.assert_allclose(trace.get_segments()[20][1], [0, X[list(display.ax_).index(ax), 20]])
            assert trace.get_clim() == (low, 1)
        display.figure_.canvas.draw()
    cube = SaliencyDisplay.from_relevance(np.stack([X, -X], 1), np.stack([X, 2 * X], 1), fs=FS, lead=1)
    np.testing.assert_array_equal(cube.relevance, 2 * X)
    for wrong, message in ((X[:, 1:], "relevance must have shape"), (X * np.nan, "relevance must be finite")):
        with pytest.raises(ValueError, match=message):
            SaliencyDisplay.from_relevance(X, wrong, fs=FS)


def test_history_draws_what_there_is():
    classifier = Attentive().fit(*make_beats())
    display = HistoryDisplay.from_estimator(make_pipeline(Halve(), classifier), score_name="macro-F1")
    assert [line.get_label() for line in display.ax_.lines] == ["training loss", "validation loss"]
    np.testing.assert_allclose(display.ax_.lines[0].get_ydata(), [1 / epoch for epoch in range(1, 6)])
    assert display.score_ax_.get_ylabel() == "macro-F1"
    display.figure_.canvas.draw()


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_history_without_validation(n_epochs):
    _, ax = plt.subplots()
    history = [{"epoch": epoch + 1, "train_loss": 0.5, "lr": 1e-3} for epoch in range(n_epochs)]
    display = HistoryDisplay(history).plot(ax)
    assert display.ax_ is ax
    assert display.score_ax_ is None
    assert len(ax.lines) == 1


def test_history_asks_for_a_fitted_estimator():
    with pytest.raises(TypeError, match="Attentive has no history_"):
        HistoryDisplay.from_estimator(Attentive())


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install sklearn_ecg\[plot\]"):
        BeatClassDisplay.from_beats(*make_beats(), fs=FS)


@pytest.mark.parametrize("share", [False, True])
def test_limits_of_agreement_are_beside_the_frame(share):
    rng = np.random.default_rng(0)
    true = np.column_stack([rng.uniform(50, 90, 20), rng.uniform(120, 200, 20)])
    _, ax = plt.subplots(layout="constrained")
    display = IntervalAgreementDisplay.from_predictions(
        true, true + rng.normal(size=true.shape), targets=["heart_rate", "pr"], ax=ax if share else None
    )
    display.figure_.canvas.draw()
    for panel, agreement in zip(display.ax_, display.agreements.values(), strict=True):
        frame = panel.get_window_extent()
        texts = {text.get_text(): text.get_window_extent() for text in panel.texts}
        assert set(texts) == {f"{value:.1f}" for value in (agreement.bias, agreement.low, agreement.high)}
        assert all(box.x0 > frame.x1 for box in texts.values())
        others = [other.get_tightbbox() for other in display.ax_ if other is not panel]
        assert not any(box.overlaps(other) for box in texts.values() for other in others)
