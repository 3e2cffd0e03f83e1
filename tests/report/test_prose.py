"""The report's prose in both languages: whole for everything that a config allows, with the same facts, and
for any number of models.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import re

import pytest
from jinja2 import nodes

from scripts.common.templates import template_environment
from scripts.common.vocabulary import REDACTED
from scripts.report.facts import Model, facts_of
from scripts.report.prose import TEMPLATES, Prose
from scripts.report.redaction import redacted_config
from scripts.report.run_files import read_run
from scripts.report.sections import Report
from tests.report.conftest import simulated_config, with_strata, write_run

LANGUAGES = ("en", "zh")
PARTS, ITEMS, BLOCKS = ("methods.j2", "model_card.j2"), ("limits.j2",), ("statements.j2",)

CONFIGS = {
    "as shipped": {},
    "random weights": {"deep": {"init": "random", "training": {"norm_batches": 0}}},
    "one of everything": {
        "cohort": {
            "sites": ["lumbar"],
            "exclusions": ["abnormal_spine"],
            "exam_window_days": 0,
            "min_sites": 1,
        },
        "deep": {"architecture": {"layers": 1}, "training": {"norm_batches": 1}},
    },
    "nothing excluded": {
        "cohort": {"exclusions": [], "review": "exclude", "missing_flag": "exclude", "min_sites": 2},
        "statistics": {"threshold": {"rule": "sensitivity", "value": 0.87}, "prevalences": []},
    },
    "a fixed threshold": {
        "statistics": {"threshold": {"rule": "value", "value": 0.3}, "engine": "numpy"},
        "deep": {"scoring": {"precision": "bf16"}},
        "intake": {"ocr": {"enabled": True}},
    },
}


def weights_of_a_file(run):
    run.config["deep"]["init"] = REDACTED


def real_patients(run):
    run.provenance["synthetic"] = False
    for entry, key in zip(run.config["centers"], ("enrolment", "png", "deidentified")):
        entry[key] = "given"
    run.provenance["git"] = {"commit": "unknown", "code_modified": False}


def no_r_and_no_threshold(run):
    run.provenance["versions"] |= {"R": None, "pROC": None}
    run.provenance["delong_engine"] = "numpy"
    run.provenance["git"] = {"commit": "0" * 40, "code_modified": True}
    for name in ("thresholds", "subgroups", "sensitivity", "calibration", "table2"):
        run.statistics[name] = run.statistics[name].iloc[:0]


def equal_scores(run):
    run.predictions["deep"] = run.predictions["deep"].where(run.predictions["set"] != "external_1", 0.5)
    for fold, low in ((1, 0.25), (2, 0.4)):
        here = (run.predictions["set"] == "train") & (run.predictions["fold"] == fold)
        spread = run.predictions.loc[here, "deep"] / 100 if fold == 2 else 0
        run.predictions.loc[here, "deep"] = low + spread


def many_without_a_label(run):
    run.flow.loc[run.flow["step"] == "undecided_dxa", ["n_patients", "n_any"]] = 1200
    run.statistics["missing"]["n_missing"] = 0


def as_drawn(run):
    return with_strata(run, [(64, 16)] * 5, (80, 20))


def no_external_set(run):
    config = run.config | {"centers": run.config["centers"][:1]}
    return dataclasses.replace(
        run, centers=run.centers[:1], sets=run.sets[:2], provenance=run.provenance | {"config": config}
    )


def nobody(run):
    return dataclasses.replace(
        run,
        cohort=run.cohort[run.cohort["set"].isin(["train", "external_2"])].assign(age=60, review=0),
        flow=run.flow[run.flow["kind"] != "found"],
    )


RUNS = [
    weights_of_a_file,
    real_patients,
    no_r_and_no_threshold,
    equal_scores,
    many_without_a_label,
    as_drawn,
    no_external_set,
    nobody,
]


def prose_of(run, language, change=lambda facts: facts):
    report = Report(run, language)
    return Prose(language, change(facts_of(run, report.sets, report.models)))


def texts_of(prose):
    """Every text of the prose by file and part; the headings are texts too."""
    texts = {}
    for file in PARTS:
        for place, part in enumerate(prose.parts(file)):
            texts |= {(file, place, "heading"): part[0], (file, place, "text"): part[1]}
    texts |= {(file, place): text for file in ITEMS for place, text in enumerate(prose.items(file))}
    return texts | {(file, name): prose.block(file, name) for file in BLOCKS for name in prose.blocks(file)}


def numbers_in(text):
    """All but 1, which English spells."""
    found = collections.Counter(re.findall(r"\d+(?:[\u202f.]\d+)*", text))
    return {number: times for number, times in found.items() if number != "1"}


def assert_whole_and_alike(english, chinese):
    """Both hold the same parts, no trace of a template, and the same numbers."""
    assert english.keys() == chinese.keys()
    for place, text in english.items():
        for one in (text, chinese[place]):
            assert one == one.strip() and one, place
            assert not re.search(r"[{}\n]|\s\s|None|nan\b| [.,;:]|，，|。。", one), (place, one)
        assert numbers_in(text) == numbers_in(chinese[place]), (place, text, chinese[place])
        assert re.search(r"[\u4e00-\u9fff]", chinese[place]), place


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The texts of every config and every run above, by case and language."""

    made = read_run(**write_run(tmp_path_factory.mktemp("run") / "files", simulated_config()))

    def texts(change, config=None):
        run = copy.deepcopy(made)
        run.provenance["config"] = redacted_config(config or simulated_config())
        run = change(run) or run
        return {language: texts_of(prose_of(run, language)) for language in LANGUAGES}

    cases = {case: texts(lambda run: run, simulated_config(**given)) for case, given in CONFIGS.items()}
    return cases | {change.__name__: texts(change) for change in RUNS}


