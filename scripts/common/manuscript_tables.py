"""Table 1 and Table 2 as a journal prints them: rows and notes from the full-precision CSV tables.

Word, page and report draw what is built here, each in its own form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from scripts.common.language import Language
from scripts.common.language.names import Names, spaced
from scripts.common.numbers import (
    DECIMALS,
    auc,
    count,
    count_percent,
    decimal,
    interval,
    is_missing,
    mean_sd,
    p_value,
    percent,
    percentage,
)
from scripts.common.predictors import NUMBER, YES_NO, Predictor
from scripts.common.vocabulary import EVERYONE_POSITIVE, NO_VALUE, PROPORTIONS


@dataclass(frozen=True)
class Entry:
    """A cell: its text, the interval that follows it, a mark behind both, and the number behind the text."""

    text: str
    interval: str = ""
    mark: str = ""
    value: float | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.text, self.interval) if part) + self.mark


@dataclass(frozen=True)
class Block:
    """The rows of one centre or set, and of how many patients they are."""

    name: str
    n: int
    n_op: int
    rows: Sequence[Sequence[Entry]]

    def heading(self, words: Language) -> str:
        """``External 1: n = 188, OP 119, Non-OP 69``."""
        op, non_op = words.say("op"), words.say("non_op")
        return (
            f"{self.name}: n = {count(self.n)}, {op} {count(self.n_op)}, {non_op} {count(self.n - self.n_op)}"
        )


@dataclass(frozen=True)
class ManuscriptTable:
    """A table in blocks of rows.

    ``block_title`` says what the blocks are (centre, set); ``head`` has a title for each cell of a row.
    """

    caption: str
    block_title: str
    head: Sequence[str]
    blocks: Sequence[Block]
    notes: Sequence[str] = field(default_factory=tuple)
    landscape: bool = False


def _number(value: float, text: str, mark: str = "") -> Entry:
    return Entry(text, mark=mark, value=None if is_missing(value) else float(value))


def _variable_rows(row: Mapping, words: Language, names: Names) -> list[list[Entry]]:
    variable = row["variable"]
    fisher = "" if is_missing(row["fisher_p"]) else f" [{p_value(row['fisher_p'])}]"
    ends = [
        _number(row["statistic"], decimal(row["statistic"])),
        _number(row["p_value"], p_value(row["p_value"]), fisher),
        _number(row["smd"], decimal(row["smd"], 2)),
    ]
    groups = ("op", "non_op")
    if variable in names.predictors:
        return _predictor_rows(row, names.predictors[variable], words, ends)
    if variable != "sex":
        digits = DECIMALS[variable]
        numbers = [
            _number(row[f"{g}_mean"], mean_sd(row[f"{g}_mean"], row[f"{g}_sd"], digits)) for g in groups
        ]
        return [[Entry(names.variable(variable)), *numbers, *ends]]
    rows = []
    for sex in ("male", "female"):
        counts = [(int(row[f"{g}_{sex}"]), int(row[f"{g}_n"])) for g in groups]
        numbers = [_number(n, count_percent(n, of)) for n, of in counts]
        rows.append(
            [Entry(words.say(f"variable_{sex}")), *numbers, *(ends if sex == "male" else [Entry("")] * 3)]
        )
    return rows


def _predictor_rows(
    row: Mapping, predictor: Predictor, words: Language, ends: list[Entry]
) -> list[list[Entry]]:
    """A number's mean and deviation, the number of those who said yes, or a row per level."""
    groups = ("op", "non_op")
    if predictor.type == NUMBER:
        means = [_number(row[f"{g}_mean"], NO_VALUE if is_missing(row[g]) else row[g]) for g in groups]
        return [[Entry(predictor.title), *means, *ends]]
    counts = [[int(n) for n in row[g].split("/")] for g in groups]
    if predictor.type == YES_NO:
        titles = [words.say("predictor_yes", label=predictor.label)]
    else:
        titles = [
            words.say("predictor_level", label=predictor.label, level=spaced(level))
            for level in predictor.levels
        ]
    rows = []
    for at, title in enumerate(titles):
        shown = [_number(of[at], count_percent(of[at], sum(of)) if any(of) else NO_VALUE) for of in counts]
        rows.append([Entry(title), *shown, *([Entry("")] * 3 if at else ends)])
    return rows


