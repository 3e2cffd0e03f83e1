"""The reporting checklists: every item is there, every place that one names exists, and an honest share is
left to the authors.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from scripts.common.config import Intake
from scripts.common.contracts.intake import MEASURES
from scripts.common.contracts.report import CHECKLIST
from scripts.common.language import Language
from scripts.common.tables import write_table
from scripts.common.vocabulary import REDACTED
from scripts.intake.exposure import judge
from scripts.report.checklists import ANSWERS, NAMES, answers, read_checklist
from scripts.report.render import checklist_tables, report_html
from scripts.report.sections import Report
from scripts.statistics.performance import evaluate_set
from scripts.workflow.targets import final_outputs, recorded_outputs
from tests.report.conftest import with_strata

ROOT = Path(__file__).resolve().parents[2]

# Main items with the number of their sub-items (none: the item stands alone), counted from the two papers.
TRIPOD_AI = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}
EXPECTED = {
    "tripod_ai": [
        f"{n}{letter}"
        for n in range(1, 28)
        for letter in ("abcdefg"[: TRIPOD_AI[n]] if n in TRIPOD_AI else [""])
    ],
    "claim": [str(n) for n in range(1, 45)],
}


def items(run, name, language="en"):
    return Report(run, language).checklist(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_item_is_there_once_and_in_order(name):
    entries = read_checklist(name)["items"]
    assert [entry["item"] for entry in entries] == EXPECTED[name]
    assert len(EXPECTED["tripod_ai"]) == 52
    for entry in entries:
        assert (
            set(entry) <= {"item", "part", "topic", "answer", "where", "says"} and entry["answer"] in ANSWERS
        )
        english, chinese = entry["topic"]
        assert english and re.search(r"[\u4e00-\u9fff]", chinese)
        assert len(english) < 60, "topics are short words of our own, not the items' text"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_answered_says_where_and_what(name):
    for entry in read_checklist(name)["items"]:
        if entry["answer"] in ("answered", "partly"):
            assert entry.get("where") and entry.get("says"), entry["item"]
        if entry["answer"] == "not_applicable":
            assert entry.get("says"), entry["item"]


def test_every_statement_is_used_and_every_one_that_is_named_exists(study):
    named = {entry["says"] for name in NAMES for entry in read_checklist(name)["items"] if "says" in entry}
    run = study()
    for language in ("en", "zh"):
        prose = Report(run, language).prose
        assert prose.blocks("statements.j2") == named and set(answers(prose.facts)) <= named


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_every_place_exists_in_a_report(study, configs, name, language):
    config = configs["simulated"](study={"language": language})
    run = study(config)
    page = report_html(run)
    ids = set(re.findall(r' id="([^"]+)"', page))
    made = {*final_outputs(config), *recorded_outputs(config)}
    for one in items(run, name, language):
        for place in one.where:
            if place.startswith("#"):
                assert place[1:] in ids, (one.item, place)
            elif place.startswith("config: "):
                value = config.model_dump(mode="json", by_alias=True)
                for key in place.removeprefix("config: ").split("."):
                    value = value[key]
            elif place.startswith("results/"):
                assert place in made, place
            else:
                assert (ROOT / place).is_file(), (one.item, place)


@pytest.mark.parametrize("name", NAMES)
def test_an_honest_share_is_left_to_the_authors(study, name):
    answers = pd.Series([one.answer for one in items(study(), name)])
    assert 0.2 < (answers == "authors").mean() < 0.5
    assert (answers == "partly").mean() > 0.15
    by_item = {one.item: one.answer for one in items(study(), name)}
    left = {
        "tripod_ai": ("3a", "3c", "17", "18a", "18b", "18c", "18d", "19", "25", "27b", "27c"),
        "claim": ("5", "15", "34", "41", "42", "44"),
    }[name]
    assert {by_item[item] for item in left} == {"authors"}


def test_statements_follow_the_run(study, configs):
    run = study()
    said = {one.item: one for one in items(run, "tripod_ai")}
    train = run.cohort[run.cohort["set"] == "train"]
    assert f"Training set {len(train)} ({int(train['label'].sum())})" in said["10"].statement
    assert f"included: {len(run.cohort)}" in said["20a"].statement
    assert said["5b"].answer == "authors" and said["23b"].answer == "partly"
    assert "All centres of this run are simulated" in said["17"].statement
    run.statistics["missing"]["n_missing"] = 0
    run.statistics["missing"].loc[run.statistics["missing"]["variable"] == "weight_kg", "n_missing"] = [
        4,
        0,
        3,
    ]
    assert "weight 7." in {one.item: one.statement for one in items(run, "tripod_ai")}["11"]
    run.statistics["missing"]["n_missing"] = 0
    assert "among the included: none." in {one.item: one.statement for one in items(run, "tripod_ai")}["11"]


def test_answers_follow_the_run(study, configs):
    real = {one.item: one for one in items(study(configs["real"]()), "tripod_ai")}
    assert (
        real["5b"].answer == "partly" and "sets an enrolment period for Saint Planted" in real["5b"].statement
    )
    assert real["12d"].answer == "absent"  # one external centre can't differ from another
    assert "simulated" not in real["17"].statement
    alone = study(
        configs["simulated"](
            centers=[
                {
                    "name": "internal",
                    "role": "development",
                    "simulate": {"like": "internal", "n_op": 30, "n_non_op": 50},
                }
            ]
        )
    )
    assert {one.item: one.answer for one in items(alone, "claim")}["33"] == "absent"
    run = study()
    run.statistics["calibration"]["slope"] = None
    claim = {one.item: one for one in items(run, "claim")}
    assert claim["37"].answer == "partly" and "calibration slope: 0 of 9" in claim["37"].statement
    run.cohort.loc[run.cohort.index[-1], "patient_id"] = run.cohort.loc[0, "patient_id"]
    assert {one.item: one for one in items(run, "claim")}["20"].answer == "partly"


def test_failures_are_counted_at_the_threshold(study):
    run = study()
    run.statistics["thresholds"].loc[run.statistics["thresholds"]["model"] == "deep", "threshold"] = 0.5
    tests = run.predictions[run.predictions["set"] != "train"]
    false_positive = sum(1 for row in tests.itertuples() if row.label == 0 and row.deep >= 0.5)
    false_negative = sum(1 for row in tests.itertuples() if row.label == 1 and row.deep < 0.5)
    text = {one.item: one.statement for one in items(run, "claim")}["39"]
    assert f"{false_positive} false positives, {false_negative} false negatives" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_four_counts_of_failures_are_those_of_table_2(study, language):
    run = study()
    rows = []
    for name in run.sets[1:]:
        part = run.predictions[run.predictions["set"] == name]
        cut = (
            sorted(part["deep"])[len(part) // 2] if not rows else rows[0]["threshold"]
        )  # a score at the threshold counts as positive
        args = (
            part["label"].to_numpy(int),
            part[["deep"]].to_numpy(float).T,
            ["deep"],
            {"deep": cut},
            0.95,
            20,
            1,
        )
        rows += [row for row in evaluate_set(*args) if row["model"] == "deep"]
    table2 = pd.DataFrame(rows)
    run.statistics["thresholds"].loc[run.statistics["thresholds"]["model"] == "deep", "threshold"] = rows[0][
        "threshold"
    ]
    text = {one.item: one.statement for one in items(run, "claim", language)}["39"]
    said = [int(n) for n in re.findall(r"\d+", text)]
    assert said == [table2[kind].sum() for kind in ("fp", "fn", "tp", "tn")] and min(said) > 0
    assert sum(said) == run.predictions["set"].isin(run.sets[1:]).sum()


def test_the_included_with_and_without_osteoporosis_add_up(study):
    run = study()
    text = {one.item: one.statement for one in items(run, "tripod_ai")}["20a"]
    n, op, without = (
        int(x) for x in re.search(r"included: (\d+) \(with OP (\d+), without (\d+)\)", text).groups()
    )
    assert n == op + without == len(run.cohort) and op == run.cohort["label"].sum()


def test_films_that_a_reader_rejected_are_told_apart_from_those_of_the_rules(study):
    run = study()
    text = {one.item: one.statement for one in items(run, "tripod_ai")}["7"]
    assert "3 rejected by fixed rules or a reader (by a reader: 0)" in text
    run.files.loc[run.files["status"] == "rejected", "reason"] = ["reader", "clipped", "reader"]
    assert (
        "3 rejected by fixed rules or a reader (by a reader: 2)"
        in {one.item: one.statement for one in items(run, "tripod_ai")}["7"]
    )
    assert "其中阅片者 2 个" in {one.item: one.statement for one in items(run, "tripod_ai", "zh")}["7"]


def test_what_rejects_a_film_knows_neither_age_nor_sex_nor_label():
    film = {name: 0.0 for name in MEASURES} | {
        "manufacturer": "Maker",
        "view": "PA",
        "border_text": "",
        "clipped_high": 0.9,
        "value_range": 0.5,
        "mean": 0.5,
    }
    settings = Intake().exposure.model_dump()
    assert judge(pd.DataFrame([film]), settings)["verdict"].tolist() == ["reject"]  # no other column is there


@pytest.mark.parametrize(
    ("init", "english", "chinese"),
    [
        (
            "imagenet",
            "ImageNet weights for the ResNet-18, the rest random;",
            "ResNet-18 用 ImageNet 预训练权重，其余随机初始化；",
        ),
        ("random", "All weights random;", "全部权重随机初始化；"),
        (
            REDACTED,
            "ResNet-18 weights of a file, the rest random;",
            "ResNet-18 用文件给定的权重，其余随机初始化；",
        ),
    ],
)
def test_the_weights_to_start_from_are_named_for_each_kind(study, init, english, chinese):
    run = study()
    run.config["models"]["deep"]["init"] = init
    seed = str(run.config["study"]["seed"])
    for language, sentence in (("en", english), ("zh", chinese)):
        text = {one.item: one.statement for one in items(run, "claim", language)}["24"]
        assert sentence in text and seed in text


def test_preprocessing_names_the_size_that_films_get(study):
    run = study()
    run.config["models"]["deep"]["architecture"] |= {"grid": 5, "block_size": 64}
    text = {one.item: one.statement for one in items(run, "claim")}["9"]
    assert (
        "resized to 320×320 pixels, 5×5 blocks of 64;" in text
        and "Of 39 files 6 were quarantined, 3 rejected." in text
    )


def test_sizes_are_those_of_the_test_sets(study, configs):
    run = study()
    text = {one.item: one.statement for one in items(run, "claim")}["21"]
    for name in run.sets[1:]:
        part = run.cohort[run.cohort["set"] == name]
        assert f" {len(part)} ({part['label'].sum()})" in text
    assert (
        "Training" not in text
        and "20 % of those who met the criteria, in external centres all of them" in text
    )
    alone = study(
        configs["simulated"](
            centers=[
                {
                    "name": "internal",
                    "role": "development",
                    "simulate": {"like": "internal", "n_op": 30, "n_non_op": 50},
                }
            ]
        )
    )
    assert "external" not in {one.item: one.statement for one in items(alone, "claim")}["21"]


def test_without_an_internal_test_set_the_out_of_fold_scores_are_left(study):
    run = study()
    run.cohort.loc[run.cohort["set"] == "internal_test", "set"] = "train"
    one = {one.item: one for one in items(run, "claim")}["32"]
    assert one.answer == "partly" and "0 patients" in one.statement


def test_availability_says_more_than_the_code(study):
    run = study()
    for commit in ("unknown", "0123456789abcdef"):
        run.provenance["git"]["commit"] = commit
        code = {one.item: one for one in items(run, "tripod_ai")}["18f"]
        all_three = {one.item: one for one in items(run, "claim")}["43"]
        assert (
            all_three.statement.startswith(code.statement + " make bundle") and all_three.answer == "partly"
        )


def test_what_asks_for_reasons_is_answered_in_part(study):
    for name, partly in (
        ("tripod_ai", ("12c", "12e", "15", "20c")),
        ("claim", ("11", "12", "19", "28", "36")),
    ):
        by_item = {one.item: one.answer for one in items(study(), name)}
        assert {by_item[item] for item in partly} == {"partly"}


def test_tables_hold_what_the_page_shows(study, tmp_path):
    run = study()
    page = report_html(run)
    for name, table in checklist_tables(run).items():
        write_table(table, tmp_path / f"{name}.csv", CHECKLIST)
        read = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False)
        assert read["item"].tolist() == EXPECTED[name] and list(read.columns) == list(CHECKLIST)
        shown = re.search(rf'<table id="table-{name.replace("_", "-")}".*?</table>', page, flags=re.S).group(
            0
        )
        assert shown.count("<tr>") == len(read) + 1
        assert set(read["answer"]) <= {Language("en").say(f"answer_{answer}") for answer in ANSWERS}
        assert read["where"].str.contains("report.html#").any()


def test_both_languages_give_the_same_answers(study):
    run = study()
    for name in NAMES:
        for english, chinese in zip(items(run, name, "en"), items(run, name, "zh"), strict=True):
            assert english.answer == chinese.answer and bool(english.statement) == bool(chinese.statement)


STRATA = {
    "as drawn": ([(64, 16)] * 5, (80, 20), True, True),
    "labels of the test set": ([(64, 16)] * 5, (70, 30), False, True),
    "labels of a fold": ([(64, 16)] * 3 + [(56, 24), (72, 8)], (80, 20), True, False),
    "patients who left": ([(64, 16)] * 5, (40, 10), False, True),
}


@pytest.mark.parametrize("case", STRATA)
def test_methods_checklists_and_limits_claim_strata_only_where_they_hold(study, case):
    folds, test, sets_hold, folds_hold = STRATA[case]
    run = with_strata(study(), folds, test)
    share = f"{100 * test[1] / sum(test):.1f} %"
    for language, (by_today, when_drawn, stratified) in {
        "en": ("not stratified by today's labels", "stratified when drawn", "5 stratified folds"),
        "zh": ("不按现有标签分层", "首次抽取时分层", "5 个分层折"),
    }.items():
        prose = Report(run, language).prose
        told = " ".join(text for _, text in prose.parts("methods.j2"))
        items_of = {name: {one.item: one.statement for one in items(run, name, language)} for name in NAMES}
        for text in (told, items_of["tripod_ai"]["12a"], items_of["claim"]["19"]):
            assert "20.0 %" in text and share in text
            assert (by_today in text) is not sets_hold
            assert (when_drawn in text) is not folds_hold and (stratified in text) is folds_hold
        said = " ".join(prose.items("limits.j2"))
        assert (by_today in said) is not (sets_hold and folds_hold)
        if not folds_hold:
            assert "10.0" in said and "30.0 %" in said
