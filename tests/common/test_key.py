"""Keys: derivation, domains, permissions, and the record of the key that a study was begun under."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.errors import StudyError
from scripts.common.key import (
    MAX_SHIFT_DAYS,
    StudyKey,
    guessable,
    make_key,
    open_key,
    read_key,
    simulated_key,
)
from scripts.common.key_record import RECORD, record_key, refuse_another_key


def test_domains_and_centres_are_separate():
    key = simulated_key(1)
    values = {
        key.patient("a", "7"),
        key.patient("b", "7"),
        key.image("a", "7"),
        key.uid("study", "a", "7"),
        key.uid("series", "a", "7"),
    }
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


def test_uses_of_one_text_are_unrelated():
    """A UID that reads like a patient's id, in one centre or two, gives values that share nothing."""
    key = simulated_key(1)
    text = "1.2.840.1"
    digests = {
        key.digest(domain, centre, text)
        for domain in ("patient", "image", "uid", "date shift", "rank split", "checksum")
        for centre in ("a", "b")
    }
    assert len(digests) == 12
    assert key.patient("a", text)[1:] != key.image("a", text)[1:]
    assert (
        len(
            {key.uid(kind, centre, text) for kind in ("study", "series", "instance") for centre in ("a", "b")}
        )
        == 6
    )
    shifts = [[key.shift_days(centre, str(i)) for i in range(50)] for centre in ("a", "b")]
    assert shifts[0] != shifts[1]


def test_known_values():
    """The same on every machine, in every version: a change here breaks every study's crosswalk."""
    key = StudyKey(bytes(range(32)))
    assert key.patient("c", "HOSP-0042") == "P0378A770A8378407"
    assert key.image("c", "1.2.3") == "I0BFF5D41F65BA264"
    assert key.uid("study", "c", "1.2.3") == "2.25.337964728227661450721558754648430290211"
    assert key.shift_days("c", "HOSP-0042") == -1590
    assert key.fingerprint() == "917f0654"


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_gives_the_same(hash_seed):
    script = (
        "from scripts.common.key import StudyKey; k = StudyKey(bytes(range(32)));print(k.patient('c', '住院"
        " 7'), k.image('c', '1.2'), k.uid('study', 'c', '1.2'), k.shift_days('c', '7'), k.rank('d', '7'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    k = StudyKey(bytes(range(32)))
    here = (
        k.patient("c", "住院 7"),
        k.image("c", "1.2"),
        k.uid("study", "c", "1.2"),
        k.shift_days("c", "7"),
        k.rank("d", "7"),
    )
    assert done.stdout.split() == [str(value) for value in here]


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o703])
def test_a_folder_in_which_others_can_write_is_refused(tmp_path, mode):
    path = tmp_path / "keys/study.key"
    make_key(path)
    path.parent.chmod(mode)
    with pytest.raises(StudyError, match="chmod go-w"):
        read_key(path)
    with pytest.raises(StudyError, match="chmod go-w"):
        make_key(path.parent / "second.key")
    assert not (path.parent / "second.key").exists()
    path.parent.chmod(0o755)
    assert read_key(path)


@pytest.mark.parametrize(
    ("mode", "open_"), [(0o757, True), (0o777, True), (0o1777, False), (0o775, False), (0o755, False)]
)
def test_a_folder_above_that_is_open_to_everybody_is_refused(tmp_path, mode, open_):
    """Who can rename the key's folder can put another in its place.

    A folder that a group shares passes, as does a sticky one.
    """
    path = tmp_path / "shared/study/private/study.key"
    make_key(path)
    (tmp_path / "shared").chmod(mode)
    if open_:
        with pytest.raises(StudyError, match="folder above the key.*chmod go-w"):
            read_key(path)
    else:
        assert read_key(path)


def test_a_link_is_no_way_around_the_folders(tmp_path):
    make_key(tmp_path / "open/study.key")
    (tmp_path / "safe").mkdir(mode=0o700)
    (tmp_path / "safe/study.key").symlink_to(tmp_path / "open/study.key")
    assert read_key(tmp_path / "safe/study.key")
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(StudyError, match="others can write"):
        read_key(tmp_path / "safe/study.key")
    make_key(tmp_path / "safe/real.key")
    (tmp_path / "open/link.key").symlink_to(tmp_path / "safe/real.key")
    with pytest.raises(StudyError, match="others can write"):
        read_key(tmp_path / "open/link.key")


def test_an_existing_private_folder_is_closed(tmp_path):
    (tmp_path / "private").mkdir(mode=0o755)
    make_key(tmp_path / "private/study.key")
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


ANY = hashlib.sha256(b"any bytes").digest()

