"""Small cells of a run's aggregate tables, hidden, with what would give them away.

A cell is a number of people with something in common. One from 1 to ``smallest - 1`` is written ``<smallest``. Where a published
total would give it back, further cells are written ``hidden`` (complementary suppression, as in A. Hundepool et al.,
Statistical Disclosure Control, Wiley 2012, chapter 4), and so is what is computed from a hidden cell. All is done with
whole rows and blocks where less would do: a table shows too little rather than too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Row = dict[str, str]
Table = list[Row]
HIDDEN = "hidden"


def whole(text: str) -> int | None:
    """The whole number in a cell, None where there is none."""
    text = text.strip()
    return int(float(text)) if text else None


def hide_small(counts: list[int], smallest: int) -> list[str]:
    """What to write over each of ``counts``, whose sum is known: ``""`` (nothing), ``<smallest`` or ``hidden``.

    Small counts are hidden. Where the known sum of the hidden ones leaves one of them a single value, the smallest other
    count above ``smallest`` is hidden too; where there is none, all are, and none is marked as small.
    """
    small = [at for at, count in enumerate(counts) if 0 < count < smallest]
    marks = [""] * len(counts)
    if not small:
        return marks
    total = sum(counts[at] for at in small)
    for at in small:
        marks[at] = f"<{smallest}"
    if len(small) > 1 and len(small) < total < len(small) * (smallest - 1):
        return marks
    others = [at for at, count in enumerate(counts) if count > smallest]
    if not others:
        return [HIDDEN] * len(counts)
    marks[min(others, key=lambda at: (counts[at], at))] = HIDDEN
    return marks


@dataclass(frozen=True)
class Sets:
    """Sizes of the study's sets and what of them may be told.

    ``size`` holds patients and patients with osteoporosis by set; ``closed`` the sets in which either class is small, and with
    one of the development centre's sets the other, since their sum is known.
    """

    size: dict[str, tuple[int, int]]
    closed: frozenset[str]
    smallest: int

    def small(self, *counts: int) -> bool:
        """Whether any of ``counts`` is a small cell."""
        return any(0 < count < self.smallest for count in counts)


def sets_of(cohort: Iterable[Row], smallest: int) -> Sets:
    """The sets of a cohort table; only ``set`` and ``label`` are read."""
    size: dict[str, tuple[int, int]] = {}
    for row in cohort:
        n, n_pos = size.get(row["set"], (0, 0))
        size[row["set"]] = (n + 1, n_pos + int(row["label"]))
    found = Sets(size, frozenset(), smallest)
    closed = {name for name, (n, n_pos) in size.items() if found.small(n, n_pos, n - n_pos)}
    if closed & {"train", "internal_test"}:
        closed |= {"train", "internal_test"}
    return Sets(size, frozenset(closed), smallest)


def _hide(row: Row, columns: Iterable[str]) -> None:
    for column in columns:
        if row.get(column, "") != "":
            row[column] = HIDDEN


def _ends(*names: str) -> list[str]:
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]


_OF_POSITIVES = ["tp", "fn", *_ends("sensitivity")]
_OF_NEGATIVES = ["tn", "fp", *_ends("specificity")]
_OF_BOTH = _ends("accuracy", "ppv", "npv", "f1", "net_benefit")


def hide_outcomes(row: Row, sets: Sets) -> bool:
    """Hide small cells of a model's confusion matrix, the cell beside each and all that follows from them; whether it did.

    Where the cells themselves don't stand in the row they are counted back from sensitivity and specificity.
    """
    n, n_pos = whole(row["n"]), whole(row["n_pos"])
    if n is None or n_pos is None:
        return False
    hidden = False
    for metric, total, cells, columns in (
        ("sensitivity", n_pos, ("tp", "fn"), _OF_POSITIVES),
        ("specificity", n - n_pos, ("tn", "fp"), _OF_NEGATIVES),
    ):
        if row.get(metric, "") == "":
            continue
        right = round(float(row[metric]) * total)
        found = {cells[0]: right, cells[1]: total - right}
        if not sets.small(*found.values()):
            continue
        marked = False
        for cell in cells:
            small = 0 < found[cell] < sets.smallest and not marked
            marked = marked or small
            if cell in row:
                row[cell] = f"<{sets.smallest}" if small else HIDDEN
        _hide(row, [column for column in columns if column not in cells])
        hidden = True
    if hidden:
        _hide(row, _OF_BOTH)
    return hidden


def close_row(row: Row, keys: Iterable[str]) -> None:
    """Hide everything in a row but its keys."""
    kept = set(keys)
    _hide(row, [column for column in row if column not in kept])


# ------------------------------------------------------------------------------------------------ tables


@dataclass(frozen=True)
class Rules:
    """How a table is packed: the columns it may have, those that name a row, and the function that hides cells in place."""

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    hide: Callable[[Table, Rules, Sets, bool], None]


def _by_set(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Rows of a set and model: those of closed sets are closed; outcomes are hidden where small."""
    for row in rows:
        if row["set"] in sets.closed or row["set"] not in sets.size:
            close_row(row, rules.keys)
        elif not keep_outcomes and {"n", "n_pos"} <= row.keys():
            hide_outcomes(row, sets)
            if sets.small(whole(row.get("n_clipped", "")) or 0):
                _hide(row, ["n_clipped"])


