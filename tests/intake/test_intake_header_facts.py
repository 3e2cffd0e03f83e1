"""What is read of a film's header: text in any character set, dates, the birth date."""

from __future__ import annotations

import datetime
import io
import random

import pydicom
import pytest

from scripts.common.config import FrontalView
from scripts.intake.deidentification import deidentified
from scripts.intake.dicom_reading import DATES_OF_A_FILM, film_of, read_source, refusal
from scripts.intake.frontal_view import matches, view_of
from scripts.intake.header_text import decoded
from scripts.intake.identity import dicom_date, normalise_id


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


def raw_film(make_film, save, path, sets: str | None, **raw: bytes):
    """A film's file whose header holds bytes as they are, under a declared character set or none."""
    marks = {keyword: f"{keyword[:6].upper()}{'x' * (len(value) - 6)}" for keyword, value in raw.items()}
    film = make_film(ViewPosition="", **{"SpecificCharacterSet": sets or "ISO_IR 6"})
    for keyword, mark in marks.items():
        setattr(film, keyword, mark)
    if sets is None:
        del film.SpecificCharacterSet
    content = save(film, path).read_bytes()
    for keyword, value in raw.items():
        mark = marks[keyword].encode()
        assert content.count(mark) == 1 and len(mark) == len(value)
        content = content.replace(mark, value)
    path.write_bytes(content)
    return path


LATERAL_WORDS = "胸部侧位"
SETS = (None, "ISO_IR 6", "ISO_IR 100", "ISO_IR 192", "GB18030", "GBK", "no set of DICOM")


@pytest.mark.parametrize("coding", ["gb18030", "utf-8"])
@pytest.mark.parametrize("sets", SETS)
@pytest.mark.parametrize(
    ("words", "view"),
    [
        (LATERAL_WORDS, "lateral"),
        ("胸部正位", "PA"),
        ("胸部正侧位", "unknown"),
        ("床旁胸片", "AP"),
        ("胸部PA", "PA"),
        ("胸部側位", "lateral"),
        ("胸部斜位片", "lateral"),
    ],
)
def test_chinese_is_read_under_any_declaration(
    make_film, save, names, patterns, tmp_path, coding, sets, words, view
):
    path = raw_film(
        make_film, save, tmp_path / "film.dcm", sets, SeriesDescription=words.encode(coding).center(12)
    )
    film = film_of(read_source(path), names, patterns)
    assert film.view == view


@pytest.mark.parametrize("sets", SETS)
@pytest.mark.parametrize(
    ("words", "chest"),
    [
        ("胸部".encode("gb18030"), True),
        ("肺".encode(), True),
        ("膝关节".encode("gb18030"), False),
        ("胸椎".encode(), False),
    ],
)
def test_a_body_part_in_chinese_is_read(make_film, save, names, patterns, tmp_path, sets, words, chest):
    path = raw_film(make_film, save, tmp_path / "film.dcm", sets, BodyPartExamined=words.center(6))
    source = read_source(path)
    film = film_of(source, names, patterns)
    assert film.chest == chest
    assert refusal(source, film) == ("" if chest else "not_chest")


@pytest.mark.parametrize("sets", [None, "ISO_IR 100", "ISO_IR 192", "GB18030"])
@pytest.mark.parametrize("raw", [b"\xff\xfe\x80\x81\xff\xff", b"\x81 \x9f\xff\xff\xff"])
def test_a_text_that_no_set_reads_is_unknown(make_film, save, names, patterns, tmp_path, sets, raw):
    path = raw_film(make_film, save, tmp_path / "film.dcm", sets, BodyPartExamined=raw, SeriesDescription=raw)
    source = read_source(path)
    film = film_of(source, names, patterns)
    assert (film.chest, film.view, refusal(source, film)) == (True, "unknown", "")


