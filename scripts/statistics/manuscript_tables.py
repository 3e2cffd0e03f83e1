"""Table 1 and Table 2 as a journal prints them: texts from the full-precision CSV tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.common.vocabulary import EVERYONE_POSITIVE, NO_VALUE, PROPORTIONS
from scripts.statistics.cohort_description import DECIMALS, VARIABLES, mean_sd
from scripts.statistics.three_line import Table
from scripts.statistics.words import Language, p_text, signed, with_interval


def _count(n: int, of: int) -> str:
    return f"{n} ({n / of * 100:.1f})" if of else f"{n}"


def _variable_rows(row: Mapping, words: Language) -> list[list[str]]:
    variable = row["variable"]
    p = p_text(row["p_value"])
    fisher = row["fisher_p"]
    if not np.isnan(fisher):
        p += f" [{p_text(fisher)}]"
    ends = [signed(row["statistic"], 3), p, signed(row["smd"], 2)]
    if variable != "sex":
        numbers = [
            mean_sd(row[f"{g}_mean"], row[f"{g}_sd"], DECIMALS[variable]).replace("-", "−") or NO_VALUE
            for g in ("op", "non_op")
        ]
        return [[words(variable), *numbers, *ends]]
    rows = []
    for sex in ("male", "female"):
        numbers = [_count(int(row[f"{g}_{sex}"]), int(row[f"{g}_n"])) for g in ("op", "non_op")]
        rows.append([words(sex), *numbers, *(ends if sex == "male" else ["", "", ""])])
    return rows


def table_1(
    table1: pd.DataFrame, missing: pd.DataFrame, centers: Sequence[str], words: Language, synthetic: bool
) -> Table:
    """Table 1: centre by centre, OP beside non-OP, with test, P and standardised difference."""
    body: list[list[str]] = []
    gaps = []
    for center in centers:
        part = table1[table1["center"] == center].set_index("variable", drop=False)
        if not len(part):
            continue
        first = part.iloc[0]
        op, non_op = (int(first[f"{g}_n"] + first[f"{g}_missing"]) for g in ("op", "non_op"))
        name = words.place(center)
        body.append([f"{name}: n = {op + non_op}, {words('op')} {op}, {words('non_op')} {non_op}"])
        for variable in part.index.intersection(VARIABLES, sort=False):
            row = part.loc[variable]
            body += _variable_rows(row, words)
            if row["missing"]:
                gaps.append(f"{name} {words(variable)} {int(row['missing'])}")
    notes = [words("note1")]
    if not table1["fisher_p"].isna().all():
        notes.append(words("note1_fisher"))
    if gaps:
        notes.append(words("note1_missing", list=words.comma.join(gaps)))
    if table1.loc[table1["variable"] == "t_score", "missing"].gt(0).any():
        notes.append(words("note1_t_score"))
    capped = missing.groupby("center")["n_capped"].sum()
    capped = [f"{words.place(center)} {int(capped[center])}" for center in centers if capped.get(center, 0)]
    if capped:
        notes.append(words("note1_capped", list=words.comma.join(capped)))
    head = [
        words("variable"),
        words("op"),
        words("non_op"),
        words("statistic"),
        words("p_value"),
        words("smd"),
    ]
    return Table(words("table1"), head, body, notes, words("synthetic") if synthetic else "", words.code)


def _rule_text(rule: str, words: Language) -> str:
    kind, _, value = rule.partition(" ")
    return words("youden") if kind == "youden" else words("sensitivity_rule", value=value)


def reference_model(delong: pd.DataFrame) -> str | None:
    """The model that the others are compared with: the first of the first pair, which is the primary contrast
    where one is declared.

    None where a single model leaves nothing to compare.
    """
    return str(delong["model_a"].iloc[0]) if len(delong) else None


def table_2(
    table2: pd.DataFrame,
    delong: pd.DataFrame,
    thresholds: pd.DataFrame,
    engine: Mapping[str, str],
    sets: Sequence[str],
    reference: str | None,
    confidence: float,
    words: Language,
    synthetic: bool,
) -> Table:
    """Table 2: per test set a row per model, with intervals, and P of its AUC against the ``reference``
    model.

    Without a reference (a single model) there is no column of P. Thresholds that were given say so.
    """
    body: list[list[str]] = []
    against = {
        (row.set, *pair): row.p_holm
        for row in delong.itertuples()
        for pair in ((row.model_a, row.model_b), (row.model_b, row.model_a))
    }
    for name in sets:
        part = table2[table2["set"] == name]
        n, n_pos = int(part["n"].iloc[0]), int(part["n_pos"].iloc[0])
        body.append([f"{words.place(name)}: n = {n}, {words('op')} {n_pos}, {words('non_op')} {n - n_pos}"])
        for _, row in part.iterrows():
            model = row["model"]
            auc = with_interval(row["auc"], row["auc_low"], row["auc_high"], 3)
            cells = [words.model(model), auc + ("†" if "logit" in str(row["auc_ci_method"]) else "")]
            for metric in PROPORTIONS:
                cells.append(with_interval(row[metric], row[f"{metric}_low"], row[f"{metric}_high"], 1, 100))
            cells.append(with_interval(row["f1"], row["f1_low"], row["f1_high"], 3))
            if reference is not None:
                p = against.get((name, reference, model), float("nan"))
                cells.append("" if model in (reference, EVERYONE_POSITIVE) else p_text(p))
            body.append(cells)
    cuts = words.comma.join(
        f"{words.model(row.model)} {row.threshold:.3f}" for row in thresholds.itertuples()
    )
    said = "NumPy" if engine["engine"] == "numpy" else f"R {engine['R']}, pROC {engine['pROC']}"
    rule = str(thresholds["rule"].iloc[0])
    level = f"{confidence * 100:g}%"
    frozen = (
        words("note2_given", list=cuts)
        if rule.startswith("value")
        else words("note2_frozen", rule=_rule_text(rule, words), list=cuts)
    )
    notes = [words("note2", level=level) + frozen]
    if reference is not None:
        notes.append(words("note2_p", model=words.model(reference), engine=said))
    notes.append(words("note2_empty"))
    head = [words("model"), words("auc")]
    head += [words(m) for m in ("sensitivity", "specificity", "accuracy", "ppv", "npv", "f1")]
    if reference is not None:
        head.append(words("p_against", model=words.model(reference)))
    return Table(
        words("table2"),
        head,
        body,
        notes,
        words("synthetic") if synthetic else "",
        words.code,
        landscape=True,
    )
