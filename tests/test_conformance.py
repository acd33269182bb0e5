"""The whole of scikit-learn's estimator checks on every public estimator: none skipped, none expected to fail."""

import inspect
from unittest import SkipTest

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator

import sklearn_ecg
from tests.instances import CLASSIFIERS, DELINEATORS, INSTANCES, META, REGRESSORS, THREE_D_OUTPUT, TRANSFORMERS

BEYOND_CHECK_ESTIMATOR = ("check_dataframe_column_names_consistency", "check_param_validation")
BEYOND_FOR_TRANSFORMERS = ("check_set_output_transform",)
BEYOND_FOR_TWO_D_OUTPUT = (
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
)


def _checks():
    for name, instance in INSTANCES.items():
        for estimator, check in estimator_checks_generator(instance):
            yield pytest.param(estimator, check, id=f"{name}-{_name_of(check)}")


def _name_of(check):
    params = {key: value for key, value in getattr(check, "keywords", {}).items() if key != "name"}
    return getattr(check, "func", check).__name__ + "".join(f"-{key}={value}" for key, value in params.items())


def _run(check):
    """A skip is a failure: it would hide that a check never ran."""
    try:
        check()
    except SkipTest as skip:
        pytest.fail(f"skipped: {skip}")


def test_every_public_estimator_is_in_the_table():
    assert {name.split("-")[0] for name in INSTANCES} == set(sklearn_ecg.__all__)


def test_public_names_are_classes_documented_and_found_where_they_live():
    for name in sklearn_ecg.__all__:
        public = getattr(sklearn_ecg, name)
        assert inspect.isclass(public)
        assert public.__doc__
        assert public.__module__.startswith("sklearn_ecg.")


@pytest.mark.parametrize("estimator, check", list(_checks()))
def test_scikit_learn_check(estimator, check):
    _run(lambda: check(estimator))


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("check", BEYOND_CHECK_ESTIMATOR)
def test_scikit_learn_check_outside_check_estimator(name, check):
    _run(lambda: getattr(estimator_checks, check)(name.split("-")[0], clone(INSTANCES[name])))


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("check", BEYOND_FOR_TRANSFORMERS)
def test_scikit_learn_transformer_check_outside_check_estimator(name, check):
    _run(lambda: getattr(estimator_checks, check)(name.split("-")[0], clone(TRANSFORMERS[name])))


@pytest.mark.parametrize("name", sorted(set(TRANSFORMERS) - THREE_D_OUTPUT))
@pytest.mark.parametrize("check", BEYOND_FOR_TWO_D_OUTPUT)
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # the checks mix both
def test_scikit_learn_frame_check(name, check):
    _run(lambda: getattr(estimator_checks, check)(name.split("-")[0], clone(TRANSFORMERS[name])))


def test_every_transformer_runs_the_frame_checks():
    assert {name.split("-")[0] for name in set(TRANSFORMERS) - THREE_D_OUTPUT} == {
        n.split("-")[0] for n in TRANSFORMERS
    }


@pytest.mark.parametrize("name", INSTANCES)
def test_no_excusing_tags(name):
    tags = INSTANCES[name].__sklearn_tags__()
    assert not tags.non_deterministic
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    if name in {**CLASSIFIERS, **DELINEATORS, **META}:
        assert not tags.classifier_tags.poor_score
    if name in REGRESSORS:
        assert not tags.regressor_tags.poor_score
