"""Snakemake's own report: every figure and table has a caption, a category and a label, and says when its
patients are simulated.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk")))
REPORTED = re.findall(
    r'(?:report|marked)\(\s*"(results/[^"]+)",\s*caption=(?:"\.\./report/(\w+)\.rst"|caption),\s*category="(\w+)",\s*labels=\{"what":'
    r' "([^"]+)"\}',
    RULES,
)
SOURCES = ("net_benefit.csv", "calibration_curve.csv", "baseline_delong.csv")
"""Tables behind a figure or another table, which are not shown by themselves."""


def test_every_figure_and_table_is_in_the_report():
    shown = {path for path, *_ in REPORTED}
    outputs = set(re.findall(r'"(results/(?:statistics/\w+\.csv|figures/\w+\.svg|tables/\w+\.\w+))"', RULES))
    assert len(outputs) > 20
    assert {path for path in outputs - shown if not path.endswith(SOURCES)} == set()


def test_labels_are_different_within_a_category_and_captions_exist():
    assert len({(category, what) for _, _, category, what in REPORTED}) == len(REPORTED) > 20
    assert {category for _, _, category, _ in REPORTED} <= {"Figures", "Tables", "Report"}
    for _, caption, _, _ in REPORTED:
        assert not caption or (ROOT / f"report/{caption}.rst").is_file()
    named = set(re.findall(r'"\.\./report/(\w+)\.rst"', RULES))
    assert {path.stem for path in (ROOT / "report").glob("*.rst")} == named | {"workflow"}


SIMULATED = {"centers": [{"name": "a"}, {"name": "b", "simulate": {"n_op": 3}}]}
REAL = {"centers": [{"name": "a", "dicom": "films"}, {"name": "b", "simulate": None}]}


@pytest.mark.parametrize(
    ("config", "synthetic"),
    [
        (SIMULATED, True),
        (REAL, False),
        ({"tables": {"synthetic": True}}, True),
        ({"tables": {"synthetic": False}}, False),
    ],
)
@pytest.mark.parametrize("caption", sorted((ROOT / "report").glob("*.rst")), ids=lambda path: path.stem)
def test_captions_say_synthetic_when_it_is(caption, config, synthetic):
    if caption.stem == "workflow" and "centers" not in config:
        pytest.skip("own tables have no text of the whole workflow")
    text = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
        caption.read_text(encoding="utf-8")
    )
    said = text.render(snakemake=SimpleNamespace(config=config))
    assert ("SYNTHETIC" in said) == synthetic and len(said.split()) > 6
