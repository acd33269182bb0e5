"""Types: every public function and method says what it takes and gives."""

import importlib
import inspect
import pkgutil

import pytest

import sklearn_ecg

ROOMS = [
    "sklearn_ecg",
    *(f"sklearn_ecg.{room.name}" for room in pkgutil.iter_modules(sklearn_ecg.__path__) if room.name[0] != "_"),
]


def _public():
    """Qualified name → function, for every function and method of the public surface."""
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield f"{room}.{name}", thing
            elif inspect.isclass(thing):
                for method in vars(thing):
                    found = inspect.getattr_static(thing, method)
                    found = getattr(found, "__func__", getattr(found, "fget", found))
                    if inspect.isfunction(found) and not method.startswith("_"):
                        yield f"{room}.{name}.{method}", inspect.unwrap(found)


PUBLIC = dict(_public())


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_functions_are_annotated(name):
    signature = inspect.signature(PUBLIC[name])
    bare = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
    ]
    assert not bare
    assert signature.return_annotation is not signature.empty
