"""Small cells of a run's aggregate tables, hidden, with what would give them away.

A cell is a number of people with something in common. One from 1 to ``smallest - 1`` is written
``<smallest``. Where a published total would give it back, further cells are written ``hidden`` (complementary
suppression, as in A. Hundepool et al., Statistical Disclosure Control, Wiley 2012, chapter 4), and so is what
is computed from a hidden cell. All is done with whole rows and blocks where less would do: a table shows too
little rather than too much. The reader is taken to know these rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from scripts.common.catalogue import CATALOGUE
from scripts.common.contracts import shared
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.contract import OUTCOMES, ROW_NAMES, Contract, matches, with_interval
from scripts.common.vocabulary import ALSO_KNOWN, INTERNAL_TEST, TRAIN
from scripts.share.breakdowns import (
    Breakdown,
    Cells,
    Decisions,
    Row,
    Table,
    cells_of,
    decide,
    units_of,
    whole,
)

HIDDEN = "hidden"

FEWEST_FOR_MEAN = 20
"""Where a group's number of known values is hidden, its mean and SD are told, rounded, for this many patients
and more.
"""

BODY = ("height_cm", "weight_kg", "bmi")
"""Variables whose gaps lie within each other: the BMI is missing where height or weight is."""

FEW_VALUED = ("manufacturer", "view", "film_size")
"""Groups of the shortcut audit with few distinct values: an AUC of a yes-or-no variable is a fraction of its
four cells.
"""


def hide_small(counts: list[int], smallest: int) -> list[str]:
    """What to write over each of ``counts``, whose sum is known: ``""`` (nothing), ``<smallest`` or
    ``hidden``.

    Small counts are hidden. Where their sum is small or leaves one of them a single value, a larger count is
    hidden too: the smallest, if it leaves at least two sums to a reader who knows this rule. Where none does,
    or there is none, all are hidden.
    """
    small = [at for at, count in enumerate(counts) if 0 < count < smallest]
    others = sorted(
        (at for at, count in enumerate(counts) if count > smallest), key=lambda at: (counts[at], at)
    )
    marks = [""] * len(counts)
    if not small:
        return marks
    if not others:
        return [HIDDEN] * len(counts)
    for at in small:
        marks[at] = f"<{smallest}"
    total, least, most = sum(counts[at] for at in small), len(small), len(small) * (smallest - 1)
    telling = {least, most} | set(range(least, min(smallest, most + 1)))
    if total not in telling:
        return marks
    both = total + counts[others[0]]
    lowest = both - counts[others[1]] + 1 if len(others) > 1 else least
    if sum(lowest <= one < both - smallest for one in telling) < 2:
        return [HIDDEN] * len(counts)
    marks[others[0]] = HIDDEN
    return marks


@dataclass(frozen=True)
class Sets:
    """Sizes of the study's sets and what of them may be told.

    ``size`` holds patients and patients with osteoporosis by set; ``closed`` the sets in which either class
    is small, and with one of the development centre's sets the other, since their sum is known. ``gaps`` and
    ``sexes`` name what of Table 1 would give a small cell of one of a centre's sets away: variables with
    their centres, and centres; ``answers`` name predictors, with their centres, that have a value of few
    patients of a set. ``of_age`` names the models that predict from the age alone: whom one calls positive
    are a part of a set like those by age. ``decisions`` says which breakdowns are hidden.
    """

    size: dict[str, tuple[int, int]]
    closed: frozenset[str]
    smallest: int
    gaps: frozenset[tuple[str, str]] = frozenset()
    sexes: frozenset[str] = frozenset()
    of_age: frozenset[str] = frozenset()
    answers: frozenset[tuple[str, str]] = frozenset()
    decisions: Decisions = field(default_factory=Decisions)

    def small(self, *counts: int) -> bool:
        """Whether any of ``counts`` is a small cell."""
        return any(0 < count < self.smallest for count in counts)


KNOWN_COLUMNS = replace(COHORT, others=None)
"""The columns of a cohort table that are no predictors."""
MEASURED = ("age", "sex", "bmd", "t_score", *BODY)
"""Variables of Table 1."""


def sets_of(patients: Iterable[Row], smallest: int, of_age: Iterable[str] = ()) -> Sets:
    """The sets of a cohort table: ``set`` and ``label``, and where they stand there ``center`` and the
    variables of Table 1. ``of_age`` names the models that predict from the age alone.
    """
    size: dict[str, tuple[int, int]] = {}
    absent: dict[tuple[str, str], dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    sexes: dict[tuple[str, str, str, str], int] = defaultdict(int)
    answers: dict[tuple[str, str], Counter] = defaultdict(Counter)
    groups: set[tuple[str, str, str]] = set()
    for row in patients:
        n, n_pos = size.get(row["set"], (0, 0))
        size[row["set"]] = (n + 1, n_pos + int(row["label"]))
        if "center" not in row:
            continue
        groups.add((row["center"], row["set"], row["label"]))
        sexes[row["center"], row["set"], row["label"], row["sex"]] += 1
        predictors = [name for name in row if not KNOWN_COLUMNS.knows(name)]
        for variable in (*MEASURED, *predictors):
            absent[row["center"], variable][row["set"], row["label"]] += row[variable] == ""
        for variable in predictors:
            answers[row["center"], variable][row["set"], row["label"], row[variable]] += 1
    found = Sets(size, frozenset(), smallest)
    closed = {name for name, (n, n_pos) in size.items() if found.small(n, n_pos, n - n_pos)}
    if closed & {TRAIN, INTERNAL_TEST}:
        closed |= {TRAIN, INTERNAL_TEST}
    gaps = {place for place, counts in absent.items() if found.small(*counts.values())}
    for center, name, label in groups:
        if found.small(*_within_each_other([absent[center, variable][name, label] for variable in BODY])):
            gaps |= {(center, variable) for variable in BODY}
    uneven = {center for (center, *_), count in sexes.items() if found.small(count)}
    rare = {place for place, counts in answers.items() if found.small(*counts.values())}
    return replace(
        found,
        closed=frozenset(closed),
        gaps=frozenset(gaps),
        sexes=frozenset(uneven),
        of_age=frozenset(of_age),
        answers=frozenset(rare),
    )


def _within_each_other(counts: list[int]) -> list[int]:
    """Counts and their differences."""
    return [*counts, *(abs(a - b) for a in counts for b in counts)]


def _hide(row: Row, columns: Iterable[str]) -> None:
    """Hide cells, empty ones too: an empty cell tells that there was nothing to count."""
    row.update(dict.fromkeys([column for column in columns if column in row], HIDDEN))


CHANGE = "_minus_main"
"""Ends the name of a difference from the main analysis."""


def hide_outcomes(row: Row, contract: Contract, sets: Sets) -> None:
    """Hide small cells of a model's confusion matrix in a whole set, the cell beside each and all that
    follows from them.

    Where the cells themselves don't stand in the row they are counted back from sensitivity and specificity.
    """
    cells = cells_of(row)
    if cells is None or not sets.small(*cells):
        return
    tp, fn, fp, tn = cells
    for found, told in (({"tp": tp, "fn": fn}, "of_positives"), ({"tn": tn, "fp": fp}, "of_negatives")):
        if not sets.small(*found.values()):
            continue
        _hide(row, [*found, *contract.that_tell(told)])
        small = next(cell for cell, count in found.items() if sets.small(count))
        if small in row:
            row[small] = f"<{sets.smallest}"
    _hide(row, contract.that_tell("of_both"))


def _called_by(model: str) -> str:
    """The part of a set whom a model calls positive, as a closed unit."""
    return f"called positive by {model}"


def close_row(row: Row, keys: Iterable[str]) -> None:
    """Hide everything in a row but its keys."""
    kept = set(keys)
    _hide(row, [column for column in row if column not in kept])


# ------------------------------------------------------------------------------------------------ tables


@dataclass(frozen=True)
class Rules:
    """How a table is packed: its contract, and the function that hides cells in place.

    What a column tells says what to hide; columns that tell ROW_NAMES stand even in a row that is closed.
    ``breakdown`` says how rows are parts of a set, where they are; ``_parts`` then hides what
    ``breakdowns.decide`` found. Raises ``ValueError`` for a contract that tells of single patients."""

    contract: Contract
    hide: Callable[[Table, Rules, Sets, bool], None]
    breakdown: Breakdown | None = None

    def __post_init__(self) -> None:
        if not self.contract.shareable:
            raise ValueError(f"{self.contract.path} tells of single patients")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the table may have."""
        return tuple(self.contract.whole)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that are told even of a row that is closed."""
        return self.contract.that_tell(*ROW_NAMES)

    @property
    def counts(self) -> tuple[str, ...]:
        """The columns that count people, films or rows."""
        return self.contract.that_tell("count")

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The columns that count a model's errors or follow from them."""
        return self.contract.that_tell(*OUTCOMES)


