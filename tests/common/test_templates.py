"""Templates: an unknown name is an error, an edit changes the hash, and wrapped lines become running text."""

from __future__ import annotations

import jinja2
import pytest

from scripts.common.language import WRITING
from scripts.common.templates import template_environment, templates_hash, unwrapped


def test_an_unknown_name_and_an_absent_key_are_errors(tmp_path):
    (tmp_path / "a.j2").write_text("{{ known }}{{ settings.absent }}", encoding="utf-8")
    template = template_environment(tmp_path).get_template("a.j2")
    for values in ({"settings": {"absent": 1}}, {"known": 1, "settings": {}}):
        with pytest.raises(jinja2.UndefinedError):
            template.render(values)


def test_a_hash_sees_an_edit_in_any_folder_and_a_new_name(tmp_path):
    (tmp_path / "en").mkdir()
    hashes = []
    for name, text in (("a.css", "x"), ("en/b.j2", "y"), ("en/b.j2", "z"), ("en/c.j2", "z")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        hashes.append(templates_hash(tmp_path))
    assert len(set(hashes)) == 4
    (tmp_path / "en/c.j2").rename(tmp_path / "en/d.j2")
    assert templates_hash(tmp_path) not in hashes


@pytest.mark.parametrize(
    ("language", "wrapped", "running"),
    [
        ("en", "one\n  two\n\nthree", "one two\n\nthree"),
        ("en", "## Head\ntext\ngoes on\n- item\n  more\n- next\n| a |\n| b |", None),
        ("en", "the films of 东院（南区）\ncame", "the films of 东院（南区） came"),
        ("zh", "共三个\n中心", "共三个中心"),
        ("zh", "共三个中心。\nXGBoost", "共三个中心。XGBoost"),
        ("zh", "DXA\n（双能）", "DXA（双能）"),
        ("zh", "不超过\n6 个月", "不超过 6 个月"),
        ("zh", "5 个，\n训练 ±\n3", "5 个，训练 ± 3"),
    ],
)
def test_wrapped_lines_become_running_text(language, wrapped, running):
    running = running or "## Head\ntext goes on\n- item more\n- next\n| a |\n| b |"
    assert unwrapped(wrapped, WRITING[language].spaced) == running
    assert unwrapped(running, WRITING[language].spaced) == running