@pytest.mark.parametrize(
    ("raw", "sets", "read"),
    [
        ("Thorax seitlich, schräg".encode("latin-1"), ["ISO_IR 100"], "Thorax seitlich, schräg"),
        ("Größe".encode("latin-1"), ["ISO_IR 100"], "Größe"),
        ("TÓRAX".encode("latin-1"), ["ISO_IR 100"], "TÓRAX"),
        ("TÓRAX".encode(), ["ISO_IR 100"], "TÓRAX"),
        ("БОКОВАЯ".encode("iso8859-5"), ["ISO_IR 144"], "БОКОВАЯ"),
        ("БОКОВАЯ".encode(), ["ISO_IR 144"], "БОКОВАЯ"),
        ("흉부 측면".encode("euc_kr"), ["ISO 2022 IR 149"], "흉부 측면"),
        ("胸部側面".encode("shift_jis"), ["shift_jis"], "胸部側面"),
        (b"\x1b$)A" + "胸部".encode("gb2312"), ["", "ISO 2022 IR 58"], "胸部"),
        (b"\x1b$)A" + "胸部".encode("gb2312"), [], "胸部"),
        (LATERAL_WORDS.encode("gb18030").decode("latin-1").encode(), ["ISO_IR 192"], LATERAL_WORDS),
        ("胸部正侧位片".encode()[:16], [], "胸部正侧位"),
    ],
)
def test_what_a_declaration_is_worth(raw, sets, read):
    assert decoded(raw, sets) == (read, True)


def test_no_bytes_and_no_declaration_make_the_reader_fail():
    rng = random.Random(5)
    sets = [
        *SETS[1:],
        "",
        "ISO 2022 IR 58",
        "ISO 2022 IR 87",
        "ISO 2022 IR 149",
        "ISO_IR 13",
        "ISO_IR 144",
        "hex",
        "\ud800",
        "utf-7",
    ]
    starts = [
        b"",
        b"\x1b",
        b"\x1b$)A",
        b"\x1b(B",
        b"\x1b$B",
        LATERAL_WORDS.encode(),
        LATERAL_WORDS.encode("gb18030"),
    ]
    for _ in range(800):
        raw = rng.choice(starts) + rng.randbytes(rng.randrange(20))
        read, _ = decoded(raw, rng.sample(sets, rng.randrange(3)))
        assert isinstance(read, str)


def test_latin_letters_without_a_declaration_are_a_guess(make_film, save, names, patterns, tmp_path):
    assert decoded("TÓRAX".encode("latin-1")) == ("TÓRAX", False)
    path = raw_film(make_film, save, tmp_path / "film.dcm", None, BodyPartExamined="TÓRAX ".encode("latin-1"))
    assert film_of(read_source(path), names, patterns).chest


