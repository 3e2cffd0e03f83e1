"""The page: whole, offline, in both languages, with the banner where it belongs and no film against the
policy.
"""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import re

import pandas as pd
import pytest

from scripts.common.catalogue import CATALOGUE, result
from scripts.common.errors import StudyError
from scripts.common.film_policy import contact_sheet_decision
from scripts.common.language import Language
from scripts.common.vocabulary import REDACTED
from scripts.report import sections
from scripts.report.render import report_html
from scripts.report.run_files import read_statistics
from tests.report.conftest import seven_models, with_changes

SECTIONS = [
    "summary", "flow", "exposure", "table1", "table2", "delong", "baselines", "roc", "decision_curves",
    "calibration", "subgroups",
    "prevalence", "sensitivity", "missing", "shortcuts", "gradcam", "training", "scores", "architectures",
    "model_card",
    "methods", "software", "checksums", "limits",
    "tripod_ai", "claim",
]  # fmt: skip
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Reads a page strictly: every element that opens closes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self._table: str | None = None
        self._cell: list[str] | None = None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src") if name in given]
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "table":
            self._table = given.get("id", "")
            self.cells[self._table] = []
        if tag == "td":
            self._cell = []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag
        if tag == "td":
            self.cells[self._table].append(re.sub(r"\s+", " ", "".join(self._cell)).strip())
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)


def test_differences_best_models_and_the_upper_bound_are_told(study, configs):
    for language in ("en", "zh"):
        page = Page(report_html(study(configs["simulated"](study={"language": language}))))
        differences, best, bound = (
            page.cells[f"table-{name}"] for name in ("differences", "best-model", "upper-bound")
        )
        assert len(differences) == 3 * 3 * 2 * 7 and len(best) == 3 * 3 * 7
        assert bound and not [cell for cell in differences + best + bound if "_" in cell], (
            "a column's name in place of words"
        )
        assert not [cell for cell in differences if "-" in cell], "a hyphen for a minus"
        assert {"en": "Deep learning, Clinical", "zh": "DL 模型, 临床模型"}[language] in best


