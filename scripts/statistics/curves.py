"""The figures with curves: ROC, decision curves, calibration. One panel per test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory, offset_copy

from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.numbers import auc as auc_text
from scripts.common.numbers import count, percentage, with_interval
from scripts.common.vocabulary import TREAT_ALL, TREAT_NONE
from scripts.statistics.calibration import FEWEST
from scripts.statistics.decision_curves import best_strategies
from scripts.statistics.scored_cohort import arrays
from scripts.statistics.style import (
    GREY,
    INK,
    PALE,
    colors_of,
    letter,
    line_styles_of,
    make_room_for_legends,
    make_room_for_titles,
    mark_synthetic,
    markers_of,
    panels,
    shared_legend,
    with_detail,
)


@dataclass(frozen=True)
class Look:
    """What all figures share: models in order, sets in order, words and names, colours, whether patients are
    simulated, and the level of the intervals (0.95)."""

    models: Sequence[str]
    sets: Sequence[str]
    language: Language
    names: Names
    colors: Mapping[str, str]
    synthetic: bool
    confidence: float = 0.95


def roc_points(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - specificity and sensitivity from (0, 0) to (1, 1), one point per distinct score."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(labels[order] == 1)[ends]
    misses = ends + 1 - hits
    n_pos = int((labels == 1).sum())
    return (
        np.concatenate([[0.0], misses / (len(labels) - n_pos)]),
        np.concatenate([[0.0], hits / n_pos]),
    )


def _say(axis, text: str) -> None:
    axis.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axis.transAxes)


def _head(axis, position: int, look: Look, name: str, n: int, n_pos: int, **more: object) -> None:
    detail = f"(n = {count(n)}, {look.language.say('op')} {count(n_pos)})"
    letter(axis, position, look.names.set(name), detail, **more)


def draw_roc(predictions: pd.DataFrame, table2: pd.DataFrame, look: Look) -> Figure:
    """ROC curves with AUC and interval in the legend; a mark stands at each frozen threshold."""
    figure, axes = panels(len(look.sets), 3.1)
    words, styles, colors = look.language, line_styles_of(look.models), colors_of(look.models, look.colors)
    markers = markers_of(look.models)
    rows = table2.set_index(["set", "model"])
    small = matplotlib.rcParams["legend.fontsize"]
    width = (
        figure.get_size_inches()[0] / min(len(axes), 3) - 0.35 - 3.2 * small / 72
    )  # beside the lines' samples
    below = 3.9 * matplotlib.rcParams["font.size"]  # room for the axis' numbers and name
    for i, (axis, name) in enumerate(zip(axes, look.sets, strict=True)):
        labels, scores = arrays(predictions[predictions["set"] == name], list(look.models))
        n, n_pos = len(labels), int(labels.sum())
        _head(axis, i, look, name, n, n_pos)
        axis.set(
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            xlabel=words.say("false_positive_axis"),
            ylabel=words.say("sensitivity"),
        )
        axis.set_aspect("equal", anchor="N")
        axis.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, zorder=0)
        if not 0 < n_pos < n:
            _say(axis, words.say("one_class") if n else words.say("no_patients"))
            continue
        for model, values in zip(look.models, scores, strict=True):
            row = rows.loc[(name, model)]
            auc = with_interval(row["auc"], row["auc_low"], row["auc_high"], auc_text)
            x, y = roc_points(labels, values)
            axis.plot(
                x,
                y,
                color=colors[model],
                linestyle=styles[model],
                clip_on=False,
                marker=markers[model],
                markevery=[],
                markersize=4,
                label=with_detail(look.names.model(model), auc, width, small),
            )
            axis.plot(
                1 - row["specificity"],
                row["sensitivity"],
                markers[model],
                color=colors[model],
                markersize=4.5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                clip_on=False,
                zorder=4,
            )
        axis.legend(
            title=words.say("auc_ci", level=f"{percentage(look.confidence)}%"),
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            bbox_transform=offset_copy(axis.transAxes, figure, y=-below, units="points"),
            alignment="left",
            frameon=False,
            borderaxespad=0,
        )
    make_room_for_titles(figure, axes)
    _make_room_for_lines(figure, axes)
    if look.synthetic:
        mark_synthetic(figure, words)
    make_room_for_legends(figure, axes)
    return figure


LINES = 3
"""Lines of a legend below a panel of ROC curves for which the panels leave room."""


def _make_room_for_lines(figure: Figure, axes: Sequence) -> None:
    """Make the figure higher by the further lines of the longest legend below a panel, in each row."""
    names = [axis.get_legend_handles_labels()[1] for axis in axes]
    lines = max(sum(name.count("\n") + 1 for name in own) for own in names)
    rows = axes[-1].get_subplotspec().rowspan.start + 1
    more = rows * max(lines - LINES, 0) * matplotlib.rcParams["legend.fontsize"] * 1.55 / 72
    figure.set_size_inches(figure.get_size_inches()[0], figure.get_size_inches()[1] + more)


def _shade(look: Look) -> float:
    """How dark a band is drawn: the more models, the paler, so that the curves stay legible."""
    return min(0.09, 0.27 / len(look.models))


STRIP_POINTS = 3
"""Points from one to the next of the lines over a decision curve that show which strategy is best."""


def _strip_height(look: Look) -> float:
    """Height in points of these lines: one for each model and the two strategies beside them."""
    return STRIP_POINTS * (len(look.models) + 2)


def _best_strip(axis, part: pd.DataFrame, look: Look) -> None:
    """Over the panel, a line per strategy where its net benefit is the highest, in its colour and style at a
    height of its own.
    """
    styles, colors = line_styles_of(look.models), colors_of(look.models, look.colors)
    colors |= {TREAT_ALL: GREY, TREAT_NONE: INK}
    order = [TREAT_NONE, TREAT_ALL, *look.models]
    grid = np.unique(part["threshold"])
    half = np.diff(grid).min() / 2 if len(grid) > 1 else 0.005
    for strategy, low, high in best_strategies(part, look.models):
        height = STRIP_POINTS * (order.index(strategy) + 1)
        place = offset_copy(axis.transAxes, axis.figure, y=height, units="points")
        axis.plot(
            [max(low - half, 0), min(high + half, grid[-1])],
            [1, 1],
            transform=blended_transform_factory(axis.transData, place),
            color=colors[strategy],
            linestyle=styles.get(strategy, "solid"),
            linewidth=2,
            solid_capstyle="butt",
            clip_on=False,
            scalex=False,
            scaley=False,
        )


def draw_decision_curves(net_benefit: pd.DataFrame, table2: pd.DataFrame, look: Look) -> Figure:
    """Net benefit over threshold probabilities, with treating everyone and nobody.

    Lines over a panel show where which strategy has the highest net benefit (``best_strategies``). A panel of
    a set with fewer than
    ``FEWEST`` events or non-events says so; one with a single class has no curve.
    """
    figure, axes = panels(len(look.sets), 2.7 + (_strip_height(look) - 15) / 72)
    words, styles, colors = look.language, line_styles_of(look.models), colors_of(look.models, look.colors)
    sizes = table2.drop_duplicates("set").set_index("set")
    for i, (axis, name) in enumerate(zip(axes, look.sets, strict=True)):
        n, n_pos = (int(sizes.loc[name, column]) for column in ("n", "n_pos"))
        _head(axis, i, look, name, n, n_pos, pad=_strip_height(look) + 5)
        axis.set(xlabel=words.say("threshold_axis"), ylabel=words.say("net_benefit"))
        part = net_benefit[net_benefit["set"] == name]
        if not len(part):
            _say(axis, words.say("no_patients"))
            continue
        if not 0 < n_pos < n:
            said = words.say("sizes", events=count(n_pos), non_events=count(n - n_pos))
            _say(axis, f"{words.say('no_curve')}\n{said}")
            continue
        for model in (TREAT_ALL, TREAT_NONE):
            rows = part[part["model"] == model]
            axis.plot(
                rows["threshold"],
                rows["net_benefit"],
                color=INK if model == TREAT_NONE else GREY,
                linewidth=0.8,
                label=look.names.model(model),
            )
        for model in look.models:
            rows = part[part["model"] == model]
            axis.fill_between(
                rows["threshold"],
                rows["net_benefit_low"],
                rows["net_benefit_high"],
                color=colors[model],
                alpha=_shade(look),
                linewidth=0,
            )
            axis.plot(
                rows["threshold"],
                rows["net_benefit"],
                color=colors[model],
                linestyle=styles[model],
                label=look.names.model(model),
            )
        top = max(float(part["net_benefit_high"].max()), 0.1)
        few = min(n_pos, n - n_pos) < FEWEST
        axis.set(xlim=(0, float(part["threshold"].max())), ylim=((-0.4 if few else -0.15) * top, 1.02 * top))
        _best_strip(axis, part, look)
        if few:
            said = words.say("imprecise", events=count(n_pos), non_events=count(n - n_pos))
            small = matplotlib.rcParams["legend.fontsize"]
            axis.text(0.03, 0.04, said, transform=axis.transAxes, fontsize=small, color=GREY)
    make_room_for_titles(figure, axes)
    shared_legend(figure, axes, words.say("best_strip"))
    if look.synthetic:
        mark_synthetic(figure, words)
    return figure


def draw_calibration(predictions: pd.DataFrame, curve: pd.DataFrame, look: Look) -> Figure:
    """Smoothed calibration curves with bands; below, how the scores are spread. A set too small says so."""
    figure, axes = panels(len(look.sets), 2.75)
    words, styles, colors = look.language, line_styles_of(look.models), colors_of(look.models, look.colors)
    for i, (axis, name) in enumerate(zip(axes, look.sets, strict=True)):
        labels, scores = arrays(predictions[predictions["set"] == name], list(look.models))
        n, n_pos = len(labels), int(labels.sum())
        _head(axis, i, look, name, n, n_pos)
        axis.set(
            xlim=(0, 1), ylim=(0, 1), xlabel=words.say("predicted_axis"), ylabel=words.say("observed_axis")
        )
        axis.set_aspect("equal")
        if min(n_pos, n - n_pos) < FEWEST:
            why = (
                words.say("too_few", events=count(n_pos), non_events=count(n - n_pos), fewest=FEWEST)
                if n
                else words.say("no_patients")
            )
            _say(axis, f"{words.say('no_curve')}\n{why}")
            continue
        axis.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, zorder=0)
        absent = []
        for model, values in zip(look.models, scores, strict=True):
            points = curve[(curve["set"] == name) & (curve["model"] == model)]
            if len(points):
                axis.fill_between(
                    points["predicted"],
                    points["observed_low"],
                    points["observed_high"],
                    color=colors[model],
                    alpha=_shade(look),
                    linewidth=0,
                )
            else:
                absent.append(f"{words.say('no_curve')}: {look.names.model(model)}")
            axis.plot(
                points["predicted"],
                points["observed"],
                color=colors[model],
                linestyle=styles[model],
                label=look.names.model(model),
            )
            heights, edges = np.histogram(values, bins=40, range=(0, 1))
            axis.step(
                edges[:-1],
                heights / max(heights.max(), 1) * 0.08,
                where="post",
                color=colors[model],
                linewidth=0.5,
                alpha=0.7,
            )
        axis.text(
            0.98, 0.12, "\n".join(absent), ha="right", va="bottom", color=GREY, transform=axis.transAxes
        )
    make_room_for_titles(figure, axes)
    shared_legend(figure, axes)
    if look.synthetic:
        mark_synthetic(figure, words)
    return figure