@pytest.mark.parametrize(
    ("description", "view"),
    [
        ("CHEST PA AND LATERAL", "unknown"),
        ("CHEST_PA", "PA"),
        ("CHEST_LAT", "lateral"),
        ("Thorax p.a.", "PA"),
        ("Thorax a.p. liegend", "AP"),
        ("Thorax face et profil", "unknown"),
        ("Thorax de profil", "lateral"),
        ("Chest, frontal and lateral", "unknown"),
        ("Thorax in 2 Ebenen seitl.", "unknown"),
        ("Thorax seitl.", "lateral"),
        ("Tórax perfil", "lateral"),
        ("Chest oblique", "lateral"),
        ("Chest bilateral", "unknown"),
        ("Chest 2 views", "unknown"),
        ("Chest frontal", "unknown"),
        ("ＣＨＥＳＴ　ＬＡＴ", "lateral"),
        ("胸部正、侧位", "unknown"),
        ("胸部正位+侧位", "unknown"),
        ("胸部正斜位", "unknown"),
        ("床旁正位", "AP"),
        ("胸部正位(前后位)", "AP"),
        ("胸部后前位", "PA"),
        ("胸部側面", "lateral"),
        ("Thorax", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_view_in_words(patterns, description, view):
    assert view_of("", [], description, patterns) == view
    assert view_of(description, [], "", patterns) == view
    assert view_of("PA", [], description, patterns) == "PA"
    assert view_of("", [("99X", "1", description)], "", patterns) == view


@pytest.mark.parametrize(
    "keyword",
    ["ProtocolName", "AcquisitionDeviceProcessingDescription", "BodyPartExamined", "StudyDescription"],
)
def test_a_word_for_lateral_beats_doubt(facts, keyword):
    told = {"ViewPosition": "", "SeriesDescription": "CHEST PA AND LATERAL", keyword: "CHEST LAT"}
    assert facts(**told).view == "lateral"
    assert facts(**{**told, "ViewPosition": "PA"}).view == "PA"
    assert facts(**{**told, "SeriesDescription": "CHEST AP"}).view == "AP"
    assert facts(**{**told, keyword: "CHEST PA"}).view == "unknown"


CHESTS = (
    "CHEST", "chest pa", "CXR", "THORAX", "Torax", "TÓRAX", "TORACE", "BRUST", "Brustkorb", "POITRINE",
    "PULMON", "LUNG", "KLATKA PIERSIOWA",
    "hrudník", "mellkas", "GÖĞÜS", "грудная клетка", "лёгкие", "胸", "胸部", "胸腔", "肺", "흉부",
    "ＣＨＥＳＴ", "CHEST_PA",
)  # fmt: skip
OTHERS = (
    "KNEE",
    "TSPINE",
    "BREAST",
    "BRUSTWIRBEL",
    "Brustbein",
    "胸椎",
    "胸骨",
    "胸腰椎",
    "ABDOMEN",
    "грудной отдел позвоночника",
)


@pytest.mark.parametrize("part", CHESTS)
def test_words_for_the_chest(patterns, part):
    assert matches(part, patterns["chest"])


@pytest.mark.parametrize("part", OTHERS)
def test_words_for_other_parts_of_the_body(patterns, part):
    assert not matches(part, patterns["chest"])


def test_words_for_the_chest_are_the_configs(make_film, save, names, tmp_path):
    own = FrontalView(chest=["borst"]).model_dump()
    source = read_source(save(make_film(BodyPartExamined="BORSTKAS"), tmp_path / "a.dcm"))
    assert refusal(source, film_of(source, names, own)) == ""
    source = read_source(save(make_film(BodyPartExamined="CHEST"), tmp_path / "b.dcm"))
    assert refusal(source, film_of(source, names, own)) == "not_chest"


@pytest.mark.parametrize(
    ("coding", "sets"),
    [
        ("gb18030", "GB18030"),
        ("gb18030", None),
        ("gb18030", "ISO_IR 100"),
        ("utf-8", "ISO_IR 192"),
        ("utf-8", None),
    ],
)
def test_full_width_ids_are_those_of_the_tables(make_film, save, names, patterns, tmp_path, coding, sets):
    written = "Ｈ００692921".encode(coding)
    path = raw_film(
        make_film, save, tmp_path / "film.dcm", sets, PatientID=written + b" " * (len(written) % 2)
    )
    assert film_of(read_source(path), names, patterns).patient_id == "H00692921"


@pytest.mark.parametrize(
    "written", ["ＨＯＳＰ－00４2", "HOSP-0042\u200b", "\ufeffHOSP-0042", "HOSP-0042\u00a0", " HOSP-0042"]
)
def test_ids_are_made_alike(names, written):
    assert names.normalised(written) == "HOSP-0042"


@pytest.mark.parametrize(
    "written",
    [
        "20190305",
        "2019.03.05",
        "2019-03-05",
        "2019/03/05",
        "2019-3-5",
        "２０１９-03-05",
        "20190305101500.5",
        "2019-03-05 10:15",
        " 20190305 ",
    ],
)
def test_dates_of_old_and_odd_files(written):
    assert dicom_date(written) == datetime.date(2019, 3, 5)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2019",
        "201903",
        "2019-13-05",
        "2019-03-051",
        "2019-03.05",
        "05-03-2019",
        "05.03.2019",
        "20190230",
        "17990101",
    ],
)
def test_what_is_no_date(written):
    assert dicom_date(written) is None


RIGHT, NEXT = "20190305", "20190306"
CLOCKS = ("20000101", "20990101", "19700101", "20180305", "2030-01-01")


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (
            {"AcquisitionDate": "clock", "ContentDate": NEXT, "SeriesDate": RIGHT, "StudyDate": RIGHT},
            "2019-03-06",
        ),
        ({"AcquisitionDate": "clock", "SeriesDate": RIGHT, "StudyDate": RIGHT}, "2019-03-05"),
        ({"AcquisitionDateTime": "clock", "ContentDate": RIGHT, "StudyDate": RIGHT}, "2019-03-05"),
        (
            {"AcquisitionDate": NEXT, "ContentDate": "clock", "SeriesDate": "clock", "StudyDate": RIGHT},
            "2019-03-06",
        ),
        ({"AcquisitionDate": "clock", "StudyDate": RIGHT}, None),
        ({"AcquisitionDate": "clock", "ContentDate": "clock", "SeriesDate": RIGHT, "StudyDate": RIGHT}, None),
        ({"ContentDate": "clock", "SeriesDate": RIGHT, "StudyDate": RIGHT}, None),
        ({"AcquisitionDate": "clock", "ContentDate": RIGHT, "SeriesDate": RIGHT}, None),
    ],
)
def test_a_clock_that_was_wrong_is_no_date_of_a_film(
    make_film, save, names, patterns, tmp_path, clock, dates, found
):
    told = dict.fromkeys(DATES_OF_A_FILM) | {
        keyword: clock if day == "clock" else day for keyword, day in dates.items()
    }
    film = make_film()
    for keyword, day in told.items():
        if keyword in film:
            del film[keyword]
        if day:
            setattr(film, keyword, day)
    source = read_source(save(film, tmp_path / "film.dcm"))
    facts = film_of(source, names, patterns)
    assert facts.dates_differ
    assert facts.film_date == (None if found is None else datetime.date.fromisoformat(found))
    assert refusal(source, facts) == ("film_dates_differ" if found is None else "")
    if found is None:
        return
    new = pydicom.dcmread(io.BytesIO(b"".join(deidentified(source, facts, names).content)))
    shifted = names.shifted(dicom_date(clock), facts.patient_id).strftime("%Y%m%d")
    assert shifted not in [
        new.get(keyword) for keyword in DATES_OF_A_FILM
    ]  # else the shift could be counted back
    written = film_of(new, names, patterns)
    assert (written.film_date, written.dates_differ) == (
        names.shifted(facts.film_date, facts.patient_id),
        False,
    )


