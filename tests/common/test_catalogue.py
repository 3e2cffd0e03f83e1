"""The catalogue: its rows agree with contracts, captions and sections, and from a row all follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.common.catalogue import CATALOGUE, FIGURE, ROOT, TITLES, Sharing, result
from scripts.common.catalogue_page import PAGE, with_table
from scripts.report.sections import Report
from scripts.share.suppression import WAYS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_page_of_results_is_that_of_the_catalogue():
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    assert page == with_table(page), "run 'make docs'"


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: f"{row.name}.{row.suffix}")
def test_a_row_agrees_with_what_it_names(row):
    assert set(TITLES[row.title]) == {"en", "zh"} and all(TITLES[row.title].values())
    assert bool(row.caption) == bool(row.category)
    assert not row.caption or (REPOSITORY / f"report/{row.caption}.rst").is_file()
    assert not row.place or hasattr(Report, row.place)
    assert (row.suffix == FIGURE) == (row.folder == "figures")
    if row.contract is not None:
        assert row.contract.is_of(f"{ROOT}{row.name}.csv".replace("{", "").replace("}", ""))
    if row.sharing.how == "suppressed":
        assert row.contract.shareable and row.sharing.by in WAYS
    assert all(result(table).sharing.how == "suppressed" for table in row.sharing.of)
    assert (row.sharing.how == "derived") == bool(row.sharing.of)


def test_names_and_titles_are_used_once():
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE)
    assert {row.title for row in CATALOGUE} == set(TITLES)


def test_a_way_of_sharing_must_be_known_and_explained():
    with pytest.raises(ValueError, match="'perhaps' is no way of sharing"):
        Sharing("perhaps")
    with pytest.raises(ValueError, match="say why"):
        Sharing("never")


def test_a_row_stands_for_every_name():
    files = result("boosting/{model}/importance").files({"model": ["a", "b"]})
    assert files == [f"results/boosting/{name}/importance.csv" for name in ("a", "b")]
    assert result("figures/roc").files(formats=["pdf"]) == [
        f"results/figures/roc.{suffix}" for suffix in ("pdf", "png", "svg")
    ]
