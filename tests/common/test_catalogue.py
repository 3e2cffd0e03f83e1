"""The catalogue: its rows agree with contracts, captions and sections, and from a row all follows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.catalogue import CATALOGUE, FIGURE, RESULTS, ROOT, Sharing, result
from scripts.common.catalogue_page import PAGE, with_table
from scripts.common.language import words_by_group
from scripts.report.sections import Report
from scripts.share.suppression import WAYS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_page_of_results_is_that_of_the_catalogue():
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    assert page == with_table(page), "run 'make docs'"


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: f"{row.name}.{row.suffix}")
def test_a_row_agrees_with_what_it_names(row):
    assert bool(row.caption) == bool(row.category)
    assert not row.caption or (REPOSITORY / f"report/{row.caption}.rst").is_file()
    assert not row.place or hasattr(Report, row.place)
    assert (row.suffix == FIGURE) == (row.folder == "figures") == bool(row.drawn_by)
    if row.contract is not None:
        assert row.contract.is_of(f"{ROOT}{row.name}.csv".replace("{", "").replace("}", ""))
    if row.sharing.how == "suppressed":
        assert row.contract.shareable and row.sharing.by in WAYS
    assert all(result(table).sharing.how == "suppressed" for table in row.sharing.of)
    assert (row.sharing.how == "derived") == bool(row.sharing.of)


def test_names_and_titles_are_used_once():
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE)
    assert {row.title for row in CATALOGUE} == {
        key.removeprefix("result_") for key in words_by_group("en")[RESULTS]
    }


def test_a_way_of_sharing_must_be_known_and_explained():
    with pytest.raises(ValueError, match="'perhaps' is no way of sharing"):
        Sharing("perhaps")
    with pytest.raises(ValueError, match="say why"):
        Sharing("never")


def test_a_row_stands_for_every_name():
    files = result("models/{tabular}/variables").files({"tabular": ["a", "b"]})
    assert files == [f"results/models/{name}/variables.csv" for name in ("a", "b")]
    assert result("figures/roc").files(formats=["pdf"]) == [
        f"results/figures/roc.{suffix}" for suffix in ("pdf", "png", "svg")
    ]


ASK = """
import json
from pathlib import Path
from scripts.common.catalogue import CATALOGUE, result
from scripts.common.catalogue_page import results_table
from scripts.common.config import read_config
from scripts.report.run_files import FIGURES, STATISTICS
from scripts.share.suppression import TABLES
from scripts.statistics.listing import listing_page
from scripts.common.language import Language
from scripts.workflow import targets
import yaml

config = read_config(yaml.safe_load(Path("config.yaml").read_text()))
own = [Path(path).relative_to("results") for path in targets.own_statistics(config)]
print(json.dumps({
    "targets": targets.final_outputs(config), "recorded": targets.recorded_outputs(config),
    "statistics": list(STATISTICS), "figures": list(FIGURES),
    "shared": list(TABLES["statistics/youth.csv"].columns),
    "listing": listing_page(own, "t", Language("zh"), False), "page": results_table(),
    "mark": result("statistics/youth").mark(),
}))
"""


def test_a_result_is_added_by_its_row(tmp_path):
    """A statistic and a figure, in a copy of the code: targets, report, listing and archive have them."""
    for name in ("scripts", "config.yaml", "config", "docs", "report", "rules"):
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    contract = tmp_path / "scripts/common/contracts/statistics.py"
    contract.write_text(
        contract.read_text() + '\nYOUTH = Contract("results/statistics/youth.csv", "set", (_SET, *sizes(), '
        'estimate("youth", "how young")))\n'
    )
    catalogue = tmp_path / "scripts/common/catalogue.py"
    text = catalogue.read_text()
    mark = "CATALOGUE: tuple[Result, ...] = (\n"
    assert text.count(mark) == 1
    rows = (
        '    _statistic(statistics.YOUTH, suppressed(), "table1", "table1"),\n'
        '    _figure("youth", derived("statistics/youth"), "table1", own=True),\n'
    )
    catalogue.write_text(text.replace(mark, mark + rows))
    for code, title in (("en", "How young"), ("zh", "年轻程度")):
        words = tmp_path / f"scripts/common/language/{code}.yaml"
        words.write_text(words.read_text().replace("results:\n", f"results:\n  result_youth: {title}\n"))
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    table, figure = "results/statistics/youth.csv", "results/figures/youth.svg"
    assert {table, figure} <= set(found["targets"]) and {table, figure} <= set(found["recorded"])
    assert "youth" in found["statistics"] and "youth" in found["figures"]
    assert found["shared"] == ["set", "n", "n_pos", "youth"]
    assert "年轻程度" in found["listing"] and 'src="figures/youth.svg"' in found["listing"]
    assert f"| `{table}` | How young |" in found["page"]
    assert found["mark"]["labels"] == {"what": "How young"}
