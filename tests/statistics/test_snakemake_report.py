"""Snakemake's own report: every figure and table has a caption, a category and a label, and says when its
patients are simulated.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from scripts.common.catalogue import CATALOGUE, result

ROOT = Path(__file__).resolve().parents[2]
FIGURES = [(row.name, "") for row in CATALOGUE if row.drawn_by]
"""``targets.figure_files`` marks them."""

MARKED = FIGURES + re.findall(
    r'marked\("([^"]+)"(?:, "(\w+)")?\)',
    "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk"))),
)


def test_every_result_with_a_caption_is_marked_in_a_rule():
    wanted = {
        (row.name, suffix)
        for row in CATALOGUE
        if row.caption
        for suffix in (row.suffix.split() if row.folder == "tables" and " " in row.suffix else [""])
    }
    assert len(MARKED) == len(set(MARKED)) > 20
    assert set(MARKED) == wanted


def test_labels_are_different_within_a_category_and_captions_exist():
    labels = [
        (mark["category"], *mark["labels"].values())
        for mark in (result(name).mark(suffix) for name, suffix in MARKED)
    ]
    assert len(set(labels)) == len(labels)
    assert {category for category, _ in labels} == {"Figures", "Tables", "Report"}
    named = {row.caption for row in CATALOGUE if row.caption}
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
