"""A short run of the fuzz of tables: the same tries each time."""

from __future__ import annotations

import pytest

from tests.intake.fuzz_tables import DAMAGES, damaged, tried


@pytest.mark.parametrize("number", range(24))
def test_a_damaged_hospital_is_right_or_says_what_is_wrong(number, tmp_path):
    one = tried(damaged(0, number), tmp_path)
    assert one.fault == "", [d.name for d in one.damages]


def test_a_try_is_the_same_each_time():
    one, other = damaged(5, 11), damaged(5, 11)
    assert one.hospital.dxa.rows == other.hospital.dxa.rows
    assert [d.name for d in one.damages] == [d.name for d in other.damages]


def test_every_damage_says_what_may_come_of_it():
    assert all(d.allowed and d.apply.__doc__ for d in DAMAGES)
    assert len({d.name for d in DAMAGES}) == len(DAMAGES)
    assert {d.kind for d in DAMAGES} == {"form", "encoding", "structure", "cells", "redundancy"}
