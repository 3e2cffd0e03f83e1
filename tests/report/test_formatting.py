"""Numbers for readers."""

import pandas as pd
import pytest

from scripts.cohort.selection import FILM_STEPS, NOTES, PAIR_STEPS, TABLE_STEPS
from scripts.common.flow_words import FLOW_WORDS, NOTE_WORDS
from scripts.common.vocabulary import EXCLUSIONS
from scripts.report import formatting as fmt
from scripts.report.wording import _WORDS
from scripts.statistics.words import WORDS


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0004, "<0.001"), (0.001, "0.001"), (0.04951, "0.050"), (0.9996, ">0.999"), (1, "1.000"), (None, "–")],
)
def test_p_value(value, text):
    assert fmt.p_value(value) == text


def test_missing_values_are_a_dash():
    for value in (None, float("nan"), pd.NA, ""):
        assert fmt.is_missing(value)
        assert fmt.auc(value) == fmt.percent(value) == fmt.count(value) == fmt.decimal(value) == "–"
    assert not fmt.is_missing(0) and not fmt.is_missing("text")


def test_numbers():
    assert fmt.auc(0.91749) == "0.917" and fmt.percent(0.84012) == "84.0" and fmt.count(4278) == "4\u202f278"
    assert fmt.decimal(-0.0001) == "0.000" and fmt.decimal(-1.25, 1) == "\u22121.2"


def test_intervals():
    assert fmt.interval(0.1, 0.2, fmt.auc) == "(0.100–0.200)"
    assert fmt.interval(-0.1, 0.2, fmt.decimal) == "(\u22120.100 to 0.200)"
    assert fmt.interval(None, 0.2, fmt.auc) == ""


def test_the_same_english_words_have_the_same_chinese_in_figures_and_report():
    chinese = {WORDS["en"][key]: WORDS["zh"][key] for key in WORDS["en"]}
    shared = {english: said for english, said in _WORDS.values() if english in chinese}
    assert len(shared) > 20 and {english: chinese[english] for english in shared} == shared


def test_every_step_of_the_flow_has_words():
    steps = {
        *FILM_STEPS,
        *TABLE_STEPS,
        *PAIR_STEPS,
        *EXCLUSIONS,
        "exclusion_flag_missing",
        "under_review",
        "included",
    }
    assert set(FLOW_WORDS) == steps
    assert tuple(NOTE_WORDS) == NOTES
