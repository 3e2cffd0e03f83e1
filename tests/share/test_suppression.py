"""Small cells and what would give them away, by hand-made tables whose hidden cells a reader tries to count
back.
"""

from __future__ import annotations

import itertools

import pytest

from scripts.share.suppression import HIDDEN, hide_small, rules_of, sets_of, suppressed


def cohort(**sizes):
    """Rows of a cohort: set to (patients, with osteoporosis)."""
    return [
        {"set": name, "label": str(int(k < n_pos))} for name, (n, n_pos) in sizes.items() for k in range(n)
    ]


BIG = {"train": (100, 40), "internal_test": (50, 20), "external_1": (60, 30)}


def table(name, *rows):
    return [{column: str(row.get(column, "")) for column in rules_of(name).columns} for row in rows]


def packed(name, *rows, sizes=None, smallest=5, keep=False):
    return suppressed({name: table(name, *rows)}, sets_of(cohort(**(sizes or BIG)), smallest), keep)[name]


def solutions(counts, marks, smallest):
    """Every set of counts with the same sum that a reader of the marked counts can't rule out."""
    unknown = [at for at, mark in enumerate(marks) if mark]
    ranges = [range(1, smallest) if marks[at].startswith("<") else range(sum(counts) + 1) for at in unknown]
    rest = sum(counts[at] for at in unknown)
    return [dict(zip(unknown, guess)) for guess in itertools.product(*ranges) if sum(guess) == rest]


@pytest.mark.parametrize(
    "counts",
    [[3, 20, 40], [1, 1, 30], [4, 4], [1, 0, 0], [2, 3, 0, 9], [1, 1], [5, 1], [4, 4, 4, 6], [3], [1, 2, 3]],
)
def test_no_small_count_can_be_subtracted_back(counts):
    marks = hide_small(counts, 5)
    if len(counts) == 1:
        assert marks == [HIDDEN]
        return
    left = solutions(counts, marks, 5)
    for at, count in enumerate(counts):
        if 0 < count < 5:
            assert len({guess[at] for guess in left}) > 1, f"{marks}: the reader knows count {at}"


def test_every_small_group_is_ambiguous():
    for counts in itertools.product(range(8), repeat=3):
        marks = hide_small(list(counts), 4)
        left = solutions(counts, marks, 4)
        for at, count in enumerate(counts):
            if 0 < count < 4:
                assert len({guess[at] for guess in left}) > 1, (counts, marks)


@pytest.mark.parametrize("cells", [2, 3, 4])
def test_a_reader_who_knows_the_rule_tells_no_small_count(cells):
    """All counts with one sum that look the same: where one is small, it could be another number. (A small
    sum is hidden itself.)
    """
    looks = {}
    for counts in itertools.product(range(15), repeat=cells):
        if 4 <= sum(counts) < 15:
            shown = tuple(mark or count for mark, count in zip(hide_small(list(counts), 4), counts))
            looks.setdefault((shown, sum(counts)), []).append(counts)
    for look, behind in looks.items():
        for at in range(cells):
            values = {counts[at] for counts in behind}
            assert len(values) > 1 or not values & {1, 2, 3}, (look, behind)


def test_large_counts_and_zeros_stay():
    assert hide_small([0, 5, 90, 0], 5) == ["", "", "", ""]
    assert hide_small([1, 2, 3], 1) == ["", "", ""], "1 hides nothing"


def step(name, n, n_op="", kind="excluded", n_any=None):
    return {
        "center": "c",
        "step": name,
        "n_patients": n,
        "n_op": n_op,
        "kind": kind,
        "n_any": n if n_any is None else n_any,
    }


def test_flow_hides_small_steps_and_one_more_and_keeps_the_sum_ambiguous():
    rows = packed(
        "cohort/flow.csv",
        step("found", 150, kind="found"), step("no_film", 3), step("too_young", 30), step("no_dxa", 7),
        step("no_t_score", 10, 2),
        step("included", 100, 40, kind="included"),
    )  # fmt: skip
    shown = {row["step"]: (row["n_patients"], row["n_op"], row["n_any"]) for row in rows}
    assert (
        shown["no_film"] == ("<5", HIDDEN, HIDDEN)
        and shown["no_dxa"][0] == HIDDEN
        and shown["too_young"][0] == "30"
    )
    assert shown["no_t_score"] == ("10", HIDDEN, "10")
    assert shown["included"] == ("100", "40", "100")


