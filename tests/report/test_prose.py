"""The report's prose in both languages: whole for everything that a config allows, with the same facts, and
for any number of models.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import re

import pandas as pd
import pytest
from jinja2 import nodes

from scripts.common.predictors import Predictor
from scripts.common.study_models import study_models
from scripts.common.templates import template_environment
from scripts.common.vocabulary import REDACTED
from scripts.report.facts import facts_of
from scripts.report.prose import TEMPLATES, Prose
from scripts.report.run_files import read_run
from scripts.report.sections import Report
from tests.report.conftest import seven_models, simulated_config, with_changes, with_strata, write_run

LANGUAGES = ("en", "zh")
PARTS, ITEMS, BLOCKS = ("methods.j2", "model_card.j2"), ("limits.j2",), ("statements.j2",)

BASE = {
    "kind": "logistic", "label": {"en": "Age alone", "zh": "仅年龄模型"}, "role": "baseline", "penalty": 3,
}  # fmt: skip

CONFIGS = {
    "as shipped": {},
    "random weights": {"models": with_changes(deep={"init": "random", "training": {"norm_batches": 0}})},
    "one of everything": {
        "cohort": {
            "sites": ["lumbar"],
            "exclusions": ["abnormal_spine"],
            "exam_window_days": 0,
            "min_sites": 1,
        },
        "models": with_changes(
            deep={"architecture": {"layers": 1}, "training": {"norm_batches": 1, "epochs": 1}}
        ),
    },
    "nothing excluded": {
        "cohort": {"exclusions": [], "review": "exclude", "missing_flag": "exclude", "min_sites": 2},
        "statistics": {"threshold": {"rule": "sensitivity", "value": 0.87}, "prevalences": []},
    },
    "a fixed threshold": {
        "statistics": {"threshold": {"rule": "value", "value": 0.3}, "engine": "numpy"},
        "networks": {"scoring": {"precision": "bf16"}},
        "intake": {"ocr": {"enabled": True}},
    },
    "seven models": {"models": seven_models(), "statistics": {"primary_contrast": ["stack_x", "clin_x"]}},
    "one network alone": {
        "models": {
            "film": {"kind": "whole_film", "label": {"en": "Film", "zh": "整片模型"}, "init": "random"},
        },
        "statistics": {"primary_contrast": None},
    },
    "trunks that stay as they start": {
        "models": {
            "deep": {
                "kind": "hybrid", "label": "模型 Deep", "init": "planted/lite.pth",
                "architecture": {
                    "trunk": "efficientnet_lite0", "trunk_sees": "film", "layers": 2,
                    "layer_order": "pre_norm", "read_out": "token_and_mean",
                },
                "training": {"optimizer": "adamw", "trained_stages": 0, "views": 8},
            },
            "thawed": {
                "kind": "hybrid", "label": "模型 Thawed", "architecture": {"feature_norm": False},
                "training": {
                    "trained_stages": 2, "thaw_epoch": 3, "trunk_norms": "fixed", "trunk_rate": 0.15,
                },
            },
            "film": {
                "kind": "whole_film", "label": "模型 Film", "backbone": "efficientnet_lite0",
                "init": "planted/lite.pth", "training": {"optimizer": "adamw", "trunk_norms": "fixed"},
            },
        },
        "statistics": {"primary_contrast": ["deep", "thawed"]},
    },
    "two networks, a network's parts, and trunks": {
        "models": {
            **with_changes(deep={"architecture": {"positions": "none"}}),
            "mean": {"like": "deep", "label": "模型 Mean", "architecture": {"layers": 0}},
            "global": {"like": "deep", "label": "模型 Global", "training": {"local_weight": 0}},
            "kept": {
                "like": "deep", "label": "模型 Kept", "init": "planted/trunk.pth",
                "training": {"trained_stages": 1, "views": 16},
            },
            "stack": {**BASE, "label": "模型 Stack", "predictors": ["mean", "global"]},
            "fetched": {"kind": "features", "label": "模型 Fetched", "trunk": "resnet18"},
            "own": {
                "kind": "features", "label": "模型 Own", "trunk": "resnet18", "init": "planted/trunk.pth",
                "side": 320, "grid": 4,
            },
        }
    },
}  # fmt: skip


def weights_of_a_file(run):
    run.config["models"]["deep"]["init"] = REDACTED


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
    learning = run.statistics["learning"]
    learning["sd_logit"] = 1.6
    learning.loc[learning["fold"].astype(str) == "2", "sd_logit"] = 0.4


def nothing_learned(run):
    learning = run.statistics["learning"]
    learning[["learned", "finding"]] = "no", "nothing_learned"


def many_without_a_label(run):
    run.flow.loc[run.flow["step"] == "undecided_dxa", ["n_patients", "n_any"]] = 1200
    run.statistics["missing"]["n_missing"] = 0


def all_films(run):
    row = {"center": "internal", "step": "train", "n_patients": 80, "n_op": 20, "kind": "set", "n_films": 123}
    return dataclasses.replace(run, flow=pd.concat([run.flow, pd.DataFrame([row])], ignore_index=True))


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
    nothing_learned,
    many_without_a_label,
    all_films,
    as_drawn,
    no_external_set,
    nobody,
]


def prose_of(run, language):
    report = Report(run, language)
    return Prose(language, facts_of(run, report.sets, report.models))


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


def told_of(folder, config, change=lambda run: run):
    """The texts of a run in both languages, with the labels of each."""
    made = read_run(**write_run(folder, config))
    texts = {}
    for language in LANGUAGES:
        study = config.study.model_copy(update={"language": language})
        models = study_models(config.model_copy(update={"study": study}).shown_models())
        run = copy.deepcopy(dataclasses.replace(made, models=models))
        texts[language] = texts_of(prose_of(change(run) or run, language))
    return texts


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The texts of every config and every run above, by case and language."""
    folder = tmp_path_factory.mktemp("runs")
    cases = {case: told_of(folder / case, simulated_config(**given)) for case, given in CONFIGS.items()}
    shipped = simulated_config()
    return cases | {change.__name__: told_of(folder / change.__name__, shipped, change) for change in RUNS}


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