def test_sensitivity_analyses_tell_shares_and_their_differences_in_one_unit(study):
    run = study()
    frame = run.statistics["sensitivity"]
    frame.loc[frame["analysis"] != "main", ["sensitivity", "sensitivity_minus_main"]] = [0.81234, -0.05432]
    cells = Page(report_html(run)).cells["table-sensitivity"]
    assert all(any(cell.startswith(said) for cell in cells) for said in ("81.2 (", "\u22125.4 ("))
    assert not [cell for cell in cells if cell.startswith("\u22120.054")]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Sensitivity minus main: Newcombe"), ("zh", "与主分析敏感度之差: Newcombe")]
)
def test_methods_of_intervals_are_told_without_units(study, configs, language, said):
    run = study(configs["simulated"](study={"language": language}))
    run.statistics["sensitivity"]["sensitivity_minus_main_ci_method"] = "Newcombe"
    run.statistics["sensitivity"]["sensitivity_ci_method"] = "Wilson"
    text = report_html(run)
    assert said in text and Language(language).say("sensitivity") + ": Wilson" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_page_is_whole_and_offline(study, configs, language):
    text = report_html(study(configs["simulated"](study={"language": language})))
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert [i for i in page.ids if i in SECTIONS] == [i for i in SECTIONS if i != "architectures"]
    for link in page.links:
        assert link.startswith("data:") or (link.startswith("#") and link[1:] in page.ids)
    outside = re.sub(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch\(|XMLHttpRequest", outside)
    for uri in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text):
        drawing = base64.b64decode(uri).decode()
        assert not re.search(r'(href|src)="(?!#|data:)', drawing)


def test_synthetic_banner_only_where_a_centre_is_simulated(study, configs):
    text = report_html(study())
    assert 'class="notice"' in text and "SYNTHETIC DATA" in text
    run = study()
    run.provenance["synthetic"] = False
    real = report_html(run)
    assert 'class="notice"' not in real and "synthetic" not in real.lower() and "simulated" not in real


def test_numbers_are_written_for_readers(study):
    run = study()
    frame = run.statistics["table2"]
    frame.loc[0, ["auc", "auc_low", "auc_high"]] = [0.91749, 0.8991, 0.93549]
    frame.loc[0, ["sensitivity", "sensitivity_low", "sensitivity_high"]] = [0.84012, 0.8, 0.87]
    frame.loc[1, ["auc", "auc_low", "auc_high"]] = [0.5, None, None]
    page = Page(report_html(run))
    row = page.cells["table-2"][:11]
    assert row[:5] == [
        "Internal test set",
        "Deep learning",
        "40 (14)",
        "0.917 (0.899–0.935)",
        "84.0 (80.0–87.0)",
    ]
    assert page.cells["table-2"][11 + 3] == "0.500"
    assert any(cell.startswith("<0.001") for cell in page.cells["table-1"])  # a P of 0.00004
    assert page.cells["table-summary"][:4] == ["Internal test set", "40", "14", "0.917 (0.899–0.935)"]
    assert page.cells["table-contrast"][-2:] == ["0.012", "0.037"]


def test_main_comparison_keeps_its_sign_whichever_model_stands_first(study):
    run = study()
    frame = run.statistics["delong"]
    part = (
        (frame["model_a"] == "combined")
        & (frame["model_b"] == "clinical")
        & (frame["set"] == "internal_test")
    )
    frame.loc[part, ["model_a", "model_b"]] = ["clinical", "combined"]
    frame.loc[part, ["difference", "difference_low", "difference_high"]] = [-0.1, -0.15, -0.02]
    assert Page(report_html(run)).cells["table-contrast"][1] == "0.100 (0.020–0.150)"


def test_counts_of_films_and_verdicts(study):
    page = Page(report_html(study()))
    assert page.cells["table-files"][:5] == ["Internal", "13", "10", "2", "1"]
    assert page.cells["table-verdicts"][:4] == ["Internal", "8", "2", "2"]


def _sheets(text: str) -> list[str]:
    return re.findall(r'id="sheet-([a-z0-9_]+-(?:reject|review))"', text)


def test_no_film_is_shown_against_the_policy(study, configs):
    run = study(burned_in="unknown")  # one film under review and one rejected do not declare NO
    text = report_html(run)
    assert _sheets(text) == []
    for path in run.contact_sheets.values():
        assert base64.b64encode(path.read_bytes()).decode() not in text
    assert (
        "(BurnedInAnnotation NO): 1." in text and "of them do not" not in text and "report.show_films" in text
    )


def test_films_are_shown_where_every_one_declares_no_text(study):
    run = study(burned_in="NO")
    text = report_html(run)
    assert len(_sheets(text)) == len(run.contact_sheets) == 6
    for path in run.contact_sheets.values():
        assert base64.b64encode(path.read_bytes()).decode() in text


def test_films_are_shown_after_a_sign_off(study, configs):
    config = configs["simulated"](report={"show_films": "signed_off", "signed_off_by": "Dr Planted"})
    text = report_html(study(config, burned_in="unknown"))
    assert len(_sheets(text)) == 6 and "Planted" not in text


def test_policy_looks_at_every_film_of_a_sheet():
    films = pd.DataFrame(
        {"verdict": ["reject", "reject", "review", "pass"], "burned_in": ["NO", "", "NO", "unknown"]}
    )
    assert contact_sheet_decision(films, "reject", "not_burned_in").show is False
    assert contact_sheet_decision(films, "review", "not_burned_in").show is True
    assert contact_sheet_decision(films, "reject", "signed_off").show is True
    assert contact_sheet_decision(films[films["verdict"] == "pass"], "reject", "signed_off").show is False
    with pytest.raises(StudyError, match="show_films"):
        contact_sheet_decision(films, "reject", "all")


def test_methods_hold_the_runs_own_numbers(study, configs):
    config = configs["simulated"](
        cohort={"older_than": 47, "interval_months": 5, "op_t_score": -2.1, "test_fraction": 0.25},
        models=with_changes(
            deep={
                "init": "random",
                "architecture": {"grid": 7, "block_size": 48, "trunk_width": 24, "layers": 3, "heads": 6},
            },
            clinical={"trees": 123},
        ),
        statistics={"bootstrap": 777, "threshold": {"rule": "sensitivity", "value": 0.87}, "confidence": 0.9},
    )
    text = report_html(study(config))
    for said in (
        "older than 47", "5 calendar months", "T-score of \u22122.1", "75 % training", "25 % internal test",
        "7×7 = 49 blocks", "48×48 pixels",
        "192 features", "3 Post-Norm", "6 heads", "123 trees", "777 replicates",
        "sensitivity of at least 0.87", "at 90 %", "pROC 1.18.0",
        "R 4.2.2", "random weights", "on up to 8 batches of training films",
    ):  # fmt: skip
        assert said in text, said
    assert "DeLong tests by the built-in" not in text
    numpy_only = report_html(study(config, engine="numpy"))
    assert "by the built-in implementation (no R)" in numpy_only


@pytest.mark.parametrize(
    ("language", "window", "said"),
    [
        (
            "en",
            3,
            (
                "DXA rows within 3 days of an exam's first one were one exam.",
                "no later exam took its place",
                "No OP needed 2 known sites",
            ),
        ),
        ("en", 0, ("DXA rows of one date were one exam.",)),
        ("zh", 3, ("首日起 3 天内的 DXA 记录视为同一次检查", "不以后续检查代替", "至少须有 2 个部位已知")),
        ("zh", 0, ("同一日期的 DXA 记录视为同一次检查",)),
    ],
)
def test_methods_tell_what_an_exam_is_and_when_it_has_no_label(study, configs, language, window, said):
    config = configs["simulated"](
        study={"language": language}, cohort={"min_sites": 2, "exam_window_days": window}
    )
    text = html.unescape(report_html(study(config)))
    assert not [sentence for sentence in said if sentence not in text]
    one = html.unescape(report_html(study(configs["simulated"](study={"language": language}))))
    assert "No OP needed" not in one and "至少须有" not in one, "one site is enough"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            (
                "can't be read or too few sites are known: 9 (External 1 9 of 90 (10 %; 4 more stayed, with"
                " OP)). Those whom"
            ),
        ),
        ("zh", "共 9 例：External 1 9/90 例（10 %，另有 4 例仍判定为骨质疏松而保留）。"),
    ],
)
def test_a_share_set_aside_by_its_outcome_is_a_limit(study, configs, language, said):
    """1 of 82 pairs is few; 8 undecided and 1 with too few sites of 90 are told, with those who stayed."""
    run = study(configs["simulated"](study={"language": language}))
    text = html.unescape(report_html(run))
    assert "selects on the outcome" not in text and "排除与结局有关" not in text
    assert 'id="table-flow-notes"' not in text
    flow = run.flow
    here = flow["center"] == "external_1"
    for step, n in (("undecided_dxa", 8), ("no_t_score", 1), ("op_with_unreadable_row", 4)):
        flow.loc[here & (flow["step"] == step), ["n_patients", "n_any"]] = n
    few = pd.DataFrame(
        [{"center": "external_1", "step": "too_few_sites", "n_patients": 1, "kind": "excluded", "n_any": 1}]
    )
    place = flow.index[here & (flow["step"] == "undecided_dxa")][0] + 1
    flow = pd.concat([flow[:place], few, flow[place:]], ignore_index=True)
    text = html.unescape(report_html(dataclasses.replace(run, flow=flow)))
    assert said in text
    page = Page(report_html(dataclasses.replace(run, flow=flow)))
    assert page.cells["table-flow-notes"][:3] == [
        "External 1",
        Language(language).say("note_op_with_unreadable_row"),
        "4",
    ]
    assert not [
        cell
        for cell in page.cells["table-flow"]
        if cell == Language(language).say("note_op_with_unreadable_row")
    ]


