"""Records made of beats: their shapes and names at the door, beats that are not there, broken ones."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sklearn_ecg import AdaptedClassifier, BeatSegmenter, ECGScaler
from sklearn_ecg.augmentation import BeatAugmentation
from sklearn_ecg.datasets import make_ecg
from sklearn_ecg.preprocessing import flatten_leads
from sklearn_ecg.signals._beat_records import validate_beats
from tests.instances import BEAT_SEQUENCES, INSTANCES, QUICK

N_LEADS, N_TIMEPOINTS, N_SIDE = 2, 8, 1
N_COLUMNS = N_LEADS * N_TIMEPOINTS + N_SIDE


@pytest.fixture(params=BEAT_SEQUENCES)
def any_clf(request):
    return clone(BEAT_SEQUENCES[request.param]).set_params(**QUICK, n_leads=N_LEADS, n_side_features=N_SIDE)


@pytest.fixture
def clf():
    sizes = {"n_leads": N_LEADS, "n_side_features": N_SIDE}
    return clone(BEAT_SEQUENCES["ECGSLClassifier"]).set_params(**QUICK, **sizes)


@pytest.fixture
def records():
    """Thirty records of one to five beats; the class shows in the mean of the signal."""
    rng = np.random.default_rng(0)
    y = np.tile(["N", "V", "V"], 10)
    X = rng.normal(size=(30, 5, N_COLUMNS)) + (y == "V")[:, None, None]
    X[np.arange(5) >= rng.integers(1, 6, 30)[:, None]] = np.nan
    return X, y


def _padded(X, n_more, *, scattered=True):
    """The same beats in the same order among ``n_more`` rows of NaN."""
    rng = np.random.default_rng(1)
    padded = np.full((len(X), X.shape[1] + n_more, X.shape[2]), np.nan)
    for record, beats in zip(padded, X, strict=True):
        beats = beats[~np.isnan(beats[:, 0])]
        places = np.sort(rng.choice(len(record), len(beats), replace=False)) if scattered else np.arange(len(beats))
        record[places] = beats
    return padded


def _flat(X):
    return X.reshape(len(X), -1)


@pytest.fixture(scope="module")
def raw():
    """Six strips of two leads, and the segmenter that cuts them."""
    rates = np.linspace(50, 100, 6)
    strips = [make_ecg(5, fs=100, heart_rate=rate, leads=("II", "V1"), random_state=0).signal for rate in rates]
    segmenter = BeatSegmenter(
        fs=100, window=(0.2, 0.3), n_timepoints=20, n_leads=2, side_features=("log_rr", "amplitude")
    )
    return flatten_leads(np.stack(strips)), np.array(["slow"] * 3 + ["fast"] * 3), segmenter


def test_cube_rows_frame_and_pipeline_give_one_result(clf, raw):
    X, y, segmenter = raw
    clf.set_params(n_side_features=2)
    beats = segmenter.fit_transform(X)
    n_beats = beats.shape[1]
    assert np.isnan(beats).any()
    assert beats.shape[2] == 2 * 20 + 2
    cube = clone(clf).fit(beats, y)
    expected = cube.predict_proba(beats)
    rows = clone(clf).set_params(n_beats=n_beats).fit(_flat(beats), y)
    assert cube.layout_ == rows.layout_
    assert cube.n_features_in_ == rows.n_features_in_ == n_beats * 42
    for fitted, given in ((cube, _flat(beats)), (rows, beats), (rows, _flat(beats)), (rows, beats.tolist())):
        np.testing.assert_array_equal(fitted.predict_proba(given), expected)
    pipeline = make_pipeline(clone(segmenter), clone(clf)).fit(X, y)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected)
    pipeline = make_pipeline(clone(segmenter), clone(clf).set_params(n_beats=n_beats))
    pipeline.set_output(transform="pandas").fit(X, y)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected)
    assert list(pipeline[-1].feature_names_in_) == list(pipeline[0].get_feature_names_out())


def test_memory_mapped_records_are_not_copied(clf, records, tmp_path):
    X, y = records
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    rows, _ = validate_beats(clone(clf), mapped, reset=True)
    assert np.shares_memory(rows, mapped)
    fitted = clone(clf).fit(mapped, y, X_unlabeled=mapped)
    np.testing.assert_array_equal(fitted.predict_proba(mapped), clf.fit(X, y, X_unlabeled=X).predict_proba(X))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"n_beats": 3}, "X is 3-D with 5 beats, which contradicts n_beats=3"),
        ({"n_beats": 0}, "n_beats"),
        ({"n_leads": 3}, r"Rows of 17 columns cannot be read with n_leads=3"),
        ({"n_side_features": 17}, r"Rows of 17 columns cannot be read .*n_side_features=17"),
    ],
)
def test_contradictions_of_shape_are_errors(clf, records, settings, message):
    with pytest.raises(ValueError, match=message):
        clf.set_params(**settings).fit(*records)


def test_rows_that_do_not_divide_into_beats_are_an_error(clf, records):
    X, y = records
    with pytest.raises(ValueError, match="Rows of 85 columns cannot be divided into n_beats=4 beats"):
        clf.set_params(n_beats=4).fit(_flat(X), y)


def test_beats_of_another_width_are_refused_after_fit(clf, records):
    X, y = records
    fitted = clf.fit(X, y)
    with pytest.raises(ValueError, match=r"X has beats of 16 columns \(5 of them\).* beats of 17 columns"):
        fitted.predict(X[:, :, :-1])
    with pytest.raises(ValueError, match=r"X has beats of 16 columns \(3 of them\).* beats of 17 columns"):
        fitted.predict(X[:, :3, :-1])
    with pytest.raises(ValueError, match=r"X has 84 features, but .* is expecting 85 features"):
        fitted.predict(_flat(X)[:, :-1])
    with pytest.raises(ValueError, match=r"beats of 17 columns \(0 of them\)"):
        fitted.predict(X[:, :0])


def test_column_names_must_agree(clf, raw):
    X, y, segmenter = raw
    frame = clone(segmenter).set_output(transform="pandas").fit_transform(X)
    n_beats = frame.shape[1] // 42
    clf.set_params(n_side_features=2, n_beats=n_beats)
    with pytest.raises(ValueError, match=rf"The column names tell {n_beats} beat\(s\).*n_beats={n_beats + 1}"):
        clone(clf).set_params(n_beats=n_beats + 1).fit(frame, y)
    with pytest.raises(ValueError, match=r"tell 2 lead\(s\) .* of 20 samples and 2 side feature\(s\).*n_leads=1"):
        clone(clf).set_params(n_leads=1).fit(frame, y)
    other = pd.DataFrame(frame.to_numpy(), columns=[f"x{i}" for i in range(frame.shape[1])])
    assert clone(clf).fit(other, y).score(other, y) >= 0.5  # names that tell nothing contradict nothing
    one = frame[[name for name in frame.columns if name.endswith("beat000")]]
    one.columns = [name.removesuffix("_beat000") for name in one.columns]
    with pytest.raises(ValueError, match=r"tell 2 lead\(s\)"):
        clone(clf).set_params(n_beats=1, n_leads=1).fit(one, y)


class _Frame:
    """A data frame of another package: names of its columns, and values."""

    def __init__(self, frame):
        self.columns, self.shape, self._frame = list(frame.columns), frame.shape, frame

    def __len__(self):
        return len(self._frame)

    def __array__(self, dtype=None, copy=None):
        return self._frame.to_numpy(dtype=dtype)

    def __dataframe__(self, **kwargs):
        return self._frame.__dataframe__(**kwargs)


@pytest.mark.parametrize("as_frame", [pd.DataFrame, _Frame])
def test_column_names_tell_the_number_of_beats(any_clf, raw, as_frame):
    X, y, segmenter = raw
    any_clf.set_params(n_side_features=2)
    frame = as_frame(clone(segmenter).set_output(transform="pandas").fit_transform(X))
    n_beats = frame.shape[1] // 42
    told = clone(any_clf).fit(frame, y)
    assert told.layout_.n_beats == n_beats > 1
    given = clone(any_clf).set_params(n_beats=n_beats).fit(np.asarray(frame), y)
    np.testing.assert_array_equal(told.predict_proba(frame), given.predict_proba(np.asarray(frame)))


def test_column_names_tell_beats_through_a_pipeline_and_a_scaler(any_clf, raw):
    X, y, segmenter = raw
    any_clf.set_params(n_side_features=2)
    scaler = ECGScaler(by="beat", n_leads=N_LEADS, n_side_features=2)
    expected = make_pipeline(clone(segmenter), clone(scaler), clone(any_clf)).fit(X, y).predict_proba(X)
    with config_context(transform_output="pandas"):
        framed = make_pipeline(clone(segmenter), scaler, any_clf).fit(X, y)
        np.testing.assert_array_equal(framed.predict_proba(X), expected)
        assert framed[1].n_beats_ == framed[2].layout_.n_beats == framed[0].n_beats_
        frame = framed[0].transform(X)
        with pytest.raises(ValueError, match=r"tell \d+ beat\(s\), but X is read with n_beats=2"):
            clone(scaler).set_params(n_beats=2).fit(frame)
        with pytest.raises(ValueError, match="column names must repeat those of beat"):
            clone(scaler).fit(frame[[frame.columns[-1], *frame.columns[1:-1], frame.columns[0]]])
        with pytest.raises(ValueError, match=r"tell 2 lead\(s\) .* of 20 samples and 2 side feature\(s\).*n_leads=1"):
            clone(scaler).set_params(n_leads=1).fit(frame)


@pytest.mark.parametrize("name", ["CNNClassifier", "ECGFilter", "ECGScaler-lead", "IntervalRegressor-mlp"])
def test_several_beats_are_not_read_as_one_signal(name, raw):
    X, _, segmenter = raw
    frame = clone(segmenter).set_output(transform="pandas").fit_transform(X)
    with pytest.raises(ValueError, match=rf"tell {frame.shape[1] // 42} beats in a row, but .* read as one signal"):
        clone(INSTANCES[name]).fit(frame.fillna(0.0), np.arange(len(X)) % 2)


@pytest.mark.parametrize("shape", [(30, 1000), (30, 12, 1000), (30, 1000, 12)])
def test_whole_records_in_place_of_beats_are_told(shape):
    X = np.random.default_rng(0).normal(size=shape)
    classifier = clone(BEAT_SEQUENCES["ECGSLClassifier"])
    with pytest.warns(UserWarning, match=r"X is read as records of \d+ beat\(s\) of .*BeatSegmenter"):
        validate_beats(classifier, X, reset=True)
    validate_beats(classifier, X, reset=False)  # once is enough
    validate_beats(clone(classifier), X[..., :999] if shape[-1] == 1000 else X[:, :999], reset=True)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("n_more", [0, 1, 7])
def test_number_and_place_of_absent_beats_do_not_matter(any_clf, records, norm, n_more):
    X, y = records
    any_clf.set_params(norm=norm, dropout=0.2, batch_size=8, max_epochs=2)
    fitted = clone(any_clf).fit(X, y)
    expected = fitted.predict_proba(X)
    for padded in (_padded(X, n_more, scattered=False), _padded(X, n_more)):
        np.testing.assert_array_equal(fitted.predict_proba(padded), expected)
        np.testing.assert_array_equal(clone(any_clf).fit(padded, y).predict_proba(X), expected)
    front = np.concatenate([np.full((30, n_more, N_COLUMNS), np.nan), X], axis=1)
    np.testing.assert_array_equal(fitted.predict_proba(front), expected)


@pytest.mark.parametrize("stages", [("autoencoder", "masked"), ("contrastive",)], ids="-".join)
def test_absent_beats_do_not_matter_in_pretraining(clf, records, stages):
    X, y = records
    clf.set_params(norm="batch", dropout=0.2, batch_size=8, pretrain_stages=stages, max_epochs=1)
    clf.set_params(augment=BeatAugmentation(fs=20))
    padded = _padded(X, 7)
    expected = clone(clf).fit(X, y, X_unlabeled=X)
    fitted = clone(clf).fit(padded, y, X_unlabeled=padded)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_array_equal(fitted.transform(padded), expected.transform(X))


def test_order_of_the_beats_matters(clf, records):
    X, y = records
    several = (~np.isnan(X[:, :, 0])).sum(axis=1) > 1
    fitted = clf.fit(X, y)
    changed = np.any(fitted.predict_proba(X) != fitted.predict_proba(X[:, ::-1]), axis=1)
    np.testing.assert_array_equal(changed, several)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_other_records_of_the_batch_do_not_matter(any_clf, records, norm):
    X, y = records
    fitted = any_clf.set_params(norm=norm).fit(X, y)
    alone = np.vstack([fitted.predict_proba(record[None]) for record in X])
    for size in (1, 4, 30):
        np.testing.assert_allclose(fitted.set_params(batch_size=size).predict_proba(X), alone, rtol=1e-12)
        embeddings = fitted.transform(X)
        np.testing.assert_allclose(embeddings[::-1], fitted.transform(X[::-1]), rtol=1e-12, atol=1e-14)


def test_record_without_beats_gets_the_class_prior(any_clf, records):
    X, y = records
    weight = np.where(y == "N", 4.0, 1.0)
    fitted = any_clf.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(fitted.class_prior_, [40 / 60, 20 / 60])
    none = np.where(np.arange(30)[:, None, None] % 3, X, np.nan)
    proba = fitted.predict_proba(none)
    np.testing.assert_allclose(proba[::3], np.tile(fitted.class_prior_, (10, 1)), rtol=1e-12)
    np.testing.assert_allclose(proba[1::3], fitted.predict_proba(X)[1::3], rtol=1e-12)
    assert (fitted.predict(none)[::3] == "N").all()
    assert np.isnan(fitted.transform(none)[::3]).all()
    assert np.isfinite(fitted.transform(none)[1::3]).all()
    all_none = np.full_like(X, np.nan)
    np.testing.assert_allclose(fitted.predict_proba(all_none)[0], fitted.class_prior_, rtol=1e-12)
    if hasattr(fitted, "beat_attention"):
        assert (fitted.beat_attention(none)[::3] == 0).all()
        assert (fitted.beat_attention(all_none) == 0).all()


def test_records_without_beats_train_nothing(any_clf, records):
    X, y = records
    any_clf.set_params(batch_size=8, dropout=0.2, early_stopping=True)
    groups = np.arange(30) // 3
    unlabeled = X * 0.9
    expected = clone(any_clf).fit(X, y, groups=groups, X_unlabeled=unlabeled)
    none = np.full((5, 5, N_COLUMNS), np.nan)
    fitted = clone(any_clf).fit(
        np.concatenate([X, none]),
        [*y, "N", "N", "V", "V", "V"],
        groups=[*groups, *range(95, 100)],
        X_unlabeled=np.concatenate([unlabeled, none]),
    )
    np.testing.assert_array_equal(fitted.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_allclose(fitted.class_prior_, [12 / 35, 23 / 35])


def test_records_without_any_beat_at_all_are_an_error(clf, records):
    X, y = records
    nothing = np.full_like(X, np.nan)
    with pytest.raises(ValueError, match="There is no beat in any record with a positive weight"):
        clone(clf).fit(nothing, y)
    with pytest.raises(ValueError, match="There is no beat in any record to pre-train on"):
        clone(clf).pretrain(nothing)
    with pytest.raises(ValueError, match="There is no beat in any record to pre-train on"):
        clf.fit(X, y, X_unlabeled=nothing)


@pytest.mark.parametrize("value, name", [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("column", [0, 9, N_COLUMNS - 1])
def test_broken_beats_are_named(clf, records, value, name, column):
    X, y = records
    pretrained = FrozenEstimator(clone(clf).fit(X, y))
    bad = X.copy()
    record = np.flatnonzero(~np.isnan(X[:, 3, 0]))[2]
    bad[record, 3, column] = value
    message = f"X contains {name} in beat 3 of record {record}"
    for call in (
        lambda: clone(clf).fit(bad, y),
        lambda: clone(clf).fit(X, y, X_unlabeled=bad),
        lambda: clone(clf).pretrain(bad),
        lambda: pretrained.predict(bad),
        lambda: pretrained.predict(bad[:, :4]),
        lambda: pretrained.estimator.transform(bad),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_adapted_classifier_takes_records_of_beats(clf, records):
    X, y = records
    base = FrozenEstimator(clf.fit(X, y))
    adapted = AdaptedClassifier(base, layers="head", max_epochs=3, batch_size=64, random_state=0)
    expected = clone(adapted).fit(X, y).predict_proba(X)
    flat = X.reshape(len(X), -1)
    np.testing.assert_array_equal(adapted.fit(flat, y).predict_proba(flat), expected)
    assert not np.array_equal(expected, base.predict_proba(X))