def table_1(
    table1: pd.DataFrame, missing: pd.DataFrame, centers: Sequence[str], words: Language, names: Names
) -> ManuscriptTable:
    """Table 1: centre by centre, OP beside non-OP, with test, P and standardised difference.

    A centre that ``table1`` has no row of has no block. Values missing and ages capped are counted below.
    """
    blocks, gaps = [], []
    for center in centers:
        part = table1[table1["center"] == center]
        if part.empty:
            continue
        first, name = part.iloc[0], names.center(center)
        op, non_op = (int(first[f"{g}_n"] + first[f"{g}_missing"]) for g in ("op", "non_op"))
        rows: list[list[Entry]] = []
        for row in part.to_dict("records"):
            rows += _variable_rows(row, words, names)
            if row["missing"]:
                gaps.append(f"{name} {names.variable(row['variable'])} {count(row['missing'])}")
        blocks.append(Block(name, op + non_op, op, rows))
    separator = words.say("list_separator")
    notes = [words.say("note1")]
    if names.predictors:
        notes.append(words.say("note1_predictors"))
    if table1["fisher_p"].notna().any():
        notes.append(words.say("note1_fisher"))
    if gaps:
        notes.append(words.say("note1_missing", list=separator.join(gaps)))
    if table1.loc[table1["variable"] == "t_score", "missing"].gt(0).any():
        notes.append(words.say("note1_t_score"))
    capped = missing.groupby("center")["n_capped"].sum()
    told = [f"{names.center(center)} {count(capped[center])}" for center in centers if capped.get(center, 0)]
    if told:
        notes.append(words.say("note1_capped", list=separator.join(told)))
    head = [words.say(key) for key in ("variable", "op", "non_op", "statistic", "p_value", "smd")]
    return ManuscriptTable(words.say("caption_table1"), words.say("center"), head, blocks, notes)


def rule_text(rule: str, words: Language) -> str:
    """How a threshold was chosen (``youden``, ``sensitivity 0.9``, ``value 0.5``, ``published``), for running
    text.
    """
    kind, _, value = rule.partition(" ")
    return words.say(f"rule_{kind}", value=value)


def engine_text(engine: Mapping[str, str], words: Language) -> str:
    """The software of DeLong's tests: ``engine`` (``r`` or ``numpy``) and the versions ``R`` and ``pROC``."""
    if engine["engine"] == "numpy":
        return words.say("engine_numpy")
    return words.say("engine_r", r=engine["R"], proc=engine["pROC"])


def reference_model(delong: pd.DataFrame) -> str | None:
    """The model that the others are compared with: the first of the first pair, which is the primary contrast
    where one is declared.

    None where a single model leaves nothing to compare.
    """
    return str(delong["model_a"].iloc[0]) if len(delong) else None


def _performance_row(row: Mapping, names: Names) -> list[Entry]:
    def measured(metric: str, show, mark: str = "") -> Entry:
        bounds = interval(row.get(f"{metric}_low"), row.get(f"{metric}_high"), show)
        value = row[metric]
        return Entry(NO_VALUE) if is_missing(value) else Entry(show(value), bounds, mark, float(value))

    logit = "†" if "logit" in str(row["auc_ci_method"]) else ""
    shares = [measured(metric, percent) for metric in PROPORTIONS]
    return [Entry(names.model(row["model"])), measured("auc", auc, logit), *shares, measured("f1", auc)]


def table_2(
    table2: pd.DataFrame,
    delong: pd.DataFrame,
    thresholds: pd.DataFrame,
    engine: Mapping[str, str],
    sets: Sequence[str],
    confidence: float,
    words: Language,
    names: Names,
) -> ManuscriptTable:
    """Table 2: per test set a row per model, with intervals, and P of its AUC against the reference model.

    With a single model there is no column of P. Thresholds that were given say so.
    """
    reference = reference_model(delong)
    against = {
        (row.set, *pair): row.p_holm
        for row in delong.itertuples()
        for pair in ((row.model_a, row.model_b), (row.model_b, row.model_a))
    }
    blocks = []
    for name in sets:
        rows = []
        part = table2[table2["set"] == name].to_dict("records")
        for row in part:
            model = row["model"]
            cells = _performance_row(row, names)
            if reference is not None:
                p = against.get((name, reference, model))
                tested = model not in (reference, EVERYONE_POSITIVE)
                cells.append(_number(p, p_value(p)) if tested else Entry(""))
            rows.append(cells)
        if part:
            blocks.append(Block(names.set(name), int(part[0]["n"]), int(part[0]["n_pos"]), rows))
    head = [words.say("model"), words.say("auc")]
    head += [words.say("in_percent", name=words.say(metric)) for metric in PROPORTIONS]
    head.append(words.say("f1"))
    notes = [
        words.say("note2", level=f"{percentage(confidence)}%"),
        *_threshold_notes(thresholds[thresholds["model"].isin(table2["model"])], words, names),
    ]
    if reference is not None:
        shown = names.model(reference)
        head.append(words.say("p_against", model=shown))
        notes.append(words.say("note2_p", model=shown, engine=engine_text(engine, words)))
    notes += [words.say("note2_everyone"), words.say("note2_empty")]
    return ManuscriptTable(words.say("caption_table2"), words.say("set"), head, blocks, notes, landscape=True)


def _threshold_notes(thresholds: pd.DataFrame, words: Language, names: Names) -> list[str]:
    """One sentence on where the thresholds come from, and their values."""
    if thresholds.empty:
        return []
    cuts = words.say("list_separator").join(
        f"{names.model(row.model)} {decimal(row.threshold)}" for row in thresholds.itertuples()
    )
    rule = str(thresholds["rule"].iloc[0])
    if rule.startswith("value"):
        return [words.say("note2_given", list=cuts)]
    return [words.say("note2_frozen", rule=rule_text(rule, words), list=cuts)]
