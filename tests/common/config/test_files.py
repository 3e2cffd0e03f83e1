import pytest

from scripts.common.config.files import file_of, laid_over, read_config_file
from scripts.common.errors import StudyError


def written(folder, text):
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_files_are_laid_over_each_other_as_snakemake_does():
    assert laid_over({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": {"e": 2}}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"e": 2},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2", "no valid YAML near line 2"),
        ("study:\n\tseed: 1\n", "no valid YAML near line 2.*no tabs"),
        ("- a\n- b\n", "holds no keys"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands twice, in lines 1 and 3"),
        ("a:\n  b: 1\n  c: {d: 1}\n  b: 2\n", "the key 'b' stands twice, in lines 2 and 4"),
        ("a: \u00fc\n".encode("latin-1"), "no UTF-8 text"),
        ("a: !!python/object/apply:os.getcwd []\n", "no valid YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path, text, said):
    with pytest.raises(StudyError, match=said) as refusal:
        read_config_file(written(tmp_path, text))
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="can't be opened"):
        read_config_file(tmp_path / "none.yaml")


def test_anchors_and_merges_are_no_repeated_keys(tmp_path):
    path = written(tmp_path, "one: &x {a: 1, b: 2}\ntwo:\n  <<: *x\n  b: 3\n")
    assert read_config_file(path)["two"] == {"a": 1, "b": 3}
    assert read_config_file(written(tmp_path, "# nothing yet\n")) == {}


def test_the_last_file_that_has_a_place_decides():
    files = {"one": {"a": {"b": 1}, "c": [1, 2]}, "two": {"a": {"d": 1}}, "three": {"c": [5]}}
    assert file_of(("a", "b"), files) == "one"
    assert file_of(("a", "d"), files) == file_of(("a",), files) == "two"
    assert file_of(("a", "x"), files) == "two"
    assert file_of(("c", 0), files) == "three"
    assert file_of(("nowhere",), files) == "one" and file_of(("nowhere",), {}) == "config.yaml"