@pytest.mark.parametrize("case", [*CONFIGS, *(change.__name__ for change in RUNS)])
def test_prose_is_whole_and_alike_in_both_languages(told, case):
    assert_whole_and_alike(told[case]["en"], told[case]["zh"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("file", [*PARTS, *ITEMS, *BLOCKS, "split.j2"])
def test_every_sentence_of_the_templates_is_told_in_one_of_these_cases(told, language, file):
    """So each branch is rendered; a piece of a sentence stands between two values or conditions."""
    everything = "\n".join(text for case in told.values() for text in case[language].values())
    environment = template_environment(TEMPLATES / language)
    source = (TEMPLATES / language / file).read_text(encoding="utf-8")
    pieces = [node.data for node in environment.parse(source).find_all(nodes.TemplateData)]
    assert len(pieces) > 5
    for piece in pieces:
        for line in piece.splitlines():
            assert re.sub("^(## ?|- )", "", line.strip()) in everything, line


def several_models(facts):
    """Two networks and five models of trees, of which two read scores."""
    second = dataclasses.replace(
        facts["main"], name="whole_film", label="整片模型", init="random", flat_folds=("7",)
    )
    networks = (facts["main"], second)
    few, many = ("age", "sex"), ("age", "sex", "calcium_intake")
    trees = (
        Model("clinical", "临床模型", "trees", few),
        Model("combined", "联合模型", "trees", few, (facts["main"],)),
        Model("both", "双网络模型", "trees", few, networks),
        Model("wide", "扩展模型", "trees", many),
        Model("age_alone", "年龄模型", "trees", ("age",)),
    )
    return facts | {
        "networks": networks,
        "trees": trees,
        "models": (*networks, *trees),
        "variables": many,
    }


def test_any_number_of_models_is_told(study):
    texts = {language: texts_of(prose_of(study(), language, several_models)) for language in LANGUAGES}
    assert_whole_and_alike(texts["en"], texts["zh"])
    english, chinese = ("\n".join(texts[language].values()) for language in LANGUAGES)
    for said in (
        "The run develops seven models",
        "Clinical, combined, both, wide and age alone model",
        "untuned) on age and sex (clinical), on those with the out-of-fold deep score (combined), on those"
        " with the out-of-fold deep and whole film scores (both), on age, sex and calcium intake (wide), and"
        " on age (age alone).",
        "The network (whole film) started from random weights",
        "Folds (whole film) that give all their held-out patients the same score, and so learned nothing: 7.",
        "The both model's out-of-fold scores are slightly optimistic: the deep and whole film scores",
        "Deep and whole film scores are means over the folds",
        "Age at the film, sex, calcium intake; the deep and whole film scores of the film.",
    ):
        assert said in english, said
    for said in (
        "本研究建立七个模型",
        "临床、联合、双网络、扩展、年龄模型",
        "临床模型用年龄和性别，联合模型另加折外 DL 评分，双网络模型另加折外 DL、整片评分，扩展模型用年龄、"
        "性别和 calcium intake，年龄模型用年龄。",
        "网络（整片）由随机权重开始训练",
        "双网络模型以折外 DL、整片评分训练",
        "DL、整片评分为各折模型均值",
        "深度学习模型：整片",
    ):
        assert said in chinese, said
