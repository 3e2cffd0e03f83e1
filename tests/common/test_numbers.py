"""Numbers for readers."""

import pandas as pd
import pytest

from scripts.common import numbers as fmt


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


def test_a_value_with_its_interval():
    assert fmt.with_interval(0.9171, 0.89, 0.9394, fmt.auc) == "0.917 (0.890–0.939)"
    assert fmt.with_interval(0.5, float("nan"), None, fmt.percent) == "50.0"
    assert fmt.with_interval(None, 0, 1, fmt.auc) == "–"
    assert fmt.mean_sd(-3.24, 0.61, 1) == "\u22123.2 ± 0.6" and fmt.mean_sd(-3.24, None, 1) == "\u22123.2"
    assert fmt.count_percent(206, 1518) == "206 (13.6)" and fmt.count_percent(0, 0) == "0"
