"""The documents keep up with the code: every declared column is explained, every caption is there, every link
leads somewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.common.contracts.every import CONTRACTS

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
SHOWN = [contract for contract in CONTRACTS if contract.path.startswith("results/")]


@pytest.mark.parametrize("contract", SHOWN, ids=lambda contract: contract.path)
def test_every_column_is_explained(contract):
    for column in contract.whole:
        base = re.sub(r"_(low|high|ci_method)$", "", column)
        assert f"`{column}`" in OUTPUTS or f"`{base}`" in OUTPUTS, column


def test_captions_exist_for_what_is_reported():
    for rules in (ROOT / "rules").glob("*.smk"):
        for caption in re.findall(r'caption="\.\./(report/\w+\.rst)"', rules.read_text(encoding="utf-8")):
            assert (ROOT / caption).is_file(), caption


@pytest.mark.parametrize(
    "page",
    ["docs/outputs.md", "docs/methods.md", "docs/troubleshooting.md", "CONTRIBUTING.md", "CHANGELOG.md"],
)
def test_links_and_named_files_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / link).is_file(), link
    for name in re.findall(r"`((?:scripts|rules|config|docs|envs)/[\w/.]+\.\w+)`", text):
        assert (ROOT / name).is_file(), name
