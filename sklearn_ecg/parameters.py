"""Parameters of estimators, declared once: name, type, default, constraint, and a sentence that documents them."""

import inspect
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, dataclass_transform

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

_UNSAID = inspect.Parameter.empty
_SECTIONS = ("Attributes", "Raises", "See Also", "Notes", "References", "Examples")
_WIDTH = 116
_WORDS = {
    "boolean": "bool",
    "random_state": "int, RandomState instance or None",
    "verbose": "int",
    "cv_object": "int, cross-validation generator, iterable or None",
    "no_validation": "object",
}


class Sizes(Options):
    """Constraint: a non-empty sequence of positive integers.

    scikit-learn takes no constraints but of its own classes, of which this one is the nearest.
    """

    kind = "sequence of int"

    def __init__(self):
        super().__init__(Integral, set())

    def is_satisfied_by(self, val):
        sizes = () if isinstance(val, str) or not isinstance(val, Sequence | np.ndarray) else tuple(val)
        return bool(sizes) and all(isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in sizes)

    def __str__(self):
        return "a non-empty sequence of positive integers"


RandomState = int | np.random.RandomState | None
"""A seed, a generator, or None for another result each time."""

COUNT = [Interval(Integral, 1, None, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]
NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]
SHARE = [Interval(Real, 0, 1, closed="left")]
BOOLEAN = ["boolean"]
SIZES = [Sizes()]


def one_of(*options: str) -> list:
    """Constraint: one of some words."""
    constraint = StrOptions(set(options))
    constraint.kind = _choice(options)
    return [constraint]


@dataclass(frozen=True)
class Parameter:
    """What is declared of one parameter; None, but as a default, is left open.

    Attributes
    ----------
    text : str or None
        What it means.
    constraint : list or None
        What it may be, as scikit-learn's parameter validation has it.
    default : object
        Its value where none is given; ``inspect.Parameter.empty`` where none is declared.
    kind : str or None
        Its type in words, where they do not follow from the constraint.
    training : bool or None
        Whether it concerns the training alone, so that a fit that goes on (``warm_start``) may change it.
    kept : bool or None
        Whether a fitted estimator keeps a copy of what it was in ``fit``.
    kw_only : bool or None
        Whether it is given by name alone.
    """

    text: str | None
    constraint: list | None
    default: Any
    kind: str | None
    training: bool | None
    kept: bool | None
    kw_only: bool | None

    def over(self, inherited):
        """The inherited declaration with what this one says instead."""
        said = {name: value for name, value in vars(self).items() if value is not None or name == "default"}
        if self.default is _UNSAID:
            del said["default"]
        return replace(inherited, **said)


def parameter(
    text: str | None = None,
    constraint: list | None = None,
    *,
    default: Any = _UNSAID,
    kind: str | None = None,
    training: bool | None = None,
    kept: bool | None = None,
    kw_only: bool | None = None,
) -> Any:
    """Declare a parameter in the body of a class: ``name: type = parameter("What it means.", [...], default=...)``.

    A subclass inherits its declarations and may override one in part: ``dropout: float = parameter(default=0.0)``.

    Parameters
    ----------
    text : str, default=None
        What it means, for the "Parameters" section of the docstring. None in a declaration that overrides another.
    constraint : list, default=None
        What it may be, as scikit-learn's parameter validation has it; None for anything.
    default : object, default=inspect.Parameter.empty
        Its value where none is given. Without one, a value must be given.
    kind : str, default=None
        Its type in words, where they do not follow from the constraint.
    training : bool, default=None
        Whether it concerns the training alone, so that a fit that goes on (``warm_start``) may change it; otherwise it
        shapes the module.
    kept : bool, default=None
        False for what a fitted estimator must not copy, such as callbacks.
    kw_only : bool, default=None
        False for what may be given by its place: the estimator that another one is made of.

    Returns
    -------
    declaration : Parameter
    """
    return Parameter(text, constraint, default, kind, training, kept, kw_only)


@dataclass_transform(kw_only_default=True, field_specifiers=(parameter,))
class WithParameters:
    """A class whose parameters are declared in its body, or in those of its bases, by :func:`parameter`.

    From the declarations come the constructor (keyword-only, with a real signature), ``_parameter_constraints`` and
    the "Parameters" section of the docstring: the class's own parameters first, then those it inherits. A class that
    writes its own ``__init__`` keeps it, and so do its subclasses. The "Attributes" section ends with those that bases
    document in a dict ``_documented_attributes``, name → (type in words, meaning).

    Examples
    --------
    >>> from numbers import Real
    >>> from sklearn.base import BaseEstimator
    >>> from sklearn.utils._param_validation import Interval
    >>> class Threshold(WithParameters, BaseEstimator):
    ...     level: float = parameter("What lies above is kept.", [Interval(Real, 0, None, closed="left")], default=0.5)
    >>> Threshold(level=2.0).get_params()
    {'level': 2.0}
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._own_parameters = {name: value for name, value in vars(cls).items() if isinstance(value, Parameter)}
        _refuse_plain_overrides(cls)
        for name in cls._own_parameters:
            delattr(cls, name)
        cls._declared_parameters = MappingProxyType(_collect(cls))
        if "_parameter_constraints" not in vars(cls):
            cls._parameter_constraints = {
                name: "no_validation" if declared.constraint is None else declared.constraint
                for name, declared in cls._declared_parameters.items()
            }
        if not _writes_its_own(cls):
            cls.__init__ = _constructor(cls)
        if vars(cls).get("__doc__"):
            text = _with_section(inspect.cleandoc(cls.__doc__), _section(cls._declared_parameters))
            cls.__doc__ = _with_attributes(text, _inherited_attributes(cls))


def _refuse_plain_overrides(cls):
    """A value in the body of a class would never reach the constructor."""
    inherited = {name for base in cls.__mro__[1:] for name in vars(base).get("_own_parameters", {})}
    plain = sorted(inherited & {name for name in vars(cls) if name not in cls._own_parameters})
    if plain and not _writes_its_own(cls):
        raise TypeError(
            f"{cls.__name__}.{plain[0]} overrides a parameter by a plain value. Declare it: {plain[0]}: <type> = "
            "parameter(default=...)."
        )


def _writes_its_own(cls):
    """Whether the nearest constructor among those of classes with parameters was written by hand."""
    written = (vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base) and _has_parameters(base))
    nearest = next(written, None)
    return nearest is not None and not hasattr(nearest, "_is_generated")


def _has_parameters(cls):
    return "_own_parameters" in vars(cls)


def _collect(cls):
    """Name → declaration: the class's own first, then those of its bases; an override keeps its place."""
    declarations = {}
    for base in cls.__mro__:
        for name, declared in vars(base).get("_own_parameters", {}).items():
            declarations.setdefault(name, []).append(declared)
    names = [
        name
        for base in cls.__mro__
        for name, declared in vars(base).get("_own_parameters", {}).items()
        if declared is declarations[name][-1]
    ]
    return {name: reduce(lambda root, override: override.over(root), reversed(declarations[name])) for name in names}


