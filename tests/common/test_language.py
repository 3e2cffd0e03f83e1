"""Words that readers see: whole in both languages, one term for one thing, and no name among them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from scripts.cohort.selection import FILM_STEPS, NOTES, PAIR_STEPS, TABLE_STEPS
from scripts.common.code_hash import ROOT, import_graph
from scripts.common.config.intake import Exposure
from scripts.common.errors import StudyError
from scripts.common.language import LANGUAGES, Language, words_by_group, words_of
from scripts.common.language.names import STRATEGIES, Names
from scripts.common.vocabulary import ACCEPTED, EXCLUSIONS, MASKS, PASS, QUARANTINED, REJECT, REJECTED, REVIEW
from scripts.intake.dicom_reading import REASONS
from scripts.intake.exposure import judge
from scripts.statistics.cohort_description import VARIABLES
from scripts.statistics.sensitivity_analyses import SINGLE_SITES, WINDOWS
from scripts.statistics.shortcuts import GROUPS

ENGLISH, CHINESE = (words_by_group(code) for code in LANGUAGES)
PAIRS = [(key, text, CHINESE[group][key]) for group, words in ENGLISH.items() for key, text in words.items()]

TERMS = {
    "AUC": "AUC", "sensitivity(?! anal)": "敏感度", "sensitivity analys": "敏感性分析",
    "specificity": "特异度", "accuracy": "准确率",
    "PPV": "阳性预测值", "NPV": "阴性预测值", "net benefit": "净收益",
    "Youden": "约登指数", "threshold probability": "阈概率", "calibration": "校准度", "prevalence": "患病率",
    "subgroup": "亚组", "out.of.fold": "折外", "held.out AUC": "留出折 AUC", "frozen": "固定",
    "confidence interval": "置信区间", "bootstrap": "自助法", "Holm": "Holm", "Network.s score": "网络评分",
    "training set": "训练集", "internal test set": "内部测试集", "external test set": "外部测试集",
    "decision curve": "决策曲线", "Patient flow": "病例筛选流程", "osteoporosis": "骨质疏松|OP",
    "non-OP": "非 OP", "manufacturer": "厂商", "baselines": "基线方法", "quartile": "四分位", "slope": "斜率",
    "Table 1\\b": "表 1", "Table 2\\b": "表 2", "everyone positive": "全部判为阳性",
}  # fmt: skip
"""English terms (regular expressions) and the one Chinese term of each; the paper's where it has one."""

OTHERWISE = "净获益|Youden|灵敏|特异性|阈概率值|阈值概率|真阳性率|基准|冻结|制造商"
"""Other Chinese terms for the same things."""


def test_both_languages_have_the_same_keys_with_the_same_values():
    assert {g: list(words) for g, words in ENGLISH.items()} == {g: list(w) for g, w in CHINESE.items()}
    assert len(PAIRS) > 400
    for key, english, chinese in PAIRS:
        assert (english.strip() == english or key == "list_separator") and chinese, key
        assert set(re.findall(r"\{(\w*)\}", english)) == set(re.findall(r"\{(\w*)\}", chinese)), key


def test_words_are_filled_in_and_a_missing_one_is_an_error():
    assert Language("en").say("p_against", model="{x}") == "P against {x}"
    with pytest.raises(StudyError, match=r"language/zh.yaml has no words for 'male' in common or figures"):
        Language("zh", "figures").say("male")
    with pytest.raises(StudyError, match="^study.language: 'fr' is not known; use en or zh"):
        Language("fr")


def test_one_chinese_term_for_one_thing():
    other = []
    for english_term, term in TERMS.items():
        told = [
            (key, chinese)
            for key, english, chinese in PAIRS
            if re.search(english_term, re.sub(r"\S+\.csv", "", english), re.IGNORECASE)
        ]
        assert told, english_term
        other += [(key, term, chinese) for key, chinese in told if not re.search(term, chinese)]
    assert other == []
    assert [(key, chinese) for key, _, chinese in PAIRS if re.search(OTHERWISE, chinese)] == []


def test_the_same_english_is_the_same_chinese():
    said: dict[str, set[str]] = {}
    for _, english, chinese in PAIRS:
        said.setdefault(english.casefold(), set()).add(chinese)
    assert {english: chinese for english, chinese in said.items() if len(chinese) > 1} == {}


def test_codes_of_the_flow_and_of_files_have_words():
    words = Language("en")
    steps = (*FILM_STEPS, *TABLE_STEPS, *PAIR_STEPS, *EXCLUSIONS, "exclusion_flag_missing", "under_review")
    for step in ("found", "included", *steps):
        assert words.say(f"step_{step}")
    for key in (*(f"note_{note}" for note in NOTES), *(f"reason_{reason}" for reason in REASONS)):
        assert words.say(key)
    assert {key for key in ENGLISH["flow"] if key.startswith("step_")} == {
        f"step_{step}" for step in ("found", "included", *steps)
    }
    assert words.say_code("step", "no_dxa") == "No DXA exam" and words.say_code("step", "male") == "male"