def test_t_scores_known_by_a_bound_are_said_to_be_missing(study):
    run = study()
    table = run.statistics["table1"]
    table["missing"] = 0
    assert "count as missing" not in report_html(run)
    table.loc[table["variable"] == "t_score", "missing"] = 2
    assert "count as missing" in report_html(run)


def test_methods_tell_of_running_averages_and_of_weights_from_a_file(study, configs):
    run = study(configs["simulated"](models=with_changes(deep={"training": {"norm_batches": 0}})))
    run.config["models"]["deep"]["init"] = REDACTED
    text = report_html(run)
    assert "with the running averages of BatchNorm" in text and "measured under them" not in text
    assert "Had these been trained on patients of this study" in text
    assert "Had these been trained" not in report_html(study())


def test_the_precision_of_scoring_is_told(study, configs):
    assert "models' probabilities, computed in fp32." in html.unescape(report_html(study()))
    mixed = study(configs["simulated"](networks={"scoring": {"precision": "bf16"}}))
    assert "models' probabilities, computed in bf16." in html.unescape(report_html(mixed))


def test_folds_of_another_scale_and_scores_without_a_spread_are_limits(study):
    run = study()
    deep, sets = run.predictions["deep"], run.predictions["set"]
    assert "spread unevenly" not in report_html(run) and "the same Deep learning score" not in report_html(
        run
    )
    run.predictions["deep"] = deep.where(sets != "external_1", 0.8)
    learning = run.statistics["learning"].set_index("fold")
    learning["sd_logit"] = 1.6
    learning.loc["2", "sd_logit"] = 0.5
    run.statistics["learning"] = learning.reset_index()
    text = html.unescape(report_html(run))
    assert "The folds' scores spread unevenly (SD of the logit 0.50 to 1.60)" in text
    assert "External 1: all patients have the same Deep learning score" in text
    # a training that learned nothing is told as such
    learning.loc["2", "finding"] = "nothing_learned"
    run.statistics["learning"] = learning.reset_index()
    assert "spread unevenly" not in report_html(run)


