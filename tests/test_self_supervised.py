"""ECGSLClassifier: pre-training in stages, what is kept of it, routing of unlabelled records, attention."""

import pickle
import signal

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_ecg import AdaptedClassifier, BeatSegmenter, ECGSLClassifier
from sklearn_ecg.explain import saliency
from sklearn_ecg.self_supervised._pretraining import load_part
from tests.instances import BEAT_SEQUENCES, QUICK, SEGMENTS

N_TIMEPOINTS = 16
STAGES = [("autoencoder",), ("masked",), ("contrastive",), ("autoencoder", "masked"), ("contrastive", "masked")]


@pytest.fixture
def clf():
    return clone(BEAT_SEQUENCES["ECGSLClassifier"]).set_params(**QUICK, pretrain_epochs=3, pretrain_lr=0.01)


@pytest.fixture
def records():
    """Forty records of two to five beats that resemble one another within a record; one beat of class 1 is wide."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 20)
    shapes = np.array([np.hanning(N_TIMEPOINTS), np.sin(np.linspace(0, 2 * np.pi, N_TIMEPOINTS))])
    X = (rng.normal(size=(40, 2)) @ shapes)[:, None] + 0.05 * rng.normal(size=(40, 5, N_TIMEPOINTS))
    X[np.arange(40), rng.integers(0, 2, 40)] += 3 * y[:, None]
    X[np.arange(5) >= rng.integers(2, 6, 40)[:, None]] = np.nan
    return X, y


@pytest.fixture
def unlabeled(records):
    return records[0][::-1][:30] * 0.9


def _same_weights(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("stages", STAGES, ids="-".join)
def test_every_stage_lowers_its_loss(clf, records, stages):
    X, y = records
    clf.set_params(pretrain_stages=stages, pretrain_epochs=20, batch_size=8).pretrain(X[y == 0])
    assert [row["stage"] for row in clf.history_] == [stage for stage in stages for _ in range(20)]
    for stage in stages:
        losses = [row["train_loss"] for row in clf.history_ if row["stage"] == stage]
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert list(clf.pretrained_["stages"]) == list(stages)
    assert any(name.startswith("decoder.") for name in clf.pretrained_) == (stages != ("contrastive",))


def test_stages_have_epochs_of_their_own(clf, records):
    X, y = records
    clf.set_params(pretrain_stages=("masked", "autoencoder"), pretrain_epochs=(2, 1))
    clf.fit(X, y, X_unlabeled=X)
    told = [(row["stage"], row["epoch"]) for row in clf.history_]
    assert told == [("masked", 1), ("masked", 2), ("autoencoder", 1), *(("classifier", i) for i in (1, 2, 3))]
    assert clf.n_iter_ == 3
    clf.set_params(warm_start=True).fit(X, y)
    assert [row["epoch"] for row in clf.history_ if row["stage"] == "classifier"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pretrain_stages": ("masked", "masked")}, "non-empty sequence of different stages"),
        ({"pretrain_stages": ()}, "non-empty sequence of different stages"),
        ({"pretrain_stages": "masked"}, "pretrain_stages"),
        ({"pretrain_stages": ("masqued",)}, "non-empty sequence of different stages"),
        ({"pretrain_epochs": (1,)}, "a positive integer, or one for each of 2 stages"),
        ({"pretrain_epochs": (1, 0)}, "a positive integer, or one for each of 2 stages"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"embedding_size": 15}, "embedding_size must be a multiple of n_heads=2"),
        ({"pretrained": {"weights": np.zeros(3)}}, "pretrained must be a dict of arrays"),
        ({"pretrained": FrozenEstimator(LogisticRegression())}, "FrozenEstimator of LogisticRegression without"),
    ],
)
def test_wrong_settings_are_clear_errors(clf, records, settings, message):
    clf.set_params(**settings)
    with pytest.raises(ValueError, match=message):
        clf.pretrain(records[0])
    with pytest.raises(ValueError, match=message):
        clf.fit(*records, X_unlabeled=records[0])


@pytest.mark.parametrize("stage", ["masked", "contrastive"])
def test_stages_that_compare_beats_want_two_of_them(clf, records, stage):
    X, _ = records
    clf.set_params(pretrain_stages=(stage,))
    with pytest.raises(ValueError, match=f"Stage '{stage}'.*two or more beats"):
        clf.pretrain(X[:, :1])
    alone = X.copy()
    alone[::2, 1:] = np.nan  # records of one beat tell these stages nothing, but count in the signals' variance
    without = clone(clf).pretrain(alone[1::2])
    np.testing.assert_allclose(clf.pretrain(alone).transform(X), without.transform(X), rtol=0, atol=1e-5)


def test_earlier_pretraining_counts_with_warm_start_only(clf, records, unlabeled):
    X, y = records
    cold = clone(clf).fit(X, y).predict_proba(X)
    pretrained = clone(clf).pretrain(unlabeled)
    weights = pretrained.pretrained_
    np.testing.assert_array_equal(pretrained.fit(X, y).predict_proba(X), cold)
    assert not hasattr(pretrained, "pretrained_")
    warm = clone(clf).set_params(warm_start=True).pretrain(unlabeled).fit(X, y)
    given = clone(clf).set_params(pretrained=weights).fit(X, y)
    _same_weights(warm.pretrained_, weights)
    np.testing.assert_array_equal(warm.predict_proba(X), given.predict_proba(X))
    assert not np.allclose(given.predict_proba(X), cold)
    assert [row["stage"] for row in warm.history_[::3]] == ["autoencoder", "masked", "classifier"]


def test_warm_start_goes_on_from_what_pretrain_made_of_pretrained(clf, records, unlabeled):
    X, y = records
    start = clone(clf).pretrain(unlabeled).pretrained_
    further = clone(clf).set_params(pretrained=start, warm_start=True).pretrain(X)
    weights = further.pretrained_
    assert any(not np.array_equal(weights[name], start[name]) for name in weights)
    _same_weights(further.fit(X, y).pretrained_, weights)


def test_warm_start_and_adaptation_keep_the_number_of_beats(clf, records):
    X, y = records
    fitted = clf.set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="X has 3 beats in a record, but ECGSLClassifier was fitted on 5"):
        fitted.fit(X[:, :3], y)
    adapted = AdaptedClassifier(FrozenEstimator(fitted), max_epochs=1)
    with pytest.raises(ValueError, match="must have records of 5 beats, as the base was fitted on, got 3"):
        adapted.fit(X[:, :3], y)
    with pytest.raises(ValueError, match="must have records of 5 beats, as the base was fitted on, got 3"):
        adapted.fit(X, y, X_source=X[:, :3], y_source=y)
    assert adapted.fit(X, y).predict_proba(X[:, :3]).shape == (40, 2)


def test_unlabeled_records_go_on_from_an_earlier_pretraining_with_warm_start(clf, records, unlabeled):
    X, y = records
    further = clone(clf).set_params(warm_start=True).pretrain(unlabeled)
    start = further.pretrained_
    further.fit(X, y, X_unlabeled=X)
    given = clone(clf).set_params(pretrained=start).fit(X, y, X_unlabeled=X)
    _same_weights(further.pretrained_, given.pretrained_)
    stages = [row["stage"] for row in further.history_[::3]]
    assert stages == ["autoencoder", "masked", "autoencoder", "masked", "classifier"]


def test_unlabeled_records_do_not_pretrain_a_fitted_network(clf, records, unlabeled):
    fitted = clf.set_params(warm_start=True).fit(*records)
    with pytest.raises(ValueError, match="X_unlabeled cannot pre-train any more"):
        fitted.fit(*records, X_unlabeled=unlabeled)


def _frozen_fit(clf, records, unlabeled):
    return FrozenEstimator(clone(clf).fit(*records, X_unlabeled=unlabeled))


HANDED_OVER = {
    "dict": lambda clf, records, unlabeled: clone(clf).pretrain(unlabeled).pretrained_,
    "FrozenEstimator": lambda clf, records, unlabeled: FrozenEstimator(clone(clf).pretrain(unlabeled)),
    "FrozenEstimator-fitted": _frozen_fit,
}


@pytest.mark.parametrize("how", HANDED_OVER)
def test_pretrained_weights_survive_clone_search_pickle_and_skops(clf, records, unlabeled, how):
    X, y = records
    clf.set_params(pretrained=HANDED_OVER[how](clf, records, unlabeled))
    fitted = clone(clf).fit(X, y)
    expected = fitted.predict_proba(X)
    assert not np.allclose(clone(clf).set_params(pretrained=None).fit(X, y).predict_proba(X), expected)
    np.testing.assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), expected)
    for loaded in (pickle.loads(pickle.dumps(fitted)), _through_skops(fitted)):
        np.testing.assert_array_equal(loaded.predict_proba(X), expected)
        np.testing.assert_array_equal(clone(loaded).fit(X, y).predict_proba(X), expected)
    search = GridSearchCV(clf, {"freeze_encoder": [True, False], "lr": [0.03]}, cv=2).fit(X, y)
    best = clone(clf).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))


def _through_skops(estimator):
    stored = skops.io.dumps(estimator)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("sklearn_ecg.") for name in unknown), unknown
    return skops.io.loads(stored, trusted=unknown)


def test_search_over_the_mask_passes_unlabeled_records_whole(clf, records, unlabeled):
    X, y = records
    search = GridSearchCV(clf, {"mask_ratio": [0.2, 0.6]}, cv=2).fit(X, y, X_unlabeled=unlabeled)
    best = clone(clf).set_params(**search.best_params_).fit(X, y, X_unlabeled=unlabeled)
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))


@pytest.mark.parametrize(
    "other", [{"embedding_size": 8}, {"channels": (8, 8)}, {"n_layers": 2}, {"norm": "batch"}, {"n_side_features": 2}]
)
def test_pretrained_weights_of_other_sizes_are_a_clear_error(clf, records, unlabeled, other):
    weights = clone(clf).pretrain(unlabeled).pretrained_
    with pytest.raises(ValueError, match=r"pretrained does not fit: segments\..* has shape"):
        clf.set_params(pretrained=weights, **other).fit(*records)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_frozen_encoder_stays_as_it_was_pretrained(clf, records, unlabeled, norm):
    X, y = records
    clf.set_params(norm=norm, dropout=0.3, batch_size=8, freeze_encoder=True)
    with pytest.raises(ValueError, match="freeze_encoder=True wants a pre-trained encoder"):
        clone(clf).fit(X, y)
    fitted = clf.fit(X, y, X_unlabeled=unlabeled)
    for name, value in fitted.module_.segments.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), fitted.pretrained_[f"segments.{name}"])
    assert all(weights.requires_grad for weights in fitted.module_.parameters())
    head = fitted.module_.head.state_dict()
    fitted.set_params(warm_start=True).fit(X, y)
    assert any(not np.array_equal(head[name], value) for name, value in fitted.module_.head.state_dict().items())
    np.testing.assert_array_equal(
        fitted.module_.segments.state_dict()["mask_token"].numpy(), fitted.pretrained_["segments.mask_token"]
    )


class _InterruptsAt:
    """Stands in for an augmentation; Ctrl-C comes while the batch of this number is made."""

    def __init__(self, batch):
        self.batch = batch

    def __call__(self, signals):
        self.batch -= 1
        if self.batch == 0:
            signal.raise_signal(signal.SIGINT)
        return signals


def test_interrupt_keeps_what_was_pretrained_and_is_raised_again(clf, records, interrupts):
    X, y = records
    clf.set_params(augment=_InterruptsAt(5), pretrain_epochs=3)  # the second epoch of the second stage
    with pytest.raises(KeyboardInterrupt):
        clf.pretrain(X)
    assert [(row["stage"], row["epoch"]) for row in clf.history_] == [
        *(("autoencoder", epoch) for epoch in (1, 2, 3)),
        ("masked", 1),
    ]
    so_far = clone(clf).set_params(augment=None, pretrain_epochs=(3, 1)).pretrain(X)
    np.testing.assert_array_equal(clf.transform(X), so_far.transform(X))
    with pytest.raises(NotFittedError):
        clf.predict(X)
    interrupted = clone(clf).set_params(augment=_InterruptsAt(2))
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, y, X_unlabeled=X)
    assert list(interrupted.pretrained_["stages"]) == ["autoencoder"]
    with pytest.raises(NotFittedError):
        interrupted.predict(X)


def test_failed_pretraining_leaves_an_unfitted_estimator(clf, records):
    X, _ = records
    clf.pretrain(X)
    with pytest.raises(FloatingPointError, match="training loss became NaN or infinite in epoch 1"):
        clf.set_params(precision="float32").pretrain(X + np.where(np.arange(N_TIMEPOINTS) == 3, 1e300, 0))
    with pytest.raises(NotFittedError):
        clf.transform(X)
    with pytest.raises(NotFittedError, match="wants a pre-trained network"):
        clf.reconstruct(X)


def test_float64_is_not_rounded_on_the_way(clf, records):
    X, _ = records
    X = np.concatenate([X, np.where(np.isnan(X[:, :, :1]), np.nan, 0.1 + 1e3 * X[:, :, :1])], axis=2)
    clf.set_params(n_side_features=1, pretrain_stages=("autoencoder",))
    start = clone(clf).pretrain(X).pretrained_
    side = X[:, :, -1]
    np.testing.assert_allclose(start["segments.standardize.mean"], np.nanmean(side), rtol=1e-12)
    still = clone(clf).set_params(pretrained=start, optimizer="sgd", pretrain_lr=1e-30).pretrain(X).pretrained_
    _same_weights(still, start)
    hidden = ~np.isnan(side)
    filled = clone(clf).pretrain(X).reconstruct(X, hidden)[0][hidden]
    module = torch.nn.Sequential(clf._make_module(1, N_TIMEPOINTS, 1, 1).segments.encoder, clf._make_decoder(1, 16))
    module.double()
    load_part(
        module[0], {f"e.{k.removeprefix('segments.encoder.')}": v for k, v in start.items() if "encoder" in k}, "e"
    )
    load_part(module[1], start, "decoder")
    expected = module(torch.from_numpy(X[hidden][:, None, :-1])).detach().numpy()
    np.testing.assert_allclose(filled, expected, rtol=1e-12, atol=1e-12)


def test_flat_signals_can_be_pretrained_on(clf):
    assert np.isfinite([row["train_loss"] for row in clf.pretrain(np.full((6, 3, 8), 5.0)).history_]).all()


@pytest.mark.parametrize("precision", ["float32", "bf16-mixed"])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_every_precision_pretrains_and_learns(clf, records, precision, norm):
    X, y = records
    X = np.concatenate([X, X[:, :, :2]], axis=2)  # two side features
    clf.set_params(precision=precision, norm=norm, n_side_features=2, max_epochs=40, lr=0.01, loss="focal")
    fitted = clf.set_params(pretrain_stages=("contrastive", "autoencoder", "masked")).fit(X, y, X_unlabeled=X)
    assert fitted.score(X, y) > 0.8
    assert fitted.predict_proba(X).dtype == fitted.transform(X).dtype == np.float64
    filled, hidden = fitted.reconstruct(X)
    assert np.isfinite(filled[hidden]).all()


def test_sample_weight_and_groups_beside_unlabeled_records(clf, records, unlabeled):
    X, y = records
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = clone(clf).fit(X, y, sample_weight=weight, X_unlabeled=unlabeled).predict_proba(X)
    repeated = clone(clf).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight), X_unlabeled=unlabeled)
    np.testing.assert_allclose(weighted, repeated.predict_proba(X), rtol=1e-7)
    clf.set_params(early_stopping=True, validation_fraction=0.25)
    stopped = clf.fit(X, y, groups=np.arange(40) // 4, X_unlabeled=unlabeled)  # without groups it would warn
    assert all("valid_loss" in row for row in stopped.history_ if row["stage"] == "classifier")


def test_pretrained_only_estimator_pickles_as_arrays_and_embeds(clf, records):
    X, y = records
    fitted = clf.fit(X, y).pretrain(X)
    with pytest.raises(NotFittedError):
        fitted.predict(X)
    state = pickle.dumps(fitted)
    assert b"torch" not in state
    assert b"skorch" not in state
    for loaded in (pickle.loads(state), _through_skops(fitted)):
        np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
        np.testing.assert_array_equal(loaded.reconstruct(X)[0], fitted.reconstruct(X)[0])
    fitted.set_params(device="cuda:7")  # trained on a GPU that is not here
    np.testing.assert_array_equal(fitted.transform(X), loaded.transform(X))
    np.testing.assert_array_equal(fitted.reconstruct(X)[0], loaded.reconstruct(X)[0])


def test_requests_of_metadata():
    assert ECGSLClassifier().get_metadata_routing().fit.requests == {
        "X_unlabeled": True,
        "groups": True,
        "sample_weight": None,
    }


def test_pipeline_transforms_unlabeled_records_as_it_transforms_the_others(clf):
    rng = np.random.default_rng(0)
    X, y, unlabeled = rng.normal(size=(20, 12)), np.tile([0, 1], 10), rng.normal(size=(15, 12))
    cut = BeatSegmenter(**SEGMENTS, n_beats=5)
    beats = cut.fit_transform(X)
    expected = clone(clf).fit(beats, y, X_unlabeled=cut.transform(unlabeled)).predict_proba(beats)
    with config_context(enable_metadata_routing=True):
        pipeline = Pipeline([("cut", clone(cut)), ("clf", clf)], transform_input=["X_unlabeled"])
        pipeline.fit(X, y, X_unlabeled=unlabeled)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected)
    assert "pretrained_" in vars(pipeline[-1])


class _Spy(ECGSLClassifier):
    """Remembers how many records each fit was given."""

    seen = []

    def fit(self, X, y, sample_weight=None, groups=None, X_unlabeled=None):
        self.seen.append((len(X), len(X_unlabeled)))
        return super().fit(X, y, sample_weight=sample_weight, groups=groups, X_unlabeled=X_unlabeled)


@pytest.mark.parametrize("routing", [True, False])
def test_cross_validation_passes_unlabeled_records_whole_unless_as_many_as_rows(clf, records, unlabeled, routing):
    X, y = records
    spy = _Spy(**clf.get_params())
    with config_context(enable_metadata_routing=routing):
        _Spy.seen.clear()
        cross_validate(spy, X, y, cv=KFold(4), params={"X_unlabeled": unlabeled})
        assert _Spy.seen == [(30, 30)] * 4
        _Spy.seen.clear()
        cross_validate(spy, X, y, cv=KFold(4), params={"X_unlabeled": np.concatenate([X, unlabeled])})
        assert _Spy.seen == [(30, 70)] * 4
        _Spy.seen.clear()
        cross_validate(spy, X, y, cv=KFold(4), params={"X_unlabeled": X})  # scikit-learn takes them for rows
        assert _Spy.seen == [(30, 30)] * 4


def test_pretrained_embeddings_stand_in_pipelines_but_classify_nothing(clf, records, unlabeled):
    X, y = records
    pretrained = FrozenEstimator(clf.pretrain(unlabeled))
    linear = LogisticRegression(max_iter=1000)
    fitted = clone(make_pipeline(pretrained, linear)).fit(X, y)
    expected = clone(linear).fit(clf.transform(X), y).predict_proba(clf.transform(X))
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)
    for use in (clf.predict, clf.beat_attention, lambda X: saliency(clf, X), AdaptedClassifier(pretrained).fit):
        with pytest.raises(NotFittedError):
            use(*((X, y) if use.__name__ == "fit" else (X,)))


def test_attention_points_to_the_odd_beat(clf):
    rng = np.random.default_rng(0)
    X, y, odd = rng.normal(scale=0.1, size=(80, 6, N_TIMEPOINTS)), np.tile([0, 1], 40), rng.integers(0, 4, 80)
    X += np.hanning(N_TIMEPOINTS)
    X[y == 1, odd[y == 1]] -= 2 * np.hanning(N_TIMEPOINTS)
    X[::3, 4:] = np.nan
    fitted = clf.set_params(max_epochs=60, lr=0.01).fit(X[:60], y[:60])
    weights = fitted.beat_attention(X)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights[np.isnan(X[:, :, 0])] == 0).all()
    held_out = (y == 1) & (np.arange(80) >= 60)
    assert fitted.score(X[60:], y[60:]) > 0.9
    assert np.mean(weights[held_out].argmax(axis=1) == odd[held_out]) > 0.8


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_other_pooling_has_no_attention(clf, records, pooling):
    fitted = clf.set_params(pooling=pooling).fit(*records)
    assert not hasattr(fitted, "beat_attention")


@pytest.mark.parametrize("labels", [True, False])
def test_embeddings_are_features_for_tables(clf, records, labels):
    X, y = records
    with pytest.raises(NotFittedError):
        clf.get_feature_names_out()
    clf.set_params(max_epochs=30, pretrain_epochs=10).set_output(transform="pandas")
    embeddings = (clf.fit(X, y) if labels else clf.pretrain(X)).transform(X)
    assert isinstance(embeddings, pd.DataFrame)
    assert list(embeddings.columns) == [f"ecgslclassifier{i}" for i in range(16)] == list(clf.get_feature_names_out())
    assert np.isfinite(embeddings.to_numpy()).all()
    assert cross_val_score(LogisticRegression(max_iter=1000), embeddings, y, cv=4).mean() > (0.8 if labels else 0.7)
    if labels:
        tables = make_pipeline(clf.set_output(transform="default"), LogisticRegression(max_iter=1000)).fit(X, y)
        assert tables.score(X, y) > 0.8