def _constructor(cls):
    """``__init__`` with every declared parameter as a keyword, which does nothing but keep them."""
    declared = cls._declared_parameters
    if not declared:
        return cls.__init__
    places, names = [], []
    for name, value in declared.items():
        given = name if value.default is _UNSAID else f"{name}=_defaults[{name!r}]"
        (places if value.kw_only is False else names).append(given)
    head = ", ".join(["self", *places, *(["*"] if names else []), *names])
    body = "\n".join(f"    self.{name} = {name}" for name in declared)
    namespace: dict[str, Any] = {"_defaults": {name: value.default for name, value in declared.items()}}
    exec(f"def __init__({head}):\n{body}", namespace)
    init = namespace["__init__"]
    init._is_generated = True
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    types = {name: kind for base in reversed(cls.__mro__) for name, kind in inspect.get_annotations(base).items()}
    init.__annotations__ = {name: types.get(name, Any) for name in declared}
    return init


def _section(declared):
    """The lines of the "Parameters" section."""
    lines = []
    for name, value in declared.items():
        default = "" if value.default is _UNSAID else f", default={_shown(value.default)}"
        lines.append(f"{name} : {value.kind or _kind(value.constraint)}{default}")
        for paragraph in inspect.cleandoc(value.text or "").split("\n\n"):
            lines.append(textwrap.indent(textwrap.fill(paragraph, _WIDTH, break_long_words=False), "    "))
    return ["Parameters", "----------", *lines, ""] if lines else []


def _shown(value):
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _kind(constraint):
    """A constraint in the words of a docstring: ``{"mean", "max"} or None``."""
    kinds = [_kind_of(option) for option in constraint or ["no_validation"]]
    kinds = sorted(dict.fromkeys(kinds), key=lambda kind: kind == "None")
    return " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))


def _kind_of(option):
    """One option of a constraint in words."""
    if option is None or option is callable:
        return "None" if option is None else "callable"
    if hasattr(option, "kind"):
        return option.kind
    if isinstance(option, StrOptions):
        return _choice(sorted(option.options))
    if isinstance(option, Interval):
        return "int" if option.type is Integral else "float"
    if isinstance(option, str):
        return _WORDS.get(option, option)
    return option.__name__ if isinstance(option, type) else str(option)


def _choice(options):
    words = ", ".join(map(_shown, options))
    return words if len(options) == 1 else f"{{{words}}}"


def _inherited_attributes(cls):
    """Name → (type in words, meaning) of the fitted attributes that a class's bases document, nearest first."""
    told: dict[str, tuple[str, str]] = {}
    for base in cls.__mro__:
        told |= {name: said for name, said in vars(base).get("_documented_attributes", {}).items() if name not in told}
    return told


def _with_section(text, section):
    """A docstring with the section before all others; one that has such a section by hand keeps it."""
    lines = text.split("\n")
    if any(lines[place : place + 2] == ["Parameters", "----------"] for place in range(len(lines))):
        return text
    rules = [place for place, line in enumerate(lines[1:]) if lines[place] in _SECTIONS and set(line) == {"-"}]
    place = rules[0] if rules else len(lines)
    before = lines[:place] if rules else [*lines, ""]
    return "\n".join([*before, *section, *lines[place:]]).rstrip()


def _with_attributes(text, inherited):
    """A docstring whose "Attributes" section tells the inherited ones, too, behind its own."""
    lines = text.split("\n")
    rules = [place for place, line in enumerate(lines[1:]) if lines[place] in _SECTIONS and set(line) == {"-"}]
    own = [place for place in rules if lines[place] == "Attributes"]
    start = own[0] if own else (rules[0] if rules else len(lines))
    stop = next((place for place in rules if place > start), len(lines)) if own else start
    named = {name for line in lines[start:stop] for name in line.split(" : ")[0].split(", ")}
    more = [
        line
        for name, (kind, meaning) in inherited.items()
        if name not in named
        for line in (f"{name} : {kind}", f"    {meaning}")
    ]
    if not more:
        return text
    section = "\n".join(lines[start:stop]).rstrip("\n").split("\n") if own else ["Attributes", "----------"]
    return "\n".join([*lines[:start], *section, *more, "", *lines[stop:]]).rstrip()
