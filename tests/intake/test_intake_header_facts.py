"""What is read of a film's header: text in any character set, dates, the birth date."""

from __future__ import annotations

import datetime

import pytest

from scripts.intake.dicom_reading import film_of, read_source


@pytest.fixture
def facts(make_film, save, names, patterns, tmp_path):
    """Writes a film with changes and reads its facts back from the file."""

    def of(**changes):
        return film_of(read_source(save(make_film(**changes), tmp_path / "film.dcm")), names, patterns)

    return of


@pytest.mark.parametrize(
    ("written", "born"),
    [("19500317", datetime.date(1950, 3, 17)), ("", None), ("1950", None), ("19501399", None), (None, None)],
)
def test_the_birth_date_of_the_header_is_told_where_it_can_be_read(facts, written, born):
    assert facts(PatientBirthDate=written).birth_date == born


def test_an_age_and_a_birth_date_of_one_header_are_both_told(facts):
    film = facts(PatientAge="071Y")
    assert (film.age, film.birth_date) == (71, datetime.date(1950, 3, 17))
