"""Keys: derivation, domains, permissions."""

from __future__ import annotations

import pytest

from scripts.common.errors import StudyError
from scripts.common.key import MAX_SHIFT_DAYS, StudyKey, make_key, open_key, read_key, simulated_key


def test_domains_and_centres_are_separate():
    key = simulated_key(1)
    values = {key.patient("a", "7"), key.patient("b", "7"), key.image("a", "7"), key.uid("study", "a", "7"), key.uid("series", "a", "7")}
    assert len(values) == 5
    assert key.digest("d", "ab", "c") != key.digest("d", "a", "bc")


def test_another_key_gives_other_pseudonyms():
    assert simulated_key(1).patient("a", "7") != simulated_key(2).patient("a", "7")
    assert simulated_key(1).patient("a", "7") == simulated_key(1).patient("a", "7")


def test_shift_is_within_its_range_and_spread():
    shifts = [simulated_key(1).shift_days("a", str(i)) for i in range(3000)]
    assert min(shifts) >= -MAX_SHIFT_DAYS and max(shifts) <= -1
    assert len(set(shifts)) > 1200


def test_key_file(tmp_path):
    path = tmp_path / "private" / "study.key"
    make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    key = read_key(path)
    assert path.read_text().strip() not in repr(key)
    with pytest.raises(StudyError, match="exists already"):
        make_key(path)
    assert read_key(path).fingerprint() == key.fingerprint()


def test_key_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "study.key"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(StudyError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 8])
def test_bad_key_file_is_refused(tmp_path, text):
    path = tmp_path / "study.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StudyError, match="make key"):
        read_key(path)


def test_missing_key_file_is_refused(tmp_path):
    with pytest.raises(StudyError, match="make key"):
        open_key(str(tmp_path / "none"), 1)


def test_short_secret_is_refused():
    with pytest.raises(StudyError):
        StudyKey(b"short")
