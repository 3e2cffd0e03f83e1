"""The list of a centre's films: complete, stable, and quick to notice a change."""

from __future__ import annotations

import os
import stat

import pytest

from scripts.common.contracts.intake import LISTING
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.intake.listing import (
    batch_of,
    files_of_batch,
    fingerprints,
    path_of_text,
    path_text,
    scan_folder,
    write_listing,
)


def fill(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_every_file_at_any_depth_is_listed_once(tmp_path):
    odd = ["a", "x/y/z/IM 0001", "病人/片子", '50% off,"quoted".dcm', "line\nbreak", ".hidden"]
    fill(tmp_path / "in", odd)
    (tmp_path / "in/x/loop").symlink_to(tmp_path / "in")
    write_listing(tmp_path / "in", 3, tmp_path / "private/c/listing.csv")
    listed = read_table(tmp_path / "private/c/listing.csv", LISTING)
    found = {path_of_text(p) for p in listed["path"]}
    assert set(odd) <= found
    assert not any("loop" in p for p in found), "a folder that holds itself is not walked again"
    assert sorted(p for b in range(3) for p in files_of_batch(tmp_path / "in", b, 3)) == sorted(
        listed["path"]
    )


def test_names_that_are_no_utf8_survive_the_table(tmp_path):
    (tmp_path / "in").mkdir()
    name = os.fsdecode(b"\xd6\xd0.dcm")
    (tmp_path / "in" / name).write_bytes(b"x")
    write_listing(tmp_path / "in", 1, tmp_path / "private/c/listing.csv")
    (listed,) = read_table(tmp_path / "private/c/listing.csv", LISTING)["path"]
    assert files_of_batch(tmp_path / "in", 0, 1) == [listed]
    assert (tmp_path / "in" / path_of_text(listed)).read_bytes() == b"x"


@pytest.mark.parametrize("path", ["plain", "a%20b", "tab\there", "\udcff", "中文 %"])
def test_path_text_is_one_line_and_can_be_undone(path):
    assert path_of_text(path_text(path)) == path
    assert path_text(path).isprintable()


def test_only_the_batch_of_a_new_file_changes(tmp_path):
    fill(tmp_path, [f"{i}/f" for i in range(40)])
    whole, parts = fingerprints(scan_folder(tmp_path), 8)
    assert (whole, parts) == fingerprints(scan_folder(tmp_path), 8)
    fill(tmp_path, ["deep/er/new"])
    whole_after, parts_after = fingerprints(scan_folder(tmp_path), 8)
    changed = [b for b in range(8) if parts[b] != parts_after[b]]
    assert whole != whole_after and changed == [batch_of("deep/er/new", 8)]


def test_a_changed_file_changes_the_fingerprint(tmp_path):
    fill(tmp_path, ["a", "b"])
    before = fingerprints(scan_folder(tmp_path), 1)
    os.utime(tmp_path / "a", ns=(1, 1))
    assert fingerprints(scan_folder(tmp_path), 1) != before


def test_the_list_is_private(tmp_path):
    fill(tmp_path / "in", ["a"])
    write_listing(tmp_path / "in", 1, tmp_path / "private/c/listing.csv")
    assert stat.S_IMODE((tmp_path / "private/c/listing.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "private/c").stat().st_mode) == 0o700


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(StudyError, match="empty"):
        write_listing(tmp_path / "in", 1, tmp_path / "private/c/listing.csv")