FOUND = {
    "nothing_learned": (
        {"finding": "nothing_learned", "auc": 0.52, "auc_low": 0.45, "auc_high": 0.59, "sd_logit": 0.03,
         "lowest": 0.44, "highest": 0.46, "start": "random"},
        "nothing shows that it learned anything. Out of fold its AUC is 0.52 (0.45–0.59), and its scores lie"
        " between 0.44 and 0.46 (SD of the logit 0.03). Likely cure: start from a pretrained trunk",
        "AUC 为 0.52 (0.45–0.59)，评分介于 0.44 与 0.46 之间（logit 标准差 0.03）。可能的解决办法：改用",
    ),
    "lags": (
        {"finding": "lags"},
        "not every training learned as well as the others (Fold 2; smallest SD of the logit 0.20, median of"
        " all 1.60)",
        "部分训练不如其余各次（第 2 折；logit 标准差最小 0.20，全部中位数 1.60）",
    ),
    "restarted": ({"finding": "restarted"}, "Fold 2 had not begun to learn", "第 2 折首次训练后未开始学习"),
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("finding", FOUND)
def test_what_did_not_learn_is_told_first_in_the_card_and_among_the_limits(study, configs, language, finding):
    run = study(configs["simulated"](study={"language": language}))
    assert "said_" not in report_html(run) and 'class="warning"' not in report_html(run)
    change, *said = FOUND[finding]
    learning = run.statistics["learning"].set_index("fold")
    learning["sd_logit"] = 1.6
    if finding != "nothing_learned":
        learning.loc["2", ["sd_logit", "finding"]] = (0.2, finding)
    learning.loc["all", list(change)] = list(change.values())
    run.statistics["learning"] = learning.reset_index()
    text = html.unescape(report_html(run))
    sentence = said[language == "zh"]
    assert text.count(sentence) == 3
    assert text.index('class="warning"') < text.index("table-summary")
    assert text.index(sentence) < text.index('id="table-summary"')
    card = text[text.index('id="table-model-card"') :]
    assert sentence in card[: card.index("</table>")]


def test_methods_name_centres_whose_films_came_otherwise(study, configs):
    config = configs["simulated"]()
    for entry, changes in zip(
        config.centers[1:], ({"png": "planted/png"}, {"deidentified": "planted/folder"})
    ):
        entry.simulate = None
        for key, value in changes.items():
            setattr(entry, key, value)
    text = report_html(study(config))
    assert "The films of External 1 came as PNG files" in text
    assert re.search(r"The data of external[_ ]2 were de-identified at the site", text, flags=re.IGNORECASE)
    assert "planted/" not in text
    plain = report_html(study(configs["simulated"]()))
    assert "came as PNG files" not in plain and "de-identified at the site" not in plain


def test_centres_and_their_sets_are_shown_as_they_are_called(study, configs):
    """Names that are words of the report, or of its tables and figures, too."""
    called = {"found": "Found", "all": "All", "one_class": "One class"}
    config = configs["simulated"]()
    entries = [c.model_dump(mode="json", exclude_none=True) for c in config.centers]
    centers = [entry | {"name": name, "label": None} for entry, name in zip(entries, called, strict=True)]
    page = Page(report_html(study(configs["simulated"](centers=centers))))
    shown = list(called.values())
    assert list(dict.fromkeys(page.cells["table-files"][::5])) == shown
    assert list(dict.fromkeys(page.cells["table-1"][::8])) == shown
    assert list(dict.fromkeys(page.cells["table-2"][::11])) == ["Internal test set", *shown[1:]]
    assert {"All", "One class"} <= set(page.cells["table-calibration"])
    best = page.cells["table-best-model"]
    assert best[:2] == ["Internal test set", "Treat all"] and best.count("All") == 3


def test_titles_and_labels_are_escaped(study, configs):
    text = report_html(study(configs["simulated"](study={"title": "<script>alert(1)</script> & co"})))
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text


def test_same_run_gives_the_same_bytes(tmp_path, study):
    run = study()
    assert report_html(run) == report_html(run)
    assert report_html(study()) == report_html(study())


def test_a_result_of_the_catalogue_is_shown_where_it_says(study, monkeypatch):
    """A new table and figure come behind the section's own, under their titles, by their rows alone."""
    run = study()
    rows = [
        dataclasses.replace(result(name), name=f"{folder}/further", title="folds", place="missing")
        for folder, name in (("statistics", "statistics/folds"), ("figures", "figures/roc"))
    ]
    before = Page(report_html(run))
    monkeypatch.setattr(sections, "CATALOGUE", (*CATALOGUE, *rows))
    more = dataclasses.replace(
        run,
        statistics={**run.statistics, "further": run.statistics["folds"]},
        figures={**run.figures, "further": run.figures["roc"]},
    )
    after = Page(report_html(more))
    assert sorted(set(after.ids) - set(before.ids)) == ["figure-further", "table-further"]
    own, next_section = after.ids.index("table-missing"), after.ids.index("shortcuts")
    assert all(own < after.ids.index(id) < next_section for id in ("figure-further", "table-further"))
    assert report_html(more).count("Each fold&#39;s own AUC") >= 2


def test_empty_tables_and_sets(study):
    run = study()
    left = run.predictions[run.predictions["set"] != "external_2"]
    empty = {name: frame.iloc[:0] for name, frame in run.statistics.items()}
    page = Page(report_html(dataclasses.replace(run, statistics=empty, predictions=left)))
    assert page.cells["table-2"] == [] and page.cells["table-scores"][-5:] == [
        "External 2",
        "No osteoporosis",
        "0",
        "–",
        "–",
    ]


def test_a_table_without_a_needed_column_is_refused(tmp_path):
    (tmp_path / "table2.csv").write_text("set,model\n", encoding="utf-8")
    with pytest.raises(StudyError, match="lacks the column 'n'"):
        read_statistics({"table2": tmp_path / "table2.csv"})
    (tmp_path / "table2.csv").write_text("", encoding="utf-8")
    with pytest.raises(StudyError, match="is empty"):
        read_statistics({"table2": tmp_path / "table2.csv"})


def test_chinese_page_has_no_english_headings(study, configs):
    page = report_html(study(configs["simulated"](study={"language": "zh"})))
    assert '<html lang="zh-CN">' in page and "病例筛选流程" in page
    assert not re.search(r"<h[23]>[A-Za-z ]{12,}</h", page)


ROLES = {
    "main": {
        "en": ["Blocks", "Whole film", "Bedside", "Both"],
        "zh": ["分块模型", "整片模型", "床旁模型", "双网络模型"],
    },
    "baseline": {"en": ["Foundation", "By weight"], "zh": ["基础模型", "体重指数法"]},
    "ablation": {"en": ["Bare blocks"], "zh": ["简化分块模型"]},
    "learning": {
        "en": ["Blocks", "Bare blocks", "Whole film", "Foundation"],
        "zh": ["分块模型", "简化分块模型", "整片模型", "基础模型"],
    },
    "networks": {"en": ["Blocks", "Whole film"], "zh": ["分块模型", "整片模型"]},
    "all networks": {
        "en": ["Blocks", "Bare blocks", "Whole film"],
        "zh": ["分块模型", "简化分块模型", "整片模型"],
    },
}  # fmt: skip
"""Labels of the models of ``seven_models`` by role, in the config's order."""

PLACES = {
    "table-thresholds": "main", "table-differences": "main", "table-calibration": "main",
    "table-subgroups": "main", "table-prevalence": "main", "table-sensitivity": "main",
    "table-upper-bound": "main", "table-learning": "learning", "table-scores": "networks",
    "table-folds": "networks", "table-architectures": "all networks",
}  # fmt: skip
"""Tables with a column of models, and the role of those that stand in it."""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_model_stands_where_its_role_says(study, configs, language):
    """Three networks and seven models of other names than the shipped ones."""
    config = configs["simulated"](
        study={"language": language},
        models=seven_models(),
        statistics={"primary_contrast": ["stack_x", "clin_x"]},
    )
    run = study(config)
    page = Page(report_html(run))
    assert [i for i in page.ids if i in SECTIONS] == SECTIONS
    labels = {role: of[language] for role, of in ROLES.items()}
    every = {label for of in labels.values() for label in of}
    words = Language(language)
    for table, role in PLACES.items():
        assert {cell for cell in page.cells[table] if cell in every} == set(labels[role]), table
    rows = page.cells["table-2"]
    assert [rows[1::11][i] for i in range(5)] == [*labels["main"], words.say("strategy_everyone_positive")]
    baselines = {cell for cell in page.cells["table-baselines"] if cell in every or "By weight," in cell}
    cutoff = words.say("published_cutoff", model=labels["baseline"][1])
    assert baselines - {cutoff} == set(labels["baseline"]) and cutoff in page.cells["table-baselines"]
    figures = [id for id in page.ids if id.startswith("figure-scores")]
    assert figures == ["figure-scores", "figure-scores-net_b"]
    text = report_html(run)
    told = re.sub(r"<(style|script)>.*?</\1>|<[^>]*>", " ", html.unescape(text), flags=re.DOTALL)
    assert not [model.name for model in run.models if re.search(rf"\b{model.name}\b", told)]
    assert labels["networks"][0] in page.cells["table-model-card"][1]
    assert page.cells["table-architectures"].count(words.say("role_ablation")) == 3
    made = {
        "en": "{}: cpu, PyTorch 2.0 (Fold 0, Fold 0, seed 1",
        "zh": "{}: cpu, PyTorch 2.0 (第 0 折, 第 0 折，种子 1",
    }
    assert all(
        made[language].format(label) in told for label in [labels["networks"][0], labels["ablation"][0]]
    )


def test_a_study_of_one_network_alone_has_no_comparison_and_no_baselines(study, configs):
    config = configs["simulated"](
        models={"alone": {"kind": "whole_film"}}, statistics={"primary_contrast": None}
    )
    page = Page(report_html(study(config)))
    missing = {"baselines", "architectures", "table-contrast"}
    assert not missing & set(page.ids) and "table-2" in page.ids
    assert set(page.cells["table-calibration"][1::15]) >= {"alone"}
