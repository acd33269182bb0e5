"""What a pre-trained network fills in where beats are hidden from it."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sklearn_ecg.nn.pretraining import MaskedSegments
from sklearn_ecg.self_supervised._pretraining import load_part
from tests.instances import BEAT_SEQUENCES, QUICK

N_TIMEPOINTS = 16


@pytest.fixture
def clf():
    return clone(BEAT_SEQUENCES["ECGSLClassifier"]).set_params(**QUICK, pretrain_epochs=3, pretrain_lr=0.01)


@pytest.fixture
def records():
    """Forty records of two to five beats."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5, N_TIMEPOINTS))
    X[np.arange(5) >= rng.integers(2, 6, 40)[:, None]] = np.nan
    return X


@pytest.mark.parametrize("stages", [("autoencoder",), ("autoencoder", "masked")], ids="-".join)
def test_reconstruction_fills_the_hidden_beats_and_no_others(clf, records, stages):
    X = records
    clf.set_params(pretrain_stages=stages).pretrain(X)
    filled, hidden = clf.reconstruct(X)
    signals, present = X[:, :, None, :], ~np.isnan(X[:, :, 0])
    assert filled.shape == signals.shape
    np.testing.assert_array_equal(filled[~hidden], signals[~hidden])
    assert (filled[hidden] != signals[hidden]).any(axis=(1, 2)).all()
    counts = present.sum(axis=1)
    assert not (hidden & ~present).any()
    np.testing.assert_array_equal(hidden.sum(axis=1), np.clip(np.round(0.3 * counts), 1, counts - 1))
    chosen = present & (np.arange(5) == 1)
    filled, told = clf.reconstruct(X, hidden=chosen.tolist())
    np.testing.assert_array_equal(told, chosen)
    np.testing.assert_array_equal(filled[~chosen], signals[~chosen])
    other = np.where(chosen[:, :, None], 100 * X + 7, X)
    seen = not np.array_equal(clf.reconstruct(other, hidden=chosen)[0][chosen], filled[chosen])
    assert seen == ("masked" not in stages)


def test_float32_rounds_no_segment_that_is_seen(clf, records):
    filled, hidden = clf.set_params(precision="float32").pretrain(records).reconstruct(records)
    np.testing.assert_array_equal(filled[~hidden], records[~hidden][:, None])


def test_a_failed_fit_leaves_no_embeddings_behind(clf, records):
    start = clone(clf).pretrain(records).pretrained_
    clf.set_params(pretrained=start).fit(records, np.arange(40) % 2)
    with pytest.raises(FloatingPointError):
        clf.set_params(lr=1e30, optimizer="sgd").fit(records, np.arange(40) % 2)
    with pytest.raises(NotFittedError):
        clf.transform(records)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_training_of_the_masked_stage_sees_nothing_of_hidden_beats(clf, records, norm):
    """Not even in the statistics of batch norm."""
    X = records
    clf.set_params(norm=norm, pretrain_stages=("masked",)).pretrain(X)
    segments = clf._make_module(1, N_TIMEPOINTS, 0, 1).segments
    load_part(segments, clf.pretrained_, "segments")
    network = MaskedSegments(segments, clf._make_decoder(1, N_TIMEPOINTS), 1.0, mask_ratio=0.3, n_side_features=0)
    network.train()
    signals, side = torch.tensor(X[:, :, None], dtype=torch.float32), torch.zeros(*X.shape[:2], 0)
    hidden = torch.zeros(X.shape[:2], dtype=torch.bool)
    hidden[:, 0] = True
    states = network.states(signals, side, hidden)
    signals[:, 0] += 9
    assert torch.equal(network.states(signals, side, hidden), states)


def test_hidden_beats_that_cannot_be_are_errors(clf, records):
    X = records
    clf.pretrain(X)
    with pytest.raises(ValueError, match=r"hidden must be boolean of shape \(40, 5\)"):
        clf.reconstruct(X, hidden=np.zeros((40, 5)))
    with pytest.raises(ValueError, match=r"hidden must be boolean of shape \(40, 5\)"):
        clf.reconstruct(X, hidden=np.zeros((40, 4), dtype=bool))
    record, beat = np.argwhere(np.isnan(X[:, :, 0]))[0]
    hidden = np.zeros((40, 5), dtype=bool)
    hidden[record, beat] = True
    with pytest.raises(ValueError, match=f"hides beat {beat} of record {record}, which is not there"):
        clf.reconstruct(X, hidden=hidden)


def test_hidden_beats_are_told_from_those_around_them(clf):
    """Each record repeats a beat of its own, which the mean over all records is not."""
    rng = np.random.default_rng(0)
    shapes = np.array([np.hanning(N_TIMEPOINTS), np.sin(np.linspace(0, 2 * np.pi, N_TIMEPOINTS))])
    X = np.repeat((rng.normal(size=(160, 2)) @ shapes)[:, None], 4, axis=1) + 0.05 * rng.normal(size=(160, 4, 16))
    train, test = X[:120], X[120:]
    clf.set_params(pretrain_epochs=(20, 40), pretrain_lr=0.01, batch_size=32).pretrain(train)
    filled, hidden = clf.reconstruct(test)
    error = np.mean((filled[:, :, 0][hidden] - test[hidden]) ** 2)
    assert error < 0.3 * np.mean((train.mean(axis=(0, 1)) - test[hidden]) ** 2)


def test_reconstruction_wants_a_pretrained_network_and_its_decoder(clf, records):
    y = np.arange(40) % 2
    with pytest.raises(NotFittedError, match="wants a pre-trained network"):
        clone(clf).fit(records, y).reconstruct(records)
    with pytest.raises(ValueError, match="The pre-training has no decoder"):
        clone(clf).set_params(pretrain_stages=("contrastive",)).pretrain(records).reconstruct(records)
    with pytest.raises(ValueError, match="The pre-training has no decoder"):  # it was trained for another encoder
        clone(clf).set_params(pretrain_stages=("autoencoder", "contrastive")).pretrain(records).reconstruct(records)
    pretrained = clone(clf).pretrain(records)
    given = clone(clf).set_params(pretrained=FrozenEstimator(pretrained)).fit(records, y)
    np.testing.assert_array_equal(given.reconstruct(records)[0], pretrained.reconstruct(records)[0])
    trained = FrozenEstimator(clone(clf).fit(records, y, X_unlabeled=records))
    with pytest.raises(ValueError, match="The pre-training has no decoder"):  # it belongs to the encoder as it was
        clf.set_params(pretrained=trained).fit(records, y).reconstruct(records)