def test_flow_leaves_out_what_it_notes_of_the_included():
    """Whether anybody's age came from a film, or nobody's, is not told by the table that goes out."""
    given = [step("found", 150, kind="found"), step("no_dxa", 50), step("included", 100, 40, kind="included")]
    for n in (0, 2, 60):
        rows = packed("cohort/flow.csv", *given, step("age_from_header", n, 0, kind="note"))
        assert [row["step"] for row in rows] == ["found", "no_dxa", "included"]


def metrics(**given):
    row = {
        "set": "internal_test",
        "model": "film",
        "n": 50,
        "n_pos": 20,
        "auc": 0.9,
        "accuracy": 0.8,
        "ppv": 0.7,
        "f1": 0.7,
        "f1_low": 0.6,
    }
    return {**row, **given}


def test_flow_hides_a_closed_set_and_the_other_of_its_centre():
    rows = packed(
        "cohort/flow.csv",
        step("found", 150, kind="found"), step("no_dxa", 30), step("included", 120, 40, kind="included"),
        step("train", 90, 38, kind="set"), step("internal_test", 30, 2, kind="set"),
        sizes={"train": (90, 38), "internal_test": (30, 2)},
    )  # fmt: skip
    assert [row["n_patients"] for row in rows] == ["150", "30", "120", HIDDEN, HIDDEN] and rows[3][
        "n_op"
    ] == rows[4]["n_op"] == HIDDEN


def test_flow_tells_neither_sum_nor_reasons_where_few_were_left_out():
    rows = packed(
        "cohort/flow.csv",
        step("found", 121, kind="found"), step("no_film", 1), step("no_dxa", 0),
        step("included", 120, 40, kind="included"),
    )  # fmt: skip
    assert [row["n_patients"] for row in rows] == [HIDDEN, HIDDEN, HIDDEN, "120"]
    none = packed(
        "cohort/flow.csv",
        step("found", 120, kind="found"),
        step("no_film", 0),
        step("included", 120, 40, kind="included"),
    )
    assert [row["n_patients"] for row in none] == ["120", "0", "120"]


def test_table2_hides_a_small_cell_its_partner_and_what_follows():
    small_fn = metrics(sensitivity=0.85, specificity=0.8, tp=17, fn=3, tn=24, fp=6)
    (row,) = packed("statistics/table2.csv", small_fn)
    assert (row["fn"], row["tp"], row["tn"], row["fp"]) == ("<5", HIDDEN, "24", "6")
    assert row["sensitivity"] == row["accuracy"] == row["ppv"] == row["f1"] == row["f1_low"] == HIDDEN
    assert (
        row["auc"] == "0.9" and row["specificity"] == "0.8" and row["npv"] == row["ppv_ci_method"] == HIDDEN
    )
    (kept,) = packed("statistics/table2.csv", small_fn, keep=True)
    assert kept["fn"] == "3" and kept["sensitivity"] == "0.85"
    (large,) = packed(
        "statistics/table2.csv", metrics(sensitivity=0.7, specificity=0.8, tp=14, fn=6, tn=24, fp=6)
    )
    assert HIDDEN not in large.values()


def test_cells_are_counted_back_from_rates_where_they_do_not_stand():
    (row,) = packed(
        "statistics/thresholds.csv",
        {
            "model": "film",
            "threshold": 0.4,
            "rule": "youden",
            "sensitivity": 0.95,
            "specificity": 0.5,
            "n": 100,
            "n_pos": 40,
        },
    )
    assert row["sensitivity"] == HIDDEN and row["specificity"] == "0.5"