def test_reasons_of_verdicts_have_words():
    """Films that break every rule, one each; a reader's verdict stands beside the rules'."""
    fine = {
        "clipped_low": 0.0, "clipped_high": 0.0, "deviation_index": 0.0, "noise_ratio": 0.0,
        "value_range": 0.9, "mean": 0.5, "polarity": 9.0, "manufacturer": "Maker", "view": "PA",
        "border_text": "",
    }  # fmt: skip
    broken = [
        {"clipped_low": 1.0}, {"value_range": 0.0}, {"deviation_index": -99.0, "noise_ratio": 99.0},
        {"deviation_index": 99.0, "clipped_high": 1.0}, {"value_range": np.nan}, {"deviation_index": 99.0},
        {"noise_ratio": 99.0}, {"mean": 0.0, "polarity": -9.0, "view": "unknown", "border_text": "words"},
        {"border_text": "unread"},
    ]  # fmt: skip
    settings = Exposure().model_dump(mode="json")
    settings["review_range"] = 0.95
    found = judge(pd.DataFrame([{**fine, **film} for film in broken]), {**settings, "refit": False})
    reasons = {reason for told in found["reason"] for reason in told.split(";")}
    assert len(reasons) == 13
    assert all(
        Language(code).say(f"reason_{reason}") for reason in {*reasons, "reader"} for code in LANGUAGES
    )


def test_parts_of_the_statistics_have_words():
    words = Language("en")
    windows = [f"dxa_within_{n}_month{'s' if n > 1 else ''}" for n in WINDOWS]
    sites = [f"{site}_only" for site in SINGLE_SITES]
    keys = [f"analysis_{name}" for name in ("main", "without_review", "most_sites", "complete_cases")]
    keys += [f"analysis_{name}" for name in (*windows, *sites)]
    keys += [f"group_{name}" for name in GROUPS] + [f"mask_{name}" for name in ("unmasked", *MASKS)]
    keys += [
        f"variable_{name}" for name in (*VARIABLES, "dxa_interval_days", "manufacturer", "male", "female")
    ]
    keys += [f"subgroup_{name}" for name in ("sex", "age", "bmi", "manufacturer", "dxa_interval")]
    keys += [f"rule_{name}" for name in ("youden", "sensitivity", "value", "published")]
    keys += [f"film_{name}" for name in (ACCEPTED, QUARANTINED, REJECTED)]
    keys += [f"verdict_{name}" for name in (PASS, REVIEW, REJECT)]
    assert all(words.say(key) for key in keys)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_name_is_looked_up_among_the_words(code):
    """Every key of the words, and every part of one, as the name of a set, a centre and a model."""
    words = Language(code)
    names = Names(words, models={"osta": "OSTA"})
    keys = {key for key, _, _ in PAIRS}
    called = {*keys, *(key.partition("_")[2] for key in keys), "male", "all", "found", "one_class", "deep"}
    for name in sorted(called - {"", "train", "internal_test"}):
        shown = name.replace("_", " ").casefold()
        assert names.center(name).casefold() == names.set(name).casefold() == shown
        if name not in STRATEGIES and name != "osta":
            assert names.model(name).casefold() == shown
    assert names.center("train") == "Train", "the training set is a set, not a centre"
    assert names.model("osta_published") == words.say("published_cutoff", model="OSTA")
    assert names.model("other_published") == "other published", "no model of the study at its cut-off"
    assert Names(words, {"all": "Everyone's hospital"}).model("all") == words.say("strategy_all")


def test_names_keep_what_tells_them_apart():
    names = Names(Language("en"), {"x": "Hospital X"}, {"y": "Model Y"})
    assert names.model("net_of_hospital_b") == "net of hospital b" and names.set("external_1") == "External 1"
    assert names.model('_x, "y"') == '_x, "y"' and names.model("x_") == "x_" and names.model("__") == "__"
    assert len({names.model(name) for name in ("x", "_x", "x_")}) == 3
    assert names.set("x") == names.center("x") == "Hospital X" and names.model("x") == "x"
    assert names.shown(["y"], ["x"]) == {"the label of 'y'": "Model Y", "the label of 'x'": "Hospital X"}


def test_a_word_changes_what_shows_it_and_nothing_else(monkeypatch):
    before = {group: words_of("en", group) for group in ENGLISH}
    chinese = words_of("zh", "tables")
    changed = ENGLISH | {"tables": ENGLISH["tables"] | {"note2_empty": "A dash: nothing."}}
    real = words_by_group
    monkeypatch.setattr(
        "scripts.common.language.words_by_group", lambda code: changed if code == "en" else real(code)
    )
    assert {group for group in ENGLISH if words_of("en", group) != before[group]} == {"tables"}
    assert words_of("zh", "tables") == chinese
    assert Language.of(words_of("en", "tables")).say("note2_empty") == "A dash: nothing."


def _scripts_of_rules() -> list[tuple[str, str, str]]:
    """Name, script and text of every rule that has a script."""
    found = []
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for text in re.split(r"^(?:rule|checkpoint) ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            script = re.search(r'script:\s+"\.\./(scripts/\S+\.py)"', text)
            if script:
                found.append((text.partition(":")[0], script[1], text))
    assert len(found) > 25
    return found


def test_rules_that_show_words_and_only_they_depend_on_the_words():
    """A rule has the words' hash among its params exactly where its script reads words."""
    shows = set()
    for name, script, text in _scripts_of_rules():
        modules = {path.relative_to(ROOT).as_posix() for path in import_graph(script)}
        reads = any(module.startswith("scripts/common/language/") for module in modules)
        assert reads == ("words=words_of(" in text), name
        if reads:
            shows.add(name)
    drawn = {"draw_figures", "draw_network", "write_tables", "list_statistics", "write_report"}
    assert shows == drawn | {"make_bundle"}
