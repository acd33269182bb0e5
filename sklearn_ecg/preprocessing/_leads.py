"""Selection, reordering and derivation of leads by name."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..parameters import parameter
from ..signals._annotations import INDEPENDENT_LEADS, LIMB_LEADS, STANDARD_LEADS, lead_index
from ..signals._output import lead_and_side_names
from ..signals._validation import RowLayout, read_lead_columns, signal_feature_names
from ._transformers import SignalTransformer

_SETS = {"standard": STANDARD_LEADS, "independent": INDEPENDENT_LEADS}
_BY_NUMBER = {len(leads): leads for leads in _SETS.values()}


class LeadConverter(SignalTransformer):
    """Choose leads by name, and derive the limb leads that are absent from I and II.

    Eight of the twelve standard leads are independent. The others follow from them by Einthoven's law and Goldberger's
    definitions: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2 and aVF = II - I / 2. A lead that came in is handed
    on as it is; only absent ones are computed.

    Attributes
    ----------
    lead_names_in_, lead_names_out_ : tuple of str
        Names of the leads that come in and go out; ``lead0 …`` where nothing tells them.
    matrix_ : ndarray of shape (n_leads_out, n_leads)
        Factors of the leads that come in, for each lead that goes out.
    layout_, layout_out_ : RowLayout
        How the rows that come in and go out are read.
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where ``X`` has them.

    References
    ----------
    Goldberger (1942), A simple, indifferent, electrocardiographic electrode of zero potential and a technique of
    obtaining augmented, unipolar, extremity leads, American Heart Journal 23(4).

    Examples
    --------
    >>> import numpy as np
    >>> eight = np.arange(8.0).reshape(1, 8, 1)
    >>> LeadConverter(leads_out=["aVF", "V1", "II"]).fit_transform(eight).ravel()
    array([1., 2., 1.])
    >>> LeadConverter(leads_out="standard").fit_transform(eight).shape
    (1, 12, 1)
    """

    lead_names: str | Sequence[str] | None = parameter(
        "Names of the leads that come in, in their order. By default those that the column names tell; "
        "where these tell none, 8 leads are I, II, V1 to V6 and 12 leads the standard twelve, I, II, III, "
        "aVR, aVL, aVF, V1 to V6.",
        [str, "array-like", None],
        default=None,
        kind="str or sequence of str",
    )
    leads_out: str | Sequence[str] | None = parameter(
        'Names of the leads wanted, in the order wanted: one or several names, "standard" for the twelve '
        'standard leads, or "independent" for I, II, V1 to V6. By default the leads that came in. Upper and '
        'lower case are not told apart (AVR is aVR). "II" also finds "MLII" where there is no II, but nothing is '
        "derived from modified leads.",
        [str, "array-like", None],
        default=None,
        kind="str or sequence of str",
    )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of the (flattened) output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            ``II_0000 …`` with the leads that go out, and then the names of the side columns. The input names, or
            ``x0 …`` with one lead, where the leads stay as they are and nothing tells their names.
        """
        check_is_fitted(self)
        _, sides = lead_and_side_names(self, input_features)
        if not self._named_:
            return super().get_feature_names_out(input_features)
        return signal_feature_names(self.lead_names_out_, self.layout_out_.n_timepoints, sides)

    def _prepare(self, layout):
        names = self._names_in(layout)
        wanted = None if self.leads_out is None else _name_list("leads_out", self.leads_out)
        self._named_ = names is not None
        if names is None and wanted is not None:
            raise ValueError(
                f"leads_out={self.leads_out!r} needs the names of the {layout.n_leads} lead(s) that come in: "
                "give lead_names."
            )
        self.lead_names_in_ = tuple(names or (f"lead{i}" for i in range(layout.n_leads)))
        self.lead_names_out_ = self.lead_names_in_ if wanted is None else wanted
        self.matrix_ = _factors(self.lead_names_in_, self.lead_names_out_)
        return RowLayout(len(self.matrix_), layout.n_timepoints, layout.n_side_features)

    def _names_in(self, layout):
        """Names of the leads that come in, None where nothing tells them."""
        if self.lead_names is None:
            return _told_by_columns(self, layout) or _BY_NUMBER.get(layout.n_leads)
        return check_lead_names(self, layout)

    def _apply(self, signals):
        return self.matrix_ @ signals

    def _n_blocks_out(self, X):
        return self.layout_out_.n_leads


def check_lead_names(estimator, layout):
    """The estimator's ``lead_names``; they must be different, one for each lead, and agree with the column names."""
    told, names = _told_by_columns(estimator, layout), _name_list("lead_names", estimator.lead_names)
    if len(names) != layout.n_leads:
        raise ValueError(f"lead_names has {len(names)} name(s), but X is read with {layout.n_leads} lead(s).")
    if told and [_plain(name) for name in told] != [_plain(name) for name in names]:
        raise ValueError(f"The column names tell the leads {', '.join(told)}, but lead_names {', '.join(names)}.")
    return names


def limb_places(names):
    """Places of I and II, and place → factors of the two of each lead that follows from them; None where none does."""
    places = {lead: lead_index(names, lead, modified=False) for lead in ("I", "II", *LIMB_LEADS)}
    followers = {places[lead]: two for lead, two in LIMB_LEADS.items() if places[lead] >= 0}
    if not followers or -1 in (places["I"], places["II"]):
        return None
    return places["I"], places["II"], followers


def _told_by_columns(estimator, layout):
    """Names of the leads told by the column names, None where they tell none or only count them."""
    told = read_lead_columns(list(getattr(estimator, "feature_names_in_", ())))
    if told is None or told[0] == [f"lead{i}" for i in range(layout.n_leads)]:
        return None
    return tuple(told[0])


def _plain(name):
    return name.lower()


def _name_list(parameter, value):
    """Tuple of different names that a parameter gives, one of them, several, or one of the named sets."""
    names = (value,) if isinstance(value, str) else tuple(value)
    if parameter == "leads_out" and len(names) == 1 and names[0] in _SETS:
        return _SETS[names[0]]
    strings = all(isinstance(name, str) for name in names)
    if not names or not strings or len({_plain(name) for name in names}) < len(names):
        raise ValueError(f"{parameter} must hold at least one lead, none twice, got {value!r}.")
    return tuple(str(name) for name in names)


def _factors(names_in, names_out):
    """Factors (n_out, n_in) of the leads that come in; ValueError that names the leads that cannot be had."""
    limb = list(LIMB_LEADS)
    one_and_two = [lead_index(names_in, name, modified=False) for name in ("I", "II")]  # a modified lead will not do
    lacking = " and ".join(lead for lead, at in zip(("I", "II"), one_and_two, strict=True) if at < 0)
    matrix, missing = np.zeros((len(names_out), len(names_in))), []
    for row, name in zip(matrix, names_out, strict=True):
        place, derived = lead_index(names_in, name), lead_index(limb, name, modified=False)
        if place >= 0:
            row[place] = 1.0
        elif derived >= 0 and not lacking:
            row[one_and_two] = LIMB_LEADS[limb[derived]]
        else:
            missing.append(f"{name} (to derive it, {lacking})" if derived >= 0 else name)
    if missing:
        raise ValueError(f"X lacks {', '.join(missing)}; it has the leads {', '.join(names_in)}.")
    return matrix
