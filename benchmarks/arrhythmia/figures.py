"""The README's figures: ROC curves, Grad-CAM and the label curve, from what the other protocols have left."""

import json
from pathlib import Path

import matplotlib
import numpy as np

from sklearn_ecg.explain import grad_cam
from sklearn_ecg.plotting import SaliencyDisplay

from .._results import RESULTS
from . import data, models
from .adapt import BUDGETS
from .protocols import rung_of

FOLDER = Path(__file__).parents[2] / "docs" / "figures"
SHOWN = ("forest", *models.ARCHITECTURES, "Top2 of models")


def figures(args):
    """Draw all of them into docs/figures."""
    matplotlib.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in {"arrhythmia_roc": roc, "arrhythmia_grad_cam": relevance, "arrhythmia_labels": labels}.items():
        draw(args).savefig(FOLDER / f"{name}.png", dpi=110, bbox_inches="tight")


def roc(args):
    """One panel for each class: ROC curves of every model on DS2, first seed."""
    import matplotlib.pyplot as plt

    metrics = json.loads((RESULTS / "arrhythmia_inter.json").read_text())["metrics"]
    classes = list(metrics["forest"]["runs"][0]["roc"])
    figure, axes = plt.subplots(1, len(classes), figsize=(3.1 * len(classes), 3.5), sharey=True, layout="constrained")
    for ax, label in zip(axes, classes, strict=True):
        for name in [name for name in SHOWN if name in metrics]:
            run = metrics[name]["runs"][0]
            curve = run["roc"][label]
            style = {"color": "0.5", "linestyle": "--"} if name == "forest" else {}
            text = f"{run['auc'][label]:.3f} {name}"
            ax.plot(curve["false_positive_rate"], curve["sensitivity"], label=text, linewidth=1.4, **style)
        ax.set(title=f"{label} against the others", xlabel="1 − specificity", xlim=(-0.02, 1), ylim=(0, 1.02))
        ax.legend(title="AUC", loc="lower right", fontsize=7, title_fontsize=7)
        ax.grid(color="0.92")
    axes[0].set_ylabel("sensitivity")
    return figure


def relevance(args, per_class=2):
    """Beats of DS2 that the ResNet recognises, coloured by Grad-CAM for their class."""
    rung = rung_of("inter", args.data_home)
    model = models.models_of("inter")["ResNet"]
    result = rung.run(model, args.seed, args, choose=False)
    in_mv = data.load("ds2", model.features, args.data_home)
    rng = np.random.default_rng(args.seed)
    right = result.predicted == result.test.y
    rows = np.concatenate([rng.permutation(np.flatnonzero(right & (result.test.y == c)))[:per_class] for c in "NSVF"])
    shown = grad_cam(result.outcome.model(), result.test.X[rows], target=result.test.y[rows])
    titles = [f"{result.test.y[row]}, record {result.test.record[row]}" for row in rows]
    display = SaliencyDisplay.from_relevance(
        in_mv.X[rows],
        shown,
        fs=data.FS,
        n_side_features=len(model.features),
        r_sample=data.R_SAMPLE,
        titles=titles,
    )
    return display.figure_


def labels(args):
    """Macro-F1 on DS2 against the number of labelled beats of each record."""
    import matplotlib.pyplot as plt

    curves = json.loads((RESULTS / "arrhythmia_adapt.json").read_text())["metrics"]["DS2"]
    figure, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
    names = [str(budget or "all") for budget in BUDGETS]
    place = np.arange(1, len(names) + 1)
    none = curves["none"]["all"]["macro_f1"]["estimate"]
    for strategy, style in {"random": "o-", "uncertain": "s--", "half of each": "^-."}.items():
        curve = {"all": curves["random"]["all"], **curves[strategy]}
        values = [curve[name]["macro_f1"]["estimate"] for name in names]
        ax.plot([0, *place], [none, *values], style, label=f"labels: {strategy}")
    forest = next(value for name, value in curves.items() if name.startswith("forest"))["all"]["macro_f1"]["estimate"]
    ax.axhline(forest, color="0.5", linestyle=":", label="forest with all labels")
    ax.set_xticks([0, *place], ["none", *names[:-1], "all of\n5 min"])
    ax.set(xlabel="labelled beats of each record", ylabel="macro-F1 (N S V F) after 5 min")
    ax.grid(color="0.92")
    ax.legend()
    return figure
