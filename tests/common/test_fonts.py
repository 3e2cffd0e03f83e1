"""Names in any script: drawn by an installed font, else refused with the cure before a figure is drawn."""

from __future__ import annotations

import subprocess
import sys

import pytest
from matplotlib import font_manager

from scripts.common import fonts
from scripts.common.code_hash import ROOT
from scripts.common.config import Config
from scripts.common.errors import StudyError


@pytest.fixture
def only_base(monkeypatch):
    """A machine with Matplotlib's own fonts alone."""
    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in str(font.fname)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])


def has(character: str) -> bool:
    """Whether a font of this machine has a character."""
    fonts.add_later_fonts()
    return fonts._best({character}) is not None


@pytest.mark.parametrize(
    "name",
    [
        "Hôpital Général",
        "Больница № 1",
        "Νοσοκομείο",
        "مستشفى",
        "Ward $1 & <2>",
        "≥ 65 – 90 µg/cm²",
        "two\nlines",
    ],
)
def test_names_that_the_base_font_has_need_no_other(only_base, name):
    assert fonts.families_for({"here": name}, "en") == [fonts.BASE]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("北京协和医院", "fonts-noto-cjk"),
        ("Hospital 東京", "fonts-noto-cjk"),
        ("おおさか", "fonts-noto-cjk"),
        ("서울", "fonts-noto-cjk"),
        ("Hospital\u3000A", "fonts-noto-cjk"),
        ("โรงพยาบาล", "fonts-noto-core fonts-noto-extra"),
        ("अस्पताल", "fonts-noto-core fonts-noto-extra"),
        ("Hospital 🏥", "fonts-noto-core fonts-noto-extra"),
        ("\ue000 private", "fonts-noto-core fonts-noto-extra"),
    ],
)
def test_a_name_that_no_font_has_is_refused_with_the_package(only_base, name, package):
    with pytest.raises(StudyError) as refusal:
        fonts.families_for({"centers[a].label": "Hospital A", "centers[b].label": name}, "en")
    said = str(refusal.value)
    assert (
        said.startswith("centers[b].label: no installed font") and f"'apt-get install -y {package}'" in said
    )
    assert "\n" not in said and "other letters" in said


@pytest.mark.parametrize("name", ["北京协和医院", "Hospital 東京", "서울"])
def test_a_name_in_another_script_is_drawn_by_a_font_that_is_installed(name):
    if not all(map(has, name.replace(" ", ""))):
        pytest.skip("no font of this script is installed")
    families = fonts.families_for({"here": name}, "en")
    assert families[0] == fonts.BASE and len(families) > 1 and not fonts.lacking(name, families)
    assert not any(family.startswith("Last Resort") for family in families)


def test_a_font_of_boxes_counts_as_none():
    """Matplotlib ships one that has every character, as a box."""
    assert (
        not [name for name in fonts._families() if name.startswith("Last Resort")]
        or fonts._best({"\u0f00"}) != "Last Resort High-Efficiency"
    )
    with pytest.raises(StudyError, match="A text of this figure: no installed font"):
        fonts.refuse_boxes([("A", [fonts.BASE]), ("\U00012000", [fonts.BASE])])


def test_labels_are_looked_at_before_a_run_where_they_need_a_font(only_base):
    simulate = {"like": "internal", "n_op": 9, "n_non_op": 9}
    centers = [
        {"name": "a", "role": "development", "label": "Hospital A", "simulate": simulate},
        {"name": "b", "role": "external", "label": "北京", "simulate": simulate},
    ]
    config = Config.model_validate({"centers": centers})
    with pytest.raises(StudyError, match=r"^centers\[b\].label: no installed font"):
        fonts.check_labels(config.labels, "en")
    with pytest.raises(StudyError, match="study.language is 'zh'"):
        fonts.check_labels({}, "zh")
    fonts.check_labels({"centers[a].label": "Hôpital A"}, "en")
    own = Config.model_validate(
        {"tables": {"models": ["网络", "vit"], "sets": ["s"], "labels": {"vit": "变换器"}}}
    )
    assert own.labels == {
        "tables.labels.vit": "变换器",
        "tables.models: '网络'": "网络",
        "tables.sets: 's'": "s",
    }


def test_matplotlibs_remarks_on_fonts_reach_no_reader():
    """In a process of its own, as the doctor is one; Matplotlib remarks on a font's weight once a process."""
    ask = (
        "from matplotlib import font_manager\n"
        "from scripts.common import fonts\n"
        "for family in sorted({font.name for font in font_manager.fontManager.ttflist}):\n"
        "    fonts.characters_of(family)\n"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == done.stderr == ""