OLDER = {"SeriesDate": "19950926", "ContentDate": "19950927", "StudyDate": "20040826"}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, datetime.date(1995, 9, 27)),
        ({"AcquisitionDate": "19950926"}, datetime.date(1995, 9, 26)),
        ({"SeriesDate": None}, None),
        ({"StudyDate": "19900826"}, None),
        ({"SeriesDate": "20000101", "ContentDate": "20000101"}, None),
        ({"SeriesDate": "20990704", "ContentDate": "20990704"}, None),
        ({"AcquisitionDate": "20010926"}, None),
    ],
)
def test_an_older_film_in_a_newer_study_has_the_date_of_the_film(
    make_film, save, names, patterns, tmp_path, changes, found
):
    film = make_film(AcquisitionDate=None)
    for keyword, day in (OLDER | changes).items():
        if day is not None:
            setattr(film, keyword, day)
    facts = film_of(read_source(save(film, tmp_path / "film.dcm")), names, patterns)
    assert (facts.film_date, facts.dates_differ) == (found, True)


def test_dates_that_lie_near_each_other_are_taken_in_their_order(facts):
    film = facts(
        StudyDate="20181001", SeriesDate="20181002", ContentDate="20190306", AcquisitionDate="20190305"
    )
    assert (film.film_date, film.dates_differ) == (datetime.date(2019, 3, 5), False)


@pytest.mark.parametrize("written", ["DR", "dr", "DX", "CR"])
def test_dr_is_read_as_dx(make_film, save, names, patterns, tmp_path, written):
    source = read_source(save(make_film(Modality=written), tmp_path / "film.dcm"))
    film = film_of(source, names, patterns)
    assert refusal(source, film) == ""
    new = pydicom.dcmread(io.BytesIO(b"".join(deidentified(source, film, names).content)))
    assert new.Modality == ("CR" if written == "CR" else "DX")


def test_no_zero_of_an_exported_number_joins_an_id():
    rule = {"strip": True, "leading_zeros": "drop", "upper": False, "separators": "drop"}
    assert normalise_id("00423466.0", rule) == normalise_id("423466", rule) == "423466"
    assert normalise_id("A-12.0", rule) == "A120", "the dot of an id that is no number is a separator"
