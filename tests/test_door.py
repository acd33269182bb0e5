"""What comes in the wrong shape: every estimator and function says what it saw and what it wants."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_ecg import CNNClassifier
from sklearn_ecg.adaptation import spread_labels
from sklearn_ecg.datasets import ECGRecord, make_ecg
from sklearn_ecg.interpolation import count_waves, path_report, wave_drift
from sklearn_ecg.metrics import memorisation
from sklearn_ecg.plotting import AttentionDisplay, BeatClassDisplay
from sklearn_ecg.preprocessing import extract_beats, flatten_leads, unflatten_leads
from sklearn_ecg.signals._validation import check_record
from tests.instances import BEAT_SEQUENCES, INSTANCES, META

RNG = np.random.default_rng(0)
ROWS_ARE_BEATS = {*BEAT_SEQUENCES, "ECGScaler-beat"}
PLAIN_ROWS = {"TopKVotingClassifier"}  # any features, those of leads too
WRONG = {
    "time last": (RNG.normal(size=(20, 300, 12)), r"\(300, 12\), where \(n_leads, n_timepoints\) is wanted .* Swap"),
    "one signal": (
        RNG.normal(size=20),
        r"X must be 2-D rows .* or 3-D .* got 1-D of shape \(20,\)\. Reshape your",
    ),
    "4-D": (RNG.normal(size=(20, 2, 3, 16)), r"X must be 2-D rows .* or 3-D .* got 4-D of shape \(20, 2, 3, 16\)"),
    "ragged": (
        [[1.0] * (8 + i % 2) for i in range(20)],
        r"X is a list of 20 parts .* shapes \(8,\), \(9,\): cut or",
    ),
    "ragged objects": (
        np.array([np.zeros(8 + i % 2) for i in range(20)], dtype=object),
        r"X is a list of 20 parts of different shapes \(8,\), \(9,\)",
    ),
    "columns of leads": (
        pd.DataFrame(RNG.normal(size=(20, 4)), columns=["time", "I", "mlii", "V1"]),
        r"X has a column for each lead \(I, mlii, V1\), but a row must be a whole signal",
    ),
    "records": ([make_ecg(1, fs=100, random_state=0)] * 20, "X must be .* got ECGRecord: give its signal"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", INSTANCES)
def test_every_estimator_says_what_it_wants(name, kind):
    X, message = WRONG[kind]
    if (kind == "time last" and name in ROWS_ARE_BEATS) or (kind == "columns of leads" and name in PLAIN_ROWS):
        return
    estimator = clone(INSTANCES[name])
    with pytest.raises(ValueError, match=message) as caught:
        getattr(estimator, "fit_resample", estimator.fit)(X, np.repeat([0, 1], 10))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", ["one signal", "4-D", "ragged", "records"])
@pytest.mark.parametrize("name", ["CNNClassifier", "ECGSLClassifier", "ECGFilter", "ECGScaler-beat", *META])
def test_and_says_it_after_fit(name, kind):
    X, y = RNG.normal(size=(20, 8)), np.repeat([0, 1], 10)
    estimator = clone(INSTANCES[name])
    if "max_epochs" in estimator.get_params():
        estimator.set_params(max_epochs=1)
    fitted = estimator.fit(X, y)
    with pytest.raises(ValueError, match=WRONG[kind][1]):
        getattr(fitted, "predict", getattr(fitted, "transform", None))(WRONG[kind][0])


@pytest.mark.parametrize("shape", [(12, 7), (12, 1), (2, 1), (13, 13), (12, 5000)])
def test_short_records_of_a_few_leads_are_fine(shape):
    X, y = RNG.normal(size=(4, *shape)), [0, 0, 1, 1]
    classifier = CNNClassifier(channels=(2,), max_epochs=1, random_state=0)
    assert classifier.fit(X, y).layout_.n_leads == shape[0]
    assert check_record(X[0]).shape == shape


def test_many_leads_may_be_confirmed():
    X, y = RNG.normal(size=(4, 32, 8)), [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"\(32, 8\).* or confirm n_leads=32"):
        CNNClassifier().fit(X, y)
    fitted = CNNClassifier(n_leads=32, channels=(2,), max_epochs=1, random_state=0).fit(X, y)
    assert fitted.layout_.n_leads == 32


def test_forgotten_side_features_are_told_by_column_names():
    names = [*(f"II_{i:04d}" for i in range(8)), "rr_previous", "rr_next"]
    frame = pd.DataFrame(RNG.normal(size=(4, 10)), columns=names)
    with pytest.raises(ValueError, match=r"8 samples and 2 side feature\(s\), but X is read with .*n_side_features=0"):
        CNNClassifier().fit(frame, [0, 0, 1, 1])


TIME_LAST = RNG.normal(size=(5000, 2))
WAYS_IN = {
    "extract_beats": lambda: extract_beats(TIME_LAST, [500], fs=360),
    "extract_beats, several": lambda: extract_beats([TIME_LAST.T, TIME_LAST], [[500], [500]], fs=360),
    "flatten_leads": lambda: flatten_leads(TIME_LAST[None]),
    "count_waves": lambda: count_waves(TIME_LAST, fs=360),
    "path_report": lambda: path_report(TIME_LAST, fs=360),
    "wave_drift": lambda: wave_drift(TIME_LAST, fs=360),
    "spread_labels": lambda: spread_labels(np.full((3, 2), 0.5), np.stack([TIME_LAST] * 3)),
    "BeatClassDisplay": lambda: BeatClassDisplay.from_beats(TIME_LAST[None], ["N"], fs=360),
    "check_record": lambda: check_record(TIME_LAST),
}


@pytest.mark.parametrize("name", WAYS_IN)
def test_functions_refuse_time_before_leads(name):
    with pytest.raises(ValueError, match=r"\(.*5000, 2\), where \(n_\w+, n_timepoints\) is wanted last: 5000 would be"):
        WAYS_IN[name]()


def test_a_record_says_that_its_axes_are_swapped():
    with pytest.raises(ValueError, match=r"names \['I', 'II'\], got \(5000, 2\), the axes swapped: give signal.T"):
        ECGRecord(name="r", signal=TIME_LAST, fs=360, lead_names=["I", "II"])
    with pytest.raises(ValueError, match=r"names \['I'\], got \(5000, 2\)\."):
        ECGRecord(name="r", signal=TIME_LAST, fs=360, lead_names=["I"])


@pytest.mark.parametrize(
    "call",
    [
        lambda X: extract_beats([X], [[1]], fs=360),
        flatten_leads,
        unflatten_leads,
        check_record,
        lambda X: count_waves(X, fs=360),
        lambda X: memorisation(X, X, X),
        lambda X: BeatClassDisplay.from_beats(X, ["N"], fs=360),
        lambda X: AttentionDisplay.from_estimator(None, X, fs=360),
        lambda X: spread_labels(np.full((2, 2), 0.5), X),
    ],
)
def test_ragged_lists_are_told_by_their_lengths(call):
    with pytest.raises(ValueError, match=r"(X|signal|train|Record 0) is a list of 2 parts .* \(3,\), \(2,\): cut"):
        call([[1.0, 2.0, 3.0], [1.0, 2.0]])


def test_a_record_is_taken_where_a_signal_is():
    record = make_ecg(10, fs=250, leads=["II", "V1"], random_state=0)
    np.testing.assert_array_equal(check_record(record), record.signal)
    np.testing.assert_array_equal(check_record(record, fs=250), record.signal)
    for call in (check_record, count_waves):
        with pytest.raises(ValueError, match=re.escape("signal is a record of 250 Hz (")):
            call(record, fs=360)
    assert [waves.n_qrs for waves in count_waves(record, fs=250)] == [
        waves.n_qrs for waves in count_waves(record.signal, fs=250)
    ]
    beats = extract_beats(record, record.peaks, fs=250, leads="V1")
    same = extract_beats(record.signal, record.peaks, fs=250, leads="V1", lead_names=record.lead_names)
    np.testing.assert_array_equal(beats.data, same.data)
    assert list(beats.feature_names) == list(same.feature_names)
    both = extract_beats([record, record], [record.peaks] * 2, fs=250)
    assert both.n_leads == 2 and len(both.data) == 2 * len(record.peaks)
    with pytest.raises(ValueError, match=r"Record 1 is a record of 250 Hz .* contradicts fs=360"):
        extract_beats([record.signal, record], [record.peaks] * 2, fs=360)


def test_what_a_raw_record_may_be():
    assert check_record([1, 2, 3]).dtype == np.float64
    assert check_record(np.zeros((2, 5), dtype=np.float32)).dtype == np.float32
    assert check_record(np.zeros(0)).shape == (1, 0)
    for wrong in (np.zeros((2, 3, 4)), np.zeros((0, 5)), 3.0, [make_ecg(1, random_state=0)]):
        with pytest.raises(ValueError, match=r"signal must have shape \(n_timepoints,\) or .* or be one ECGRecord"):
            check_record(wrong)