def _by_set(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Rows of a set and model: those of closed sets are closed; outcomes are hidden where small."""
    for row in rows:
        if row["set"] in sets.closed or row["set"] not in sets.size:
            close_row(row, rules.keys)
            continue
        if not keep_outcomes:
            hide_outcomes(row, rules.contract, sets)
        _hide(row, [column for column in rules.counts if sets.small(whole(row.get(column, "")) or 0)])
        if (row["set"], _called_by(row.get("model", ""))) in sets.decisions.closed:
            _hide(row, rules.outcomes)


def _thresholds(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    for row in rows:
        if TRAIN in sets.closed:
            close_row(row, rules.keys)
            continue
        if not keep_outcomes:
            hide_outcomes(row, rules.contract, sets)
        if (TRAIN, _called_by(row["model"])) in sets.decisions.closed:
            _hide(row, rules.outcomes)


def _parts(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Rows of parts of sets: closed, or without outcomes, as decided for their unit.

    Which levels a closed unit has tells which are empty: its rows become one per model.
    """
    how, seen, kept = rules.breakdown, set(), []
    for row in rows:
        unit = how.unit(row)
        if not unit:
            kept.append(row)
        elif (row["set"], unit) in sets.decisions.closed:
            place = (row["set"], unit, row.get("model", ""))
            close_row(row, rules.keys)
            if how.partition:
                _hide(row, ["level", "subject"])
            if not how.partition or place not in seen:
                kept.append(row)
            seen.add(place)
        else:
            model = row.get("model", "")
            by_age = (row["set"], _called_by(model)) in sets.decisions.closed
            if by_age or (not keep_outcomes and (row["set"], unit, model) in sets.decisions.outcomes):
                _hide(row, rules.outcomes)
            kept.append(row)
    rows[:] = kept


def _analyses(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Sensitivity analyses as parts. What the main one hides is not told by another's difference from it."""
    _parts(rows, rules, sets, keep_outcomes)
    main = {(row["set"], row["model"]): row for row in rows if row["analysis"] == "main"}
    changes = [name for name in rules.columns if name.endswith(CHANGE)]
    for row in rows:
        if row["note"].startswith(ALSO_KNOWN) and sets.smallest > 1:
            # who lacks a predictor is no part that the breakdowns know
            _hide(row, set(rules.columns) - set(rules.keys))
        of_main = main.get((row["set"], row["model"]), {})
        for change in changes:
            if of_main.get(change.removesuffix(CHANGE), HIDDEN) == HIDDEN:
                _hide(row, with_interval(change))


def _shortcuts(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Rows of whole sets by set; makers as parts.

    The AUC of a group with few values is a fraction of its cells.
    """
    groups = [row for row in rows if row["analysis"] != "within_manufacturer"]
    _by_set(groups, rules, sets, keep_outcomes)
    for row in groups:
        if sets.smallest > 1 and row["analysis"] == "variables" and row["subject"] in FEW_VALUED:
            _hide(row, with_interval("auc"))
    _parts(rows, rules, sets, keep_outcomes)


def _printed(row: Row, group: str, patients: int) -> bool:
    """Put the printed mean and SD of ``group`` in place of the full ones; False where they could still tell
    the number of values.

    A mean printed to a tenth fits every number of values from ten on, and an SD of ten units of its last
    place fits many sums of squares for each.
    """
    mean, _, sd = row[group].partition(" ± ")
    if patients < FEWEST_FOR_MEAN or not sd or int(sd.replace(".", "")) < 10:
        return False
    row[f"{group}_mean"], row[f"{group}_sd"] = mean, sd
    return True


def _table1(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Centre by variable; all counts of a row fall together, and with them what could be computed back into
    one.
    """
    sexes = [column for column in rules.counts if column.endswith(("_male", "_female"))]
    counts = [column for column in rules.counts if column not in sexes]
    means = rules.contract.that_tell("mean")
    tested = rules.contract.that_tell("estimate", "note")
    for row in rows:
        known = {column: whole(row[column]) or 0 for column in (*counts, *sexes)}
        totals = {group: known[f"{group}_n"] + known[f"{group}_missing"] for group in ("op", "non_op")}
        if sets.small(*totals.values()):
            close_row(row, rules.keys)
            continue
        uncounted = (
            sets.small(*(known[column] for column in counts)) or (row["center"], row["variable"]) in sets.gaps
        )
        if uncounted:
            _hide(row, [*counts, *tested])
            for group, patients in totals.items():
                of_group = {name for name in means if name == group or name.startswith(f"{group}_")}
                kept = {group, f"{group}_mean", f"{group}_sd"} if _printed(row, group, patients) else set()
                _hide(row, of_group - kept)
        small_sex = sets.small(*(known[column] for column in sexes)) or row["center"] in sets.sexes
        if row["variable"] == "sex" and (uncounted or small_sex):
            _hide(row, [*sexes, *tested, "op", "non_op"])
        elif row["variable"] != "sex" and "/" in row["op"] + row["non_op"]:
            told = [int(n) for group in ("op", "non_op") for n in row[group].split("/")]
            if sets.small(*told) or (row["center"], row["variable"]) in sets.answers:
                _hide(row, [*tested, "op", "non_op"])


def _missing(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """Missing values by set; a centre's sets fall together, since Table 1 has their sum."""
    for center in {row["center"] for row in rows}:
        of_center = [row for row in rows if row["center"] == center]
        missing = {(row["set"], row["variable"]): whole(row["n_missing"]) or 0 for row in of_center}
        names = {row["set"] for row in of_center}
        body = any(
            sets.small(
                *_within_each_other(
                    [missing[name, variable] for variable in BODY if (name, variable) in missing]
                )
            )
            for name in names
        )
        for variable in {row["variable"] for row in of_center}:
            block = [row for row in of_center if row["variable"] == variable]
            telling = {
                "n_missing": body and variable in BODY,
                "n_capped": any((row["set"], CAPPED) in sets.decisions.closed for row in block),
            }
            for column in rules.counts:
                if telling.get(column) or any(sets.small(whole(row[column]) or 0) for row in block):
                    for row in block:
                        row[column] = HIDDEN
    for row in rows:
        if row["set"] in sets.closed:
            close_row(row, rules.keys)


def _flow(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """The flow of each centre: who was left out adds up with who is included to who was found.

    The number included is known from other tables. Where few were left out in all, neither the number found
    nor any reason's is told. Notes on the included are left out: they count parts of whom other tables count
    other parts. Films beyond one a patient are judged as the patients who might have them.
    """
    counts, judged = rules.counts, ("n_patients", "n_op", "n_any")
    if sets.smallest > 1:
        rows[:] = [row for row in rows if row["kind"] != "note"]
        for row in rows:
            _hide(row, set(counts) - {*judged, "n_films"})
            n_films = whole(row.get("n_films", ""))
            if n_films is not None and sets.small(n_films - (whole(row["n_patients"]) or 0)):
                _hide(row, ["n_films"])
    for center in {row["center"] for row in rows}:
        of_center = [row for row in rows if row["center"] == center]
        out = [row for row in of_center if row["kind"] == "excluded"]
        included = [row for row in of_center if row["kind"] == "included"]
        for row in of_center:
            n, n_op = (whole(row[column]) or 0 for column in ("n_patients", "n_op"))
            if row["kind"] == "set" and (
                row["step"] in sets.closed or row["step"] not in sets.size or sets.small(n, n_op, n - n_op)
            ):
                _hide(row, counts)
        ends = [(whole(row["n_patients"]) or 0, whole(row["n_op"]) or 0) for row in included]
        small_end = any(sets.small(n, n_op, n - n_op) for n, n_op in ends)
        if small_end or sets.small(sum(int(row["n_patients"]) for row in out)):
            for row in of_center:
                if small_end or row["kind"] in ("found", "excluded"):
                    _hide(row, counts)
            continue
        for row, mark in zip(out, hide_small([int(row["n_patients"]) for row in out], sets.smallest)):
            n, n_op, n_any = (whole(row[column]) for column in judged)
            if mark:
                _hide(row, counts)
                row["n_patients"] = mark
                continue
            if n_op is not None and sets.small(n_op, n - n_op):
                _hide(row, ["n_op"])
            if n_any is not None and sets.small(n_any, n_any - n):
                _hide(row, ["n_any"])


def _counts(*of: str) -> Callable[[Table, Rules, Sets, bool], None]:
    """Counts whose sum within the columns ``of`` is known."""

    def hide(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
        (column,) = rules.counts
        for group in {tuple(row[name] for name in of) for row in rows}:
            block = [row for row in rows if tuple(row[name] for name in of) == group]
            for row, mark in zip(block, hide_small([int(row[column]) for row in block], sets.smallest)):
                row[column] = mark or row[column]

    return hide


def _as_it_is(rows: Table, rules: Rules, sets: Sets, keep_outcomes: bool) -> None:
    """No column counts people."""


CAPPED = "ages given as 90"

_FAMILIES = {"sex": "sex", "age": "age", "manufacturer": "manufacturer"}

_SUBGROUPS = Breakdown(
    unit=lambda row: row["subgroup"],
    level=lambda row: row["level"],
    family=lambda unit: _FAMILIES.get(unit, "analysis"),
    partition=True,
    unions={"age": ((">=65",),), "dxa_interval": (("<=1 month",), ("<=1 month", ">1-3 months"))},
)
_ANALYSES = Breakdown(
    unit=lambda row: f"analysis {row['analysis']}", level=lambda row: "", family=lambda unit: "analysis"
)
_POPULATIONS = Breakdown(
    unit=lambda row: f"from {row['from_age']}", level=lambda row: "", family=lambda unit: "age"
)
_MAKERS = Breakdown(
    unit=lambda row: "makers" if row["analysis"] == "within_manufacturer" else "",
    level=lambda row: row["subject"],
    family=lambda unit: "manufacturer",
    partition=True,
)


WAYS: dict[str, tuple[Callable[[Table, Rules, Sets, bool], None], Breakdown | None]] = {
    "set": (_by_set, None),
    "thresholds": (_thresholds, None),
    "subgroups": (_parts, _SUBGROUPS),
    "populations": (_parts, _POPULATIONS),
    "analyses": (_analyses, _ANALYSES),
    "shortcuts": (_shortcuts, _MAKERS),
    "table1": (_table1, None),
    "missing": (_missing, None),
    "flow": (_flow, None),
    "nothing": (_as_it_is, None),
}
"""The ways of hiding cells, by the name that the catalogue gives them."""

TABLES: dict[str, Rules] = {
    **{
        f"{row.name}.csv": Rules(row.contract, *WAYS[row.sharing.by])
        for row in CATALOGUE
        if row.sharing.how == "suppressed"
    },
    "intake/table_issues.csv": Rules(shared.TABLE_ISSUES, _counts("center", "table")),
    "intake/files_summary.csv": Rules(shared.FILES_SUMMARY, _counts("center")),
    "intake/exposure_summary.csv": Rules(shared.EXPOSURE_SUMMARY, _counts("center")),
}
"""Every table that the packer knows, by its name in the archive, ``{model}`` standing for every name: those
of the catalogue and what is counted from tables by file or by centre. Any other is left out."""


def rules_of(name: str) -> Rules | None:
    """The rules of the table that has ``name`` in the archive."""
    return next((rules for pattern, rules in TABLES.items() if matches(pattern, name)), None)


def decisions_of(tables: Mapping[str, Table], sets: Sets) -> Decisions:
    """Which breakdowns of all ``tables`` together are hidden."""
    if sets.smallest <= 1:
        return Decisions()
    how = {name: rules_of(name).breakdown for name in tables if rules_of(name).breakdown is not None}
    outcomes: dict[tuple[str, str], Cells] = {}
    for name, only in (("statistics/sensitivity.csv", "main"), ("statistics/table2.csv", None)):
        for row in tables.get(name, []):
            if only in (None, row.get("analysis")) and (cells := cells_of(row)) is not None:
                outcomes[row["set"], row["model"]] = cells
    found = decide(
        units_of({name: tables[name] for name in TABLES if name in how}, how),
        sets.size,
        outcomes,
        sets.small,
        sets.closed,
    )
    closed = set(found.closed)
    ages: dict[str, list[Cells]] = defaultdict(list)
    for unit in units_of(tables, how):
        if unit.family == "age" and (unit.of_set, unit.name) not in closed:
            ages[unit.of_set] += unit.compared(unit.sizes)
    for name in ("statistics/table2.csv", "statistics/baseline_performance.csv", "statistics/thresholds.csv"):
        for row in tables.get(name, []):
            cells = cells_of(row) if row["model"] in sets.of_age else None
            if cells is None:
                continue
            of_set, (tp, _, fp, _) = row.get("set", TRAIN), cells
            if any(sets.small(abs(tp - op), abs(fp - non_op)) for op, non_op in ages[of_set]):
                closed.add((of_set, _called_by(row["model"])))
            else:
                ages[of_set].append((tp, fp))
    for row in tables.get("statistics/missing.csv", []):
        n_capped = whole(row["n_capped"]) or 0
        if n_capped and any(sets.small(abs(sum(part) - n_capped)) for part in ages[row["set"]]):
            closed.add((row["set"], CAPPED))
    return replace(found, closed=frozenset(closed))


def suppressed(tables: Mapping[str, Table], sets: Sets, keep_outcomes: bool) -> dict[str, Table]:
    """Copies of tables of ``TABLES``, by name, with their small cells hidden, each judged with all others."""
    judged = replace(sets, decisions=decisions_of(tables, sets))
    copies = {name: [dict(row) for row in rows] for name, rows in tables.items()}
    for name, rows in copies.items():
        rules = rules_of(name)
        rules.hide(rows, rules, judged, keep_outcomes)
    files, films = copies.get("intake/files_summary.csv", []), copies.get("intake/exposure_summary.csv", [])
    for center in {
        row["center"] for row in films
    }:  # verdicts add up to files that were read, so one table gives the other back
        counts = [row["n_films"] for row in films if row["center"] == center] + [
            row["n_files"] for row in files if row["center"] == center
        ]
        if not all(count.isdigit() for count in counts):
            for row in films:
                if row["center"] == center:
                    _hide(row, ["n_films"])
    return copies
