"""Parameters: declared once, and what the declarations become."""

import inspect
import pickle
from collections import Counter

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

import sklearn_ecg
from sklearn_ecg.parameters import COUNT, NOT_NEGATIVE, SHARE, SIZES, WithParameters, one_of, parameter
from tests.instances import ToyNetwork


class Base(WithParameters, BaseEstimator):
    n_leads: int = parameter("Leads in a row.", COUNT, default=1, training=True)
    norm: str = parameter("Normalisation.", one_of("group", "batch"), default="batch")
    dropout: float = parameter("Share of units dropped.", SHARE, default=0.2, training=True)


class Leaf(Base):
    """A leaf.

    It says what it does.

    Attributes
    ----------
    x_ : int
        A number.
    """

    fs: float = parameter("Sampling frequency in Hz.", NOT_NEGATIVE)
    dropout: float = parameter(default=0.0)
    sizes: tuple = parameter("Sizes of the layers, first to last.", SIZES, default=(8, 4))
    norm: str | None = parameter(constraint=[*one_of("batch", "group"), None])
    made_of: object = parameter("What it is made of.", kw_only=False)


def test_signature_is_real():
    shown = "(made_of: object, *, fs: float, sizes: tuple = (8, 4), n_leads: int = 1, norm: str | None = 'batch', "
    assert str(inspect.signature(Leaf)) == shown + "dropout: float = 0.0)"
    leaf = Leaf("wood", fs=100)
    assert leaf.get_params() == {
        "made_of": "wood", "fs": 100, "sizes": (8, 4), "n_leads": 1, "norm": "batch", "dropout": 0.0,
    }  # fmt: skip
    with pytest.raises(TypeError, match=r"Leaf.__init__\(\) missing 1 required keyword-only argument: 'fs'"):
        Leaf("wood")
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        Leaf("wood", fs=1, depth=2)
    with pytest.raises(TypeError, match="positional"):
        Leaf("wood", 100)


def test_docstring_has_its_section():
    assert (
        Leaf.__doc__
        == """A leaf.

It says what it does.

Parameters
----------
fs : float
    Sampling frequency in Hz.
sizes : sequence of int, default=(8, 4)
    Sizes of the layers, first to last.
made_of : object
    What it is made of.
n_leads : int, default=1
    Leads in a row.
norm : {"batch", "group"} or None, default="batch"
    Normalisation.
dropout : float, default=0.0
    Share of units dropped.

Attributes
----------
x_ : int
    A number."""
    )


def test_attributes_of_bases_are_documented():
    class Fitted(Base):
        """A base."""

        _documented_attributes = {
            "n_iter_": ("int", "Epochs trained."),
            "x_": ("float", "Told by the leaf."),
        }

    class Both(Fitted):
        """A leaf.

        Attributes
        ----------
        x_ : int
            A number.

        Notes
        -----
        None.
        """

    assert Fitted.__doc__.endswith("""
Attributes
----------
n_iter_ : int
    Epochs trained.
x_ : float
    Told by the leaf.""")
    assert Both.__doc__.endswith("""
Attributes
----------
x_ : int
    A number.
n_iter_ : int
    Epochs trained.

Notes
-----
None.""")


def test_an_override_says_what_differs_alone():
    declared = Leaf._declared_parameters
    assert declared["dropout"].training and declared["dropout"].text == "Share of units dropped."
    assert Base().dropout == 0.2
    assert Leaf._parameter_constraints["dropout"] is SHARE
    assert Leaf._parameter_constraints["made_of"] == "no_validation"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"norm": "layer"}, r"'norm' parameter of Leaf must be a str among .* or None. Got 'layer'"),
        ({"sizes": ()}, r"'sizes' parameter of Leaf must be a non-empty sequence of positive integers. Got \(\)"),
        ({"sizes": "12"}, "'sizes' parameter of Leaf must be a non-empty sequence"),
        ({"sizes": (True,)}, "'sizes' parameter of Leaf must be a non-empty sequence"),
        ({"fs": -1}, "'fs' parameter of Leaf must be a float in the range"),
    ],
)
def test_constraints(wrong, message):
    with pytest.raises(ValueError, match=message):
        Leaf("wood", **{"fs": 1, **wrong})._validate_params()
    Leaf("wood", fs=1, norm=None, sizes=np.array([2, 3]))._validate_params()


def test_copies():
    leaf = Leaf("wood", fs=3)
    for copy in (clone(leaf), pickle.loads(pickle.dumps(leaf))):
        assert copy.get_params() == leaf.get_params()


def test_a_constructor_of_ones_own_is_kept():
    class Own(Base):
        def __init__(self, n_leads=3):
            super().__init__(n_leads=n_leads)

    assert Own().n_leads == 3
    assert str(inspect.signature(Own)) == "(n_leads=3)"


def test_subclasses_of_a_constructor_of_ones_own_keep_it():
    class Own(Base):
        def __init__(self):
            super().__init__()
            self.seen = True

    class Below(Own):
        pass

    assert Below().seen


def test_a_plain_value_over_a_parameter_is_refused():
    name = next(iter(Base._declared_parameters))
    with pytest.raises(TypeError, match=rf"Wrong\.{name} overrides a parameter by a plain value"):
        type("Wrong", (Base,), {name: 7})


def test_parameters_without_annotation():
    made = type("Bare", (Base,), {"more": parameter("More.", default=1)})
    assert made().get_params()["more"] == 1


def test_declarations_leave_no_attribute_behind():
    assert not hasattr(Leaf, "fs")
    assert not hasattr(Base, "dropout")


ESTIMATORS = [getattr(sklearn_ecg, name) for name in sklearn_ecg.__all__]


def test_every_public_estimator_declares_its_parameters():
    for estimator in ESTIMATORS:
        declared = set(estimator._declared_parameters)
        assert set(inspect.signature(estimator).parameters) == set(estimator._parameter_constraints) == declared
        assert estimator.__init__.__code__.co_filename == "<string>"  # made of the declarations


def test_no_parameter_is_declared_twice():
    """The same name with the same words in two classes is one parameter, which belongs in a class both inherit."""
    classes = {base for estimator in ESTIMATORS for base in estimator.__mro__}
    told = Counter(
        (name, declared.text)
        for base in classes
        for name, declared in vars(base).get("_own_parameters", {}).items()
        if declared.text is not None
    )
    assert [key for key, times in told.items() if times > 1] == []


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.__name__)
def test_every_parameter_is_documented_once(estimator):
    lines = estimator.__doc__.split("\n")
    assert lines.count("Parameters") == 1
    for name, declared in estimator._declared_parameters.items():
        assert declared.text.rstrip(")").endswith("."), (name, declared.text)
        assert sum(line.startswith(f"{name} : ") for line in lines) == 1


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.__name__)
def test_defaults_meet_their_constraints(estimator):
    given = {
        name: declared.default
        for name, declared in estimator._declared_parameters.items()
        if declared.default is not inspect.Parameter.empty
    }
    required = {"fs": 250, "estimator": sklearn_ecg.CNNClassifier(), "estimators": [], "module": ToyNetwork}
    needed = set(estimator._declared_parameters) - set(given)
    estimator(**given, **{name: required[name] for name in needed})._validate_params()