def test_a_set_with_a_small_class_is_closed_in_every_table():
    sizes = {**BIG, "external_1": (40, 3)}
    row = {
        "set": "external_1",
        "model": "film",
        "n": 40,
        "n_pos": 3,
        "auc": 0.9,
        "sensitivity": 1.0,
        "specificity": 0.5,
    }
    for name in (
        "statistics/table2.csv",
        "statistics/sensitivity.csv",
        "statistics/calibration.csv",
        "statistics/delong.csv",
    ):
        (out,) = packed(
            name, {k: v for k, v in row.items() if k in rules_of(name).columns}, sizes=sizes, keep=True
        )
        assert {out[column] for column in out if column not in rules_of(name).keys} == {HIDDEN}, (
            "an empty cell tells of what there is nobody"
        )
    (out,) = packed(
        "statistics/net_benefit.csv",
        {"set": "external_1", "model": "film", "threshold": 0.1, "net_benefit": 0.05},
        sizes=sizes,
        keep=True,
    )
    assert out["net_benefit"] == HIDDEN and out["threshold"] == "0.1"


def test_a_small_internal_test_set_closes_the_training_set_too():
    """Train and internal test add up to the centre's known total."""
    assert sets_of(cohort(**{**BIG, "internal_test": (20, 2)}), 5).closed == {"train", "internal_test"}


def test_a_part_that_differs_by_few_from_the_set_is_closed():
    rows = packed(
        "statistics/sensitivity.csv",
        *(metrics(analysis=a, n=n, n_pos=p, sensitivity=0.5, specificity=0.5, auc_minus_main=0.1) for a, n,
        p in [
            ("main", 50, 20), ("without_review", 48, 20), ("dxa_within_1_month", 25, 10),
            ("dxa_within_3_months", 38, 14)])
    )  # fmt: skip
    shown = {row["analysis"]: row["n"] for row in rows}
    assert shown == {
        "main": "50",
        "without_review": HIDDEN,
        "dxa_within_1_month": HIDDEN,
        "dxa_within_3_months": "38",
    }


@pytest.mark.parametrize(
    ("note", "smallest", "told"),
    [("", 5, "38"), ("also known: calcium", 5, HIDDEN), ("also known: a", 1, "38")],
)
def test_complete_cases_of_predictors_are_hidden_whatever_their_number(note, smallest, told):
    parts = [("main", 50, 20, ""), ("complete_cases", 38, 14, note)]
    main, complete = packed(
        "statistics/sensitivity.csv",
        *(
            metrics(analysis=a, n=n, n_pos=p, sensitivity=0.5, specificity=0.5, note=said)
            for a, n, p, said in parts
        ),
        smallest=smallest,
    )
    assert main["n"] == "50" and complete["analysis"] == "complete_cases"
    assert {complete[name] for name in ("n", "note", "auc")} == (
        {HIDDEN} if told == HIDDEN else {told, note, "0.9"}
    )


def test_a_subgroup_with_one_small_level_is_closed_as_a_block():
    def level(group, name, n, n_pos):
        return {
            "set": "internal_test",
            "model": "film",
            "subgroup": group,
            "level": name,
            "n": n,
            "n_pos": n_pos,
            "auc": 0.8,
            "sensitivity": 0.5,
            "specificity": 0.5,
        }

    rows = packed(
        "statistics/subgroups.csv", level("sex", "female", 40, 18), level("sex", "male", 10, 2),
        level("age", "<65", 25, 10), level("age", ">=65", 25, 10),
        level("bmi", "<25", 20, 8), level("bmi", ">=25", 28, 11),
    )  # fmt: skip
    closed = {row["subgroup"] for row in rows if row["n"] == HIDDEN}
    assert len(rows) == 4 and {row["level"] for row in rows if row["n"] == HIDDEN} == {HIDDEN}, (
        "which levels there are tells which are empty"
    )
    assert closed == {"sex", "bmi"}, "bmi leaves out two patients of unknown BMI, who could be counted back"
    assert all(row["auc"] == HIDDEN for row in rows if row["subgroup"] in closed)


def test_manufacturers_of_the_shortcut_audit_are_closed_as_a_block():
    def maker(name, n, n_pos):
        return {
            "set": "internal_test",
            "analysis": "within_manufacturer",
            "subject": name,
            "n": n,
            "n_pos": n_pos,
            "auc": 0.8,
        }

    group = {
        "set": "internal_test",
        "analysis": "variables",
        "subject": "film_size",
        "n": 50,
        "n_pos": 20,
        "r2_adjusted": 0.1,
        "auc": 0.6,
    }
    makers, whole = packed("statistics/shortcuts.csv", maker("A", 40, 18), maker("B", 10, 2), group)
    assert {makers["n"], makers["n_pos"], makers["auc"], makers["subject"]} == {HIDDEN}
    assert whole["n"] == "50" and whole["r2_adjusted"] == "0.1" and whole["auc"] == HIDDEN, (
        "an AUC of few values is a fraction of their counts"
    )
    shown = packed(
        "statistics/shortcuts.csv", maker("A", 30, 12), maker("B", 20, 8), {**group, "subject": "brightness"}
    )
    assert not [row for row in shown if HIDDEN in row.values()]