def test_any_number_of_models_is_told_by_kind_and_label(told):
    english, chinese = ("\n".join(told["seven models"][language].values()) for language in LANGUAGES)
    for said in (
        "The run develops four models",
        "Bedside and Both model",
        "untuned) on age and sex (Bedside), and on the variables of the Bedside model with the"
        " out-of-fold Blocks and Whole film scores (Both).",
        "The network (Blocks) started from random weights, not from ImageNet weights as in the paper.",
        "The Both model's out-of-fold scores are slightly optimistic: the out-of-fold Blocks and Whole film"
        " scores",
        "Blocks, Whole film and Bare blocks scores of test patients: mean over the trainings.",
        "Age at the film, sex, weight. From the film: the Blocks and Whole film scores.",
        "Blocks: an ensemble of 10 networks, 6×6 blocks of 256 pixels, a shared ResNet-18 of first width 64,"
        " 6 Transformer layers.",
        "stand in the comparison alone: Bare blocks (6×6 blocks of 256 pixels, a shared ResNet-18 of first"
        " width 64, no Transformer, no local loss; started from random weights; learning rate 0.0001,"
        " batch size 8, 50 epochs). Each network was tested against the Blocks model",
        "whole through torchvision's resnet18",
        "The embeddings of Foundation come from a network that was trained elsewhere.",
        "the mean of its 2 networks, test patients the mean of the 10 models' probabilities",
    ):
        assert said in english, said
    for said in (
        "本研究建立四个模型",
        "床旁与双网络模型",
        "床旁模型用年龄和性别，双网络模型用床旁模型的变量另加折外分块、整片评分。",
        "网络（分块）由随机权重开始训练",
        "双网络模型以折外分块、整片评分训练",
        "简化分块模型（6×6 块",
        "学习率 0.0001，批量 8，50 轮）",
        "与分块模型比较",
        "基础模型所用嵌入向量来自在别处训练的网络",
    ):
        assert said in chinese, said
    assert "1 epochs" not in "\n".join(told["one of everything"]["en"].values())
    for text in (english, chinese):
        assert not re.search(r"\b(net_a|net_b|clin_x|stack_x|found_x|osta_x)", text)


def test_predictors_of_the_patient_tables_are_told_by_their_labels(tmp_path):
    run = read_run(**write_run(tmp_path / "run", simulated_config(**CONFIGS["seven models"])))
    models = [
        dataclasses.replace(model, predictors=("age", "hgs")) if model.name == "clin_x" else model
        for model in run.models
    ]
    mapped = {"hgs": Predictor("hgs", "number", unit="kg", label="Grip strength")}
    run = dataclasses.replace(run, models=models, predictors=mapped, cohort=run.cohort.assign(hgs=30.0))
    english, chinese = ("\n".join(texts_of(prose_of(run, code)).values()) for code in LANGUAGES)
    assert "on age and Grip strength (Bedside)" in english and "From the film" in english
    assert "Age at the film, Grip strength, sex, weight." in english
    assert "年龄和 Grip strength" in chinese and "hgs" not in english + chinese


def test_a_leak_of_stacking_is_told_only_where_a_model_reads_scores(told):
    alone = told["one network alone"]
    assert "slightly optimistic" not in "\n".join(alone["en"].values())
    assert "略偏乐观" not in "\n".join(alone["zh"].values())