MADE_UP = {
    "zeros": bytes(32),
    "digits in order": bytes.fromhex("0123456789abcdef" * 4),
    "bytes in order": bytes(range(32)),
    "bytes in order from 7": bytes(range(7, 39)),
    "bytes backwards": bytes(range(200, 168, -1)),
    "every third": bytes(3 * n % 256 for n in range(32)),
    "past the last byte": bytes((240 + n) % 256 for n in range(32)),
    "11 22 33": bytes.fromhex("".join(2 * f"{n % 16:x}" for n in range(32))),
    "squares": bytes(n * n % 256 for n in range(32)),
    "to and fro": bytes(v for n in range(16) for v in (n, 255 - n)),
    "two series": bytes(v for n in range(16) for v in (17 + n, 90 + 5 * n)),
    "four series": bytes((50 * (n % 4) + n // 4 * 3) % 256 for n in range(32)),
    "in order but for three": bytes([*range(10), 99, 3, 201, *range(13, 32)]),
    "half and half": ANY[:16] * 2,
    "a quarter four times": ANY[:8] * 4,
    "there and back": ANY[:16] + ANY[:16][::-1],
    "sorted": bytes(sorted(ANY)),
    "a sentence": b"This is the key of our own study",
    "letters": b"qwertzuiopasdfghjklyxcvbnmQWERTZ",
    "decimals": bytes.fromhex("3141592653589793238462643383279502884197169399375105820974944592"),
    "dates": bytes.fromhex("".join(f"201905{n:02d}" for n in range(10, 18))),
    "hardly any ones": bytes(1 << (n % 8) if n % 2 else n // 2 * 16 % 256 for n in range(32)),
    "bits of one": bytes(1 << (n % 8) for n in range(32)),
    "a Gray code": bytes(n ^ (n >> 1) for n in range(32)),
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_a_key_that_is_not_random_is_refused(tmp_path, kind):
    assert len(MADE_UP[kind]) == 32
    path = tmp_path / "study.key"
    path.write_text(MADE_UP[kind].hex())
    path.chmod(0o600)
    with pytest.raises(StudyError, match="no random key") as refusal:
        read_key(path)
    assert MADE_UP[kind].hex()[:6] not in str(refusal.value) and "\n" not in str(refusal.value)


def test_random_keys_are_taken():
    """Bytes of a generator that is the same each time, so that the test is too."""
    stream = hashlib.shake_256(b"random keys").digest(32 * 5000)
    assert sum(guessable(stream[at : at + 32]) for at in range(0, len(stream), 32)) == 0


def test_a_made_key_is_32_random_bytes(tmp_path):
    keys = []
    for n in range(20):
        make_key(tmp_path / f"{n}/study.key")
        keys.append(bytes.fromhex((tmp_path / f"{n}/study.key").read_text()))
        read_key(tmp_path / f"{n}/study.key")
    assert {len(key) for key in keys} == {32} and len(set(keys)) == 20
    assert len({byte for key in keys for byte in key}) > 200


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_entry_is_no_simulated_key(given):
    with pytest.raises(StudyError, match="key_file is empty"):
        open_key(given, 1)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o601, 0o666])
def test_a_key_open_to_others_in_any_way_is_refused(tmp_path, mode):
    path = tmp_path / "study.key"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(StudyError, match="chmod 600"):
        read_key(path)


def test_no_key_is_ever_overwritten(tmp_path):
    path = tmp_path / "study.key"
    path.write_text("anything")
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    for taken in ("study.key", "link.key"):
        with pytest.raises(StudyError, match="exists already"):
            make_key(tmp_path / taken)
    assert path.read_text() == "anything" and not (tmp_path / "elsewhere").exists()


def test_make_key_obeys_no_lax_umask(tmp_path):
    old = os.umask(0)
    try:
        make_key(tmp_path / "new/study.key")
    finally:
        os.umask(old)
    assert (tmp_path / "new/study.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_changed_key_is_noticed_only_where_results_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = simulated_key(1), simulated_key(2)
    refuse_another_key(one)
    record_key(one)
    assert RECORD.read_text().strip() == one.fingerprint() and RECORD.stat().st_mode & 0o777 == 0o600
    refuse_another_key(two)  # nothing was made yet: the key may still be exchanged
    record_key(two)
    Path("private/c/crosswalk").mkdir(parents=True)
    Path("private/c/crosswalk/batch_0.csv").touch()
    refuse_another_key(two)
    with pytest.raises(StudyError, match="put the old key") as said:
        refuse_another_key(one)
    assert one.fingerprint() in str(said.value) and two.fingerprint() in str(said.value)


def test_a_split_lock_tells_the_key_of_a_study_without_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("state").mkdir()
    Path("state/split_lock.csv").write_text(f"patient_id,key\nP1,{simulated_key(1).fingerprint()}\n")
    refuse_another_key(simulated_key(1))
    with pytest.raises(StudyError, match="put the old key"):
        refuse_another_key(simulated_key(2))
    Path("state/split_lock.csv").write_text("patient_id,key\n")
    refuse_another_key(simulated_key(2))