def test_table1_hides_answers_of_few_patients_and_what_follows_from_them():
    base = {"center": "c", "test": "Pearson chi2", "p_value": 0.1, "statistic": 2, "df": 2, "smd": 0.3,
            "n": 60, "missing": 0, "op_n": 30, "op_missing": 0, "non_op_n": 30,
            "non_op_missing": 0}  # fmt: skip
    few, many = packed(
        "statistics/table1.csv",
        {**base, "variable": "alcohol", "op": "3/20/7", "non_op": "10/10/10"},
        {**base, "variable": "smoker", "op": "10/20", "non_op": "15/15"},
    )
    assert {few[c] for c in ("op", "non_op", "p_value", "statistic", "smd", "df")} == {HIDDEN}
    assert few["op_n"] == "30" and few["variable"] == "alcohol"
    assert HIDDEN not in many.values()


def test_answers_of_few_patients_of_one_set_hide_the_centres():
    def patient(name, label, smoker):
        return {"set": name, "center": "c", "label": label, "sex": "F", "smoker": smoker, "patient_id": "x",
                **dict.fromkeys(("age", "bmd", "t_score", "height_cm", "weight_kg", "bmi"), "1")}  # fmt: skip

    several = [patient("train", 1, "1")] * 20 + [patient("train", 0, "0")] * 20
    several += [patient("internal_test", label, "1") for label in (0, 1)] * 10
    assert sets_of(several, 5).answers == set()
    assert sets_of([*several, patient("internal_test", 1, "0")], 5).answers == {("c", "smoker")}
    lacking = sets_of([*several, patient("internal_test", 1, "")], 5)
    assert ("c", "smoker") in lacking.gaps


def test_table1_hides_the_sexes_and_missing_values_together():
    def row(variable, **given):
        base = {"center": "c", "variable": variable, "op": "x", "non_op": "y", "test": "t", "p_value": 0.1,
        "statistic": 2, "df": 9, "smd": 0.3,
                "n": 60, "missing": 0, "op_n": 30, "op_missing": 0, "non_op_n": 30,
                "non_op_missing": 0}  # fmt: skip
        return {**base, **given}

    sex, bmi, age = packed(
        "statistics/table1.csv",
        row("sex", op_male=3, op_female=27, non_op_male=15, non_op_female=15),
        row(
            "bmi",
            n=58,
            missing=2,
            op_n=28,
            op_missing=2,
            op="22.5 ± 3.0",
            op_mean=22.5123,
            op_sd=3.0456,
            non_op="24.0 ± 0.1",
            non_op_mean=24.01,
        ),
        row("age", op_mean=70.1, op_sd=8),
    )
    assert {
        sex[c] for c in ("op_male", "op_female", "non_op_male", "non_op_female", "op", "p_value", "smd")
    } == {HIDDEN}
    assert sex["op_n"] == "30"
    assert {bmi[c] for c in ("n", "missing", "op_n", "op_missing", "non_op_n", "df", "statistic", "smd")} == {
        HIDDEN
    }
    assert (bmi["op_mean"], bmi["op_sd"], bmi["op"]) == ("22.5", "3.0", "22.5 ± 3.0")
    assert bmi["non_op"] == bmi["non_op_mean"] == HIDDEN, (
        "so small a spread could fit one number of values only"
    )
    assert HIDDEN not in age.values()


def test_a_centres_sets_fall_together_in_the_missing_values():
    rows = packed(
        "statistics/missing.csv",
        *({"center": c, "set": s, "variable": "bmi", "n": 50, "n_missing": m, "n_capped": 0} for c, s, m in [
            ("internal", "train", 9), ("internal", "internal_test", 2), ("external_1", "external_1", 1)])
    )  # fmt: skip
    assert [row["n_missing"] for row in rows] == [HIDDEN, HIDDEN, HIDDEN]
