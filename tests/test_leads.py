"""LeadConverter: the laws of the limb leads by hand, names, errors, and real records there and back."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ecg import ECGScaler, LeadConverter
from sklearn_ecg.datasets import ECGRecord, fetch_ptbxl, make_ecg
from sklearn_ecg.datasets._mitdb import pick_leads
from sklearn_ecg.datasets._rows import check_leads
from sklearn_ecg.datasets._wfdb import order_of_leads
from sklearn_ecg.preprocessing import extract_beats
from sklearn_ecg.preprocessing._leads import limb_places
from sklearn_ecg.signals._annotations import INDEPENDENT_LEADS, STANDARD_LEADS, lead_index
from sklearn_ecg.signals._validation import flatten_leads, signal_feature_names

EIGHT = np.array([3.0, 10.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0])
TWELVE = np.array([3.0, 10.0, 7.0, -6.5, -2.0, 8.5, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0])
"""Lead I at 3 and lead II at 10 µV: III = 7, aVR = -6.5, aVL = -2, aVF = 8.5."""


def convert(values, **params):
    return LeadConverter(**params).fit_transform(np.reshape(values, (1, -1, 1))).ravel().tolist()


def test_eight_leads_become_twelve_and_back():
    assert INDEPENDENT_LEADS == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert convert(EIGHT, leads_out="standard") == TWELVE.tolist()
    assert convert(TWELVE, leads_out="independent") == EIGHT.tolist()


def test_leads_come_in_the_order_wanted():
    assert convert(TWELVE, leads_out=["V6", "aVL", "I"]) == [26.0, -2.0, 3.0]
    assert convert(EIGHT, leads_out="aVF") == [8.5]
    assert convert([10.0, 3.0], lead_names=["II", "I"], leads_out=["aVL", "III"]) == [-2.0, 7.0]
    assert convert([1.0, 2.0], lead_names=["MLII", "V5"], leads_out=["V5", "II"]) == [2.0, 1.0]
    assert convert([4.0, 5.0], lead_names=["AVR", "avl"], leads_out=["aVL", "aVR"]) == [5.0, 4.0]


@pytest.mark.parametrize(
    ("names", "name", "place"),
    [
        (["MLII", "ii"], "II", 1),  # an exact name before a modified lead, whatever the case
        (["ii", "II"], "II", 1),
        (["II", "ii"], "Ii", 0),
        (["V1", "mlii"], "II", 1),
        (["V1", "II"], "mlii", 1),
        (["avr"], "aVR", 0),
        (["MLI", "MLIII"], "iii", 1),
        (["V1", "V2"], "II", -1),
    ],
)
def test_one_look_up_of_names(names, name, place):
    assert lead_index(names, name) == place
    signal = np.arange(2.0 * len(names)).reshape(len(names), 2)
    record = ECGRecord(name="r", signal=signal, fs=100, lead_names=names)
    if place < 0:
        with pytest.raises(ValueError, match=f"has no lead '{name}'; it has V1, V2"):
            record.lead(name)
        with pytest.raises(ValueError, match="Record 0 has no lead"):
            extract_beats(record, [1], fs=100, leads=name)
        with pytest.raises(OSError, match=f"not {name}"):
            order_of_leads(names, [name], "r")
        return
    np.testing.assert_array_equal(record.lead(name), signal[place])
    assert record.select_leads(name).lead_names == (names[place],)
    assert order_of_leads(names, [name], "r") == [place]
    assert pick_leads(record, [name]) == [place]
    beats = extract_beats(record, [1], fs=100, leads=name, side_features=(), bandpass=None, n_timepoints=2)
    assert beats.feature_names[0] == f"{names[place]}_0000"
    if len({lead.lower() for lead in names}) == len(names):
        assert convert(signal[:, 0], lead_names=names, leads_out=name) == [signal[place, 0]]


def test_names_of_datasets_whatever_the_case():
    assert check_leads(["mlii", "AVR", "v6"]) == ("II", "aVR", "V6")
    assert make_ecg(2, leads=["ii"]).lead_names == ("II",)


def test_nothing_is_derived_from_modified_leads():
    assert limb_places(["i", "ii", "AVF"]) == (0, 1, {2: (-0.5, 1.0)})
    assert limb_places(["I", "MLII", "III"]) is None
    assert lead_index(["MLII"], "II", modified=False) == -1


def test_a_lead_that_came_in_is_handed_on():
    recorded = TWELVE + 0.25 * np.arange(12)
    assert convert(recorded, leads_out="standard") == recorded.tolist()


def test_einthoven_and_goldberger():
    X = np.random.default_rng(0).normal(size=(4, 8, 30))
    out = LeadConverter(leads_out="standard").fit_transform(X)
    one, two, three, right, left, foot = out.transpose(1, 0, 2)[:6]
    np.testing.assert_allclose(one + three, two, atol=1e-12)
    np.testing.assert_allclose(right + left + foot, 0, atol=1e-12)
    np.testing.assert_allclose(left, (one - three) / 2, atol=1e-12)
    np.testing.assert_allclose(foot, (two + three) / 2, atol=1e-12)
    np.testing.assert_array_equal(out[:, 6:], X[:, 2:])


def test_agrees_with_the_leads_of_make_ecg():
    twelve, eight = (make_ecg(3, leads=leads, random_state=0).signal[None] for leads in ("all", INDEPENDENT_LEADS))
    out = LeadConverter(leads_out="standard").fit_transform(eight)
    np.testing.assert_allclose(out, twelve, atol=1e-6)
    assert out.dtype == np.float32


@pytest.mark.parametrize("n_side", [0, 2])
def test_rows_and_records_give_the_same_numbers(n_side):
    X, side = np.random.default_rng(0).normal(size=(5, 8, 7)), np.full((5, n_side), 1e7)
    rows = flatten_leads(X, side)
    out = LeadConverter(leads_out="standard", n_leads=8, n_side_features=n_side).fit_transform(rows)
    cube = LeadConverter(leads_out="standard").fit_transform(X)
    np.testing.assert_array_equal(out, flatten_leads(cube, side))


def test_nothing_asked_nothing_changed():
    X = np.random.default_rng(0).normal(size=(3, 5, 4))
    converter = LeadConverter().fit(X)
    np.testing.assert_array_equal(converter.transform(X), X)
    assert converter.lead_names_in_ == converter.lead_names_out_ == ("lead0", "lead1", "lead2", "lead3", "lead4")
    assert converter.get_feature_names_out()[[0, -1]].tolist() == ["lead0_0000", "lead4_0003"]


def frame(leads, n_timepoints=3, sides=("age",)):
    columns = signal_feature_names(leads, n_timepoints, sides)
    return pd.DataFrame(np.arange(2.0 * len(columns)).reshape(2, -1), columns=columns, index=["a", "b"])


def test_frames_tell_and_get_names():
    X = frame(["V1", "II", "I"])
    settings = {"n_leads": 3, "n_side_features": 1}
    converter = LeadConverter(leads_out=["aVR", "V1"], **settings).set_output(transform="pandas")
    out = converter.fit_transform(X)
    assert list(out.columns) == list(signal_feature_names(["aVR", "V1"], 3, ["age"])) and list(out.index) == ["a", "b"]
    np.testing.assert_array_equal(out["V1_0002"], X["V1_0002"])
    np.testing.assert_array_equal(out["aVR_0001"], -(X["I_0001"] + X["II_0001"]) / 2)
    np.testing.assert_array_equal(out["age"], X["age"])
    same = LeadConverter(lead_names=["V1", "ii", "I"], leads_out=["aVR", "V1"], **settings).fit(X)
    np.testing.assert_array_equal(same.transform(X), out)
    with pytest.raises(ValueError, match="column names tell the leads V1, II, I, but lead_names V1, I, II"):
        LeadConverter(lead_names=["V1", "I", "II"], **settings).fit(X)
    with pytest.raises(ValueError, match=r"names tell 3 lead\(s\)"):
        LeadConverter(n_side_features=1).fit(X)


def test_the_same_leads_in_another_order_get_other_names():
    X = frame(["I", "II"], sides=())
    out = LeadConverter(leads_out=["II", "I"], n_leads=2).set_output(transform="pandas").fit_transform(X)
    assert list(out.columns) == list(signal_feature_names(["II", "I"], 3))
    np.testing.assert_array_equal(out["I_0001"], X["I_0001"])


def test_counted_leads_of_our_own_frames_are_no_contradiction():
    X = np.random.default_rng(0).normal(size=(4, 8, 5))
    converter = LeadConverter(leads_out="III", n_leads=8)
    out = make_pipeline(ECGScaler(), converter).set_output(transform="pandas").fit_transform(X)
    assert list(out.columns) == list(signal_feature_names(["III"], 5))


@pytest.mark.parametrize(
    ("n_leads", "params", "message"),
    [
        (12, {"leads_out": ["V7", "I"]}, "X lacks V7; it has the leads I, II, III"),
        (2, {"lead_names": ["I", "V1"], "leads_out": ["III"]}, r"X lacks III \(to derive it, II\); .* leads I, V1"),
        (1, {"lead_names": "V1", "leads_out": ["aVF"]}, r"X lacks aVF \(to derive it, I and II\)"),
        (2, {"lead_names": ["I", "MLII"], "leads_out": ["III"]}, r"X lacks III \(to derive it, II\)"),
        (3, {"leads_out": "II"}, r"leads_out='II' needs the names of the 3 lead\(s\) .* give lead_names"),
        (3, {"lead_names": ["I", "II"]}, r"lead_names has 2 name\(s\), but X is read with 3 lead\(s\)"),
        (2, {"lead_names": ["aVR", "AVR"]}, "lead_names must hold at least one lead, none twice"),
        (12, {"leads_out": ["I", "I"]}, "leads_out must hold at least one lead, none twice"),
        (12, {"leads_out": []}, "leads_out must hold at least one lead"),
        (12, {"leads_out": [1]}, "leads_out must hold at least one lead"),
        (12, {"leads_out": 3}, "'leads_out' parameter of LeadConverter must be"),
    ],
)
def test_what_is_missing_is_named(n_leads, params, message):
    with pytest.raises(ValueError, match=message):
        LeadConverter(**params).fit(np.zeros((2, n_leads, 4)))


def test_parameters_take_effect_in_fit_and_pickles_agree():
    X = np.random.default_rng(0).normal(size=(2, 8, 4))
    fitted = LeadConverter(leads_out="standard").fit(X)
    expected = fitted.transform(X)
    fitted.set_params(leads_out="I")
    np.testing.assert_array_equal(fitted.transform(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
    assert clone(fitted).fit_transform(X).shape == (2, 1, 4)


def test_leads_can_be_searched_for():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    X = rng.normal(size=(40, 8, 3))
    X[:, 1] += 4 * y[:, None]
    pipeline = make_pipeline(LeadConverter(n_leads=8), LogisticRegression())
    search = GridSearchCV(pipeline, {"leadconverter__leads_out": ["V1", ["II"], "V5"]}, cv=3)
    assert search.fit(flatten_leads(X), y).best_params_ == {"leadconverter__leads_out": ["II"]}


def there_and_back(twelve):
    """The twelve leads, computed from the eight that are independent."""
    eight = LeadConverter(leads_out="independent").fit_transform(twelve)
    return LeadConverter(leads_out="standard").fit_transform(eight)


def test_real_records_there_and_back(data_home):
    if not (data_home / "ptbxl").is_dir():
        pytest.skip("no PTB-XL in the data home")
    records = [1, 2, 3, 4, 6, 7, 8, 9]
    twelve = fetch_ptbxl(data_home=data_home, download_if_missing=False, records=records).data.reshape(8, 12, -1)
    error = np.abs(there_and_back(twelve) - twelve).max(axis=(0, 2))
    np.testing.assert_array_equal(error[[STANDARD_LEADS.index(lead) for lead in INDEPENDENT_LEADS]], 0)
    assert 0.0005 < error.max() < 0.0025  # the files round each lead by itself, to 1 µV
