"""The course of a training."""

from typing import Any

from ._axes import BLUE, GREEN, VERMILION, last_step, pyplot


class HistoryDisplay:
    """Losses of a training, and its validation score, over the epochs; made by :meth:`from_estimator`.

    Parameters
    ----------
    history : list of dict
        One for each epoch: ``epoch``, ``train_loss``, and ``valid_loss`` and ``valid_score`` where there was a
        validation set.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the losses.
    score_ax_ : matplotlib Axes or None
        Axes of the score, at the right; None without one.
    figure_ : matplotlib Figure
    """

    def __init__(self, history: Any) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **params: Any) -> Any:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted, with the attribute ``history_``; in a Pipeline it is the last step.
        ax, **params
            As in :meth:`plot`.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        TypeError
            If the estimator keeps no history.
        """
        last = last_step(estimator)
        if not hasattr(last, "history_"):
            raise TypeError(f"{type(last).__name__} has no history_: it is not fitted, or keeps none.")
        return cls(last.history_).plot(ax, **params)

    def plot(self, ax: Any = None, *, score_name: str = "validation score") -> Any:
        """Draw the losses at the left scale and the score at the right one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw.
        score_name : str, default="validation score"
            Name of the score.

        Returns
        -------
        display : HistoryDisplay
        """
        ax = pyplot().subplots(figsize=(6.4, 4), layout="constrained")[1] if ax is None else ax
        self.ax_, self.figure_, self.score_ax_ = ax, ax.figure, None
        lines = self._draw(ax, "train_loss", color=BLUE, label="training loss")
        lines += self._draw(ax, "valid_loss", color=VERMILION, linestyle="--", label="validation loss")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        if any("valid_score" in row for row in self.history):
            self.score_ax_ = ax.twinx()
            lines += self._draw(self.score_ax_, "valid_score", color=GREEN, linestyle=":", label=score_name)
            self.score_ax_.set_ylabel(score_name, color=GREEN)
            self.score_ax_.tick_params(axis="y", colors=GREEN)
        ax.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(lines), frameon=False)
        return self

    def _draw(self, ax, key, **style):
        points = [(row["epoch"], row[key]) for row in self.history if key in row]
        marker = "o" if len(points) == 1 else None
        return ax.plot(*zip(*points, strict=True), linewidth=2, marker=marker, **style) if points else []