def _thresholds(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    for row in rows:
        if "train" in sets.closed:
            _hide(row, ["n", "n_pos", "sensitivity", "specificity"])
        elif not keep_outcomes:
            hide_outcomes(row, sets)


def _nested(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Rows of a part of a set: closed where the part, or what two parts differ by, has a small cell."""
    for name in {row["set"] for row in rows}:
        of_set = [row for row in rows if row["set"] == name]
        if name in sets.closed or name not in sets.size:
            for row in of_set:
                close_row(row, rules.keys)
            continue
        told = {sets.size[name]}
        for part in sorted({(int(row["n"]), int(row["n_pos"])) for row in of_set}, reverse=True):
            n, n_pos = part
            differences = [abs(d) for m, m_pos in told for d in (m_pos - n_pos, (m - m_pos) - (n - n_pos))]
            if sets.small(n, n_pos, n - n_pos, *differences):
                for row in of_set:
                    if row["n"] != HIDDEN and (int(row["n"]), int(row["n_pos"])) == part:
                        close_row(row, rules.keys)
            else:
                told.add(part)
    if not keep_outcomes:
        for row in rows:
            if row["n"] != HIDDEN:
                hide_outcomes(row, sets)
    by_analysis = {(row["set"], row["model"]) for row in rows if row.get("analysis") == "main" and HIDDEN in (row["auc"], row["n"])}
    for row in rows:
        if (row["set"], row["model"]) in by_analysis:
            _hide(row, ["auc_minus_main"])


def _subgroups(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """A subgroup variable of a set is closed as a block where any level of it has a small cell, or levels don't add up."""
    for name, subgroup in {(row["set"], row["subgroup"]) for row in rows}:
        block = [row for row in rows if (row["set"], row["subgroup"]) == (name, subgroup)]
        levels = {row["level"]: (int(row["n"]), int(row["n_pos"])) for row in block}
        n, n_pos = (sum(size[at] for size in levels.values()) for at in (0, 1))
        cells = [cell for m, m_pos in levels.values() for cell in (m, m_pos, m - m_pos)]
        whole_n, whole_pos = sets.size.get(name, (0, 0))
        missing = (whole_n - n, whole_pos - n_pos, whole_n - n - whole_pos + n_pos)
        if name in sets.closed or name not in sets.size or sets.small(*cells, *(abs(part) for part in missing)):
            for row in block:
                close_row(row, rules.keys)
        elif not keep_outcomes:
            for row in block:
                hide_outcomes(row, sets)


def _shortcuts(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Rows of closed sets are closed; manufacturers of a set are levels of one variable and close as a block."""
    _by_set([row for row in rows if row["analysis"] != "within_manufacturer"], rules, sets, keep_outcomes)
    makers = [row for row in rows if row["analysis"] == "within_manufacturer"]
    for name in {row["set"] for row in makers}:
        block = [row for row in makers if row["set"] == name]
        cells = [cell for row in block for cell in (int(row["n"]), int(row["n_pos"]), int(row["n"]) - int(row["n_pos"]))]
        if name in sets.closed or name not in sets.size or sets.small(*cells):
            for row in block:
                close_row(row, rules.keys)


def _table1(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Centre by variable; all counts of a row fall together."""
    counts = ["op_n", "op_missing", "non_op_n", "non_op_missing", "n", "missing"]
    sexes = ["op_male", "op_female", "non_op_male", "non_op_female"]
    for row in rows:
        known = {column: whole(row[column]) or 0 for column in (*counts, *sexes)}
        totals = (known["op_n"] + known["op_missing"], known["non_op_n"] + known["non_op_missing"])
        tested = ["statistic", "df", "p_value", "fisher_p", "min_expected"]
        if sets.small(*totals):
            close_row(row, rules.keys)
            continue
        if sets.small(*(known[column] for column in counts)):
            _hide(row, [*counts, *tested])
        if row["variable"] == "sex" and sets.small(*(known[column] for column in (*counts, *sexes))):
            _hide(row, [*sexes, *tested, "op", "non_op", "smd"])


def _missing(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Missing values by set; a centre's sets fall together, since Table 1 has their sum."""
    for center, variable in {(row["center"], row["variable"]) for row in rows}:
        block = [row for row in rows if (row["center"], row["variable"]) == (center, variable)]
        for column in ("n_missing", "n_capped"):
            if any(sets.small(whole(row[column]) or 0) for row in block):
                for row in block:
                    row[column] = f"<{sets.smallest}" if len(block) == 1 else HIDDEN
    for row in rows:
        if row["set"] in sets.closed:
            close_row(row, rules.keys)


def _flow(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """The flow of each centre: what is left out adds up with who is included to who was found."""
    for center in {row["center"] for row in rows}:
        of_center = [row for row in rows if row["center"] == center]
        out = [row for row in of_center if row["kind"] == "excluded"]
        marks = hide_small([int(row["n_patients"]) for row in out], sets.smallest)
        for row, mark in zip(out, marks):
            n, n_op, n_any = (whole(row[column]) for column in ("n_patients", "n_op", "n_any"))
            if mark:
                row["n_patients"] = mark
                _hide(row, ["n_op", "n_any"])
                continue
            if n_op is not None and sets.small(n_op, n - n_op):
                _hide(row, ["n_op"])
            if n_any is not None and sets.small(n_any, n_any - n):
                row["n_any"] = HIDDEN
        for row in of_center:
            n, n_op = whole(row["n_patients"]) if row["kind"] != "excluded" else None, whole(row["n_op"]) if row["kind"] != "excluded" else None
            closed = row["kind"] == "set" and row["step"] in sets.closed
            if n is not None and (closed or sets.small(n, n_op or 0, n - (n_op or 0))):
                _hide(row, ["n_patients", "n_op", "n_any"])
        included = next((row for row in of_center if row["kind"] == "included"), None)
        if included is not None and included["n_patients"] == HIDDEN:  # found less the excluded would give it back
            for row in out:
                if row["n_patients"] not in ("0", HIDDEN):
                    row["n_patients"] = HIDDEN
                    _hide(row, ["n_op", "n_any"])


def _counts(column: str, *of: str) -> Callable[[Table, Rules, Sets, bool], None]:
    """Counts whose sum within the columns ``of`` is known."""

    def hide(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
        for group in {tuple(row[name] for name in of) for row in rows}:
            block = [row for row in rows if tuple(row[name] for name in of) == group]
            for row, mark in zip(block, hide_small([int(row[column]) for row in block], sets.smallest)):
                row[column] = mark or row[column]

    return hide


def _as_it_is(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """No column counts people."""


def _metrics(*names: str) -> tuple[str, ...]:
    return tuple(_ends(*names)) + tuple(f"{name}_ci_method" for name in names)


_SIZE = ("n", "n_pos")

TABLES: dict[str, Rules] = {
    "cohort/flow.csv": Rules(("center", "step", "n_patients", "n_op", "kind", "n_any"), ("center", "step", "kind"), _flow),
    "statistics/thresholds.csv": Rules(
        ("model", "threshold", "rule", "sensitivity", "specificity", *_SIZE, "ties"), ("model", "threshold", "rule", "ties"), _thresholds
    ),
    "statistics/table1.csv": Rules(
        (
            "center", "variable", "op", "non_op", "statistic", "test", "p_value", "fisher_p", "smd", "df", "n", "missing",
            *(f"{group}_{cell}" for group in ("op", "non_op") for cell in ("n", "missing", "mean", "sd", "male", "female")),
            "min_expected", "note",
        ),
        ("center", "variable", "test"),
        _table1,
    ),
    "statistics/table2.csv": Rules(
        (
            "set", "model", *_SIZE, *_metrics("auc", "sensitivity", "specificity", "accuracy", "ppv", "npv", "f1"), "auc_wald_low",
            "auc_wald_high", "auc_logit_low", "auc_logit_high", "threshold", "tp", "fp", "tn", "fn",
        ),
        ("set", "model", "threshold"),
        _by_set,
    ),
    "statistics/folds.csv": Rules(("set", "fold", *_SIZE, *_metrics("auc")), ("set", "fold"), _by_set),
    "statistics/delong.csv": Rules(
        (
            "set", "model_a", "model_b", "auc_a", "auc_b", *_ends("difference"), "z", "p_value", "p_holm", "engine", "primary",
            *_SIZE, "note",
        ),
        ("set", "model_a", "model_b", "engine", "primary"),
        _by_set,
    ),
    "statistics/calibration.csv": Rules(
        (
            "set", "model", *_SIZE, *_ends("intercept", "slope", "o_e"), "brier", "brier_no_model", "ici", "smoother", "ci_method",
            "n_clipped", "note",
        ),
        ("set", "model", "smoother", "ci_method"),
        _by_set,
    ),
    "statistics/calibration_curve.csv": Rules(
        ("set", "model", "predicted", *_ends("observed")), ("set", "model"), _by_set
    ),
    "statistics/net_benefit.csv": Rules(
        ("set", "model", "threshold", *_metrics("net_benefit")), ("set", "model", "threshold"), _by_set
    ),
    "statistics/subgroups.csv": Rules(
        ("set", "model", "subgroup", "level", *_SIZE, *_metrics("auc", "sensitivity", "specificity")),
        ("set", "model", "subgroup", "level"),
        _subgroups,
    ),
    "statistics/prevalence.csv": Rules(
        (
            "population", "from_age", "prevalence", "set", "model", *_SIZE, "threshold",
            *_ends("sensitivity", "specificity", "ppv", "npv", "net_benefit"), "ci_method", "note",
        ),
        ("population", "from_age", "prevalence", "set", "model", "threshold", "ci_method"),
        _nested,
    ),
    "statistics/sensitivity.csv": Rules(
        ("analysis", "set", "model", *_SIZE, *_metrics("auc", "sensitivity", "specificity"), "auc_minus_main"),
        ("analysis", "set", "model"),
        _nested,
    ),
    "statistics/missing.csv": Rules(
        ("center", "set", "variable", "n", "n_missing", "n_capped"), ("center", "set", "variable"), _missing
    ),
    "statistics/baseline_performance.csv": Rules(
        (
            "set", "model", *_SIZE, *_metrics("auc", "sensitivity", "specificity", "accuracy", "ppv", "npv", "f1"), "auc_wald_low",
            "auc_wald_high", "auc_logit_low", "auc_logit_high", "threshold", "tp", "fp", "tn", "fn", "rule", "brier",
        ),
        ("set", "model", "threshold", "rule"),
        _by_set,
    ),
    "statistics/baseline_delong.csv": Rules(
        (
            "set", "model_a", "model_b", "auc_a", "auc_b", *_ends("difference"), "z", "p_value", "p_holm", "engine", "primary",
            *_SIZE, "note",
        ),
        ("set", "model_a", "model_b", "engine", "primary"),
        _by_set,
    ),
    "statistics/shortcuts.csv": Rules(
        (
            "set", "analysis", "subject", "against", *_SIZE, "r2_adjusted", "r2_cross_validated", "r2_partial", "p_partial",
            *_metrics("auc"), *_ends("difference"), "p_value", "engine", "note",
        ),
        ("set", "analysis", "subject", "against", "engine"),
        _shortcuts,
    ),
    "boosting/clinical/importance.csv": Rules(("feature", "gain", "cover", "n_splits"), ("feature",), _as_it_is),
    "boosting/combined/importance.csv": Rules(("feature", "gain", "cover", "n_splits"), ("feature",), _as_it_is),
    "intake/table_issues.csv": Rules(
        ("center", "table", "reason", "n_rows"), ("center", "table", "reason"), _counts("n_rows", "center", "table")
    ),
    "intake/files_summary.csv": Rules(
        ("center", "status", "reason", "n_files"), ("center", "status", "reason"), _counts("n_files", "center")
    ),
    "intake/exposure_summary.csv": Rules(("center", "verdict", "n_films"), ("center", "verdict"), _counts("n_films", "center")),
}  # fmt: skip
"""Every table that the packer knows. One that does not stand here, or has a column that doesn't, is left out."""


def suppressed(name: str, rows: Table, sets: Sets, keep_outcomes: bool) -> tuple[Table, bool]:
    """A copy of a table of ``TABLES`` with its small cells hidden, and whether any was."""
    rules = TABLES[name]
    out = [dict(row) for row in rows]
    rules.hide(out, rules, sets, keep_outcomes)
    return out, out != [dict(row) for row in rows]
