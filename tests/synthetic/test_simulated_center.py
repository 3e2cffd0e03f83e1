"""A whole simulated centre: bytes, headers, tables, planted troubles and identifiers."""

import contextlib
import hashlib
import json
import re

import numpy as np
import openpyxl
import pandas as pd
import pydicom
import pytest

from scripts.common.config import Center, with_sources
from scripts.common.log import Log
from scripts.common.tables import read_table
from scripts.common.vocabulary import EXCLUSIONS
from scripts.intake.patient_rows import read_patients
from scripts.synthetic.center import TRUTH, TRUTH_PATIENTS, simulate_center
from scripts.synthetic.cohort_plan import plan_center
from scripts.synthetic.detector import DETECTORS
from scripts.synthetic.dicom_writing import SYNTAXES, film_bytes
from scripts.synthetic.identities import make_hospital
from scripts.synthetic.population import months_later

COHORTS = ("internal", "external_1", "external_2")


def simulated(like, **changes):
    settings = {"like": like, "n_op": 6, "n_non_op": 7, "film_size": 96, **changes}
    return Center.model_validate({"name": like, "role": "external", "simulate": settings})


def make(folder, like, workers=1, seed=7, **changes):
    simulate = simulated(like, **changes).simulate.model_dump(mode="json")
    simulate_center(like, simulate, seed, folder, Log(None, "test", echo=False), workers)
    return folder


@pytest.fixture(scope="module")
def centers(tmp_path_factory):
    root = tmp_path_factory.mktemp("centers")
    return {like: make(root / like, like) for like in COHORTS}


@pytest.fixture(params=COHORTS)
def like(request):
    return request.param


@pytest.fixture
def folder(centers, like):
    return centers[like]


def tree(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_same_bytes_with_one_worker_or_two(folder, like, tmp_path):
    assert tree(make(tmp_path / "again", like, workers=2)) == tree(folder)


def test_another_seed_makes_other_people(folder, like, tmp_path):
    other = make(tmp_path / "other", like, seed=8, trouble=False)
    ids = set(read_table(other / "truth_patients.csv", TRUTH_PATIENTS)["source_patient_id"])
    assert not ids & set(read_table(folder / "truth_patients.csv", TRUTH_PATIENTS)["source_patient_id"])


def test_more_patients_change_no_file_of_those_there(folder, like, tmp_path):
    larger = tree(make(tmp_path / "larger", like, n_op=8, n_non_op=9) / "dicom")
    smaller = tree(folder / "dicom")
    truth = read_table(folder / "truth.csv", TRUTH)
    films = truth.loc[truth["expected_reason"] != "not_dicom", "path"]
    assert {path: larger.get(path) for path in films} == {path: smaller[path] for path in films}


def test_every_file_is_accounted_for(folder):
    truth = read_table(folder / "truth.csv", TRUTH)
    found = {p.relative_to(folder / "dicom").as_posix() for p in (folder / "dicom").rglob("*") if p.is_file()}
    assert set(truth["path"]) == found
    assert truth["path"].is_unique
    assert set(truth["expected_status"]) == {"accepted", "quarantined", "rejected"}


def test_every_trouble_is_there(folder):
    truth = read_table(folder / "truth.csv", TRUTH)
    assert set(truth["expected_reason"]) - {""} == {
        "lateral", "low_range", "clipped", "cut_short", "burned_in_text", "no_patient_id", "no_pixels",
        "duplicate", "not_dicom"
    }  # fmt: skip
    people = read_table(folder / "truth_patients.csv", TRUTH_PATIENTS)
    assert set(people.loc[people["expected"] == "excluded", "expected_reason"]) == {
        *EXCLUSIONS, "too_young", "no_pair_in_interval", "no_frontal_film", "exposure_rejected",
        "no_usable_film",
        "no_film", "unreadable_row", "not_in_patients_table", "no_dxa", "conflicting_rows", "no_t_score",
        "undecided_dxa",
    }  # fmt: skip
    assert {"interval_exactly_6_months", "several_exams", "lateral_beside_frontal", "duplicate_file",
            "identical_rows_and_unreadable_exam_date", "sex_differs_from_film", "first_film_badly_exposed",
            "spaces_round_id"} <= set(people["planted"])  # fmt: skip


def test_those_who_pass_are_as_many_as_asked_for_and_do_pass(like):
    patients = plan_center(7, like, simulated(like).simulate.model_dump(mode="json"))
    passing = [p for p in patients if p.included]
    assert sum(p.person.op for p in passing) == 6
    assert sum(not p.person.op for p in passing) == 7
    for p in passing:
        film, exam = p.films[0], p.exams[0]
        assert film.status == "accepted" and film.view != "lateral"
        earlier, later = sorted([film.day, exam.day])
        assert later <= months_later(earlier, 6)
        assert not any(p.flags.values())
        t_scores = {site: t for site, _, t in exam.rows if site != "forearm"}
        assert min(t_scores.values()) == p.person.t_score == t_scores[p.person.site]
        assert (p.person.t_score <= -2.5) == p.person.op
        born, day = p.person.birth_date, film.day
        assert day.year - born.year - ((day.month, day.day) < (born.month, born.day)) == p.person.age > 40


def test_patients_to_exclude_do_fail(like):
    patients = plan_center(7, like, simulated(like).simulate.model_dump(mode="json"))
    by_trouble = {p.planted: p for p in patients if not p.included}
    for name in ("dxa_too_late", "dxa_too_early"):
        p = by_trouble[name]
        earlier, later = sorted([p.films[0].day, p.exams[0].day])
        assert later > months_later(earlier, 6)
    assert by_trouble["too_young_by_days"].person.age == 40
    assert all(t is None for _, _, t in by_trouble["no_t_score"].exams[0].rows)
    assert by_trouble["not_in_patients_table"].table_rows == []
    assert by_trouble["no_film"].films == []
    only = by_trouble["only_unreadable_rows"]
    assert only.films == [] and only.exams and all(exam.unreadable for exam in only.exams)


def test_no_trouble_when_it_is_switched_off(like, tmp_path):
    folder = make(tmp_path / "quiet", like, trouble=False)
    truth = read_table(folder / "truth.csv", TRUTH)
    assert len(truth) == 13
    assert set(truth["expected_status"]) == {"accepted"}


def codings(text, encodings):
    """The text in each encoding that has all of its characters."""
    for encoding in encodings:
        with contextlib.suppress(UnicodeEncodeError):
            yield text.encode(encoding)


def test_planted_strings_stand_in_their_files(folder):
    planted = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    truth = read_table(folder / "truth.csv", TRUTH)
    strays = set(truth.loc[truth["expected_reason"] == "not_dicom", "path"])
    assert {f"dicom/{path}" for path in truth["path"] if path not in strays} <= set(planted["files"])
    for name, kinds in planted["files"].items():
        content = (folder / name).read_bytes()
        if name.endswith(".xlsx"):
            book = openpyxl.load_workbook(folder / name)
            content = "\n".join(
                str(c) for s in book for row in s.iter_rows(values_only=True) for c in row
            ).encode()
        for kind, texts in kinds.items():
            if kind == "paths":
                assert all(text in name for text in texts)
                continue
            assert texts, (name, kind)
            for text in texts:
                assert any(coded in content for coded in codings(text, planted["encodings"])), (name, kind)


def test_each_film_holds_identifiers_of_every_kind(folder, like):
    planted = json.loads((folder / "planted.json").read_text(encoding="utf-8"))["files"]
    truth = read_table(folder / "truth.csv", TRUTH)
    whole = truth[~truth["expected_reason"].isin(["not_dicom", "cut_short"])]
    kinds = {
        "names",
        "ids",
        "dates",
        "times",
        "uids",
        "physicians",
        "institution",
        "serials",
        "addresses",
        "phones",
        "paths",
    }
    for path in whole["path"]:
        assert kinds <= set(planted[f"dicom/{path}"])
        film = pydicom.dcmread(folder / "dicom" / path)
        assert film.preamble.strip(b"\0")
        assert 0x60001500 in film and 0x00091001 in film and "OriginalAttributesSequence" in film
        assert b"|ACC" in film.DataSetTrailingPadding


def test_distinctive_strings_are_long_and_shared_by_no_two_patients(like):
    patients = plan_center(7, like, simulated(like).simulate.model_dump(mode="json"))
    for field in ("patient_id", "other_id", "family", "birth_name", "ideographic", "insurance", "phone"):
        values = [getattr(p.identity, field) for p in patients]
        assert len(set(values)) == len(values)
        assert min(len(v.encode()) for v in values) >= 8


def test_films_decode_in_every_transfer_syntax(like):
    patients = plan_center(7, like, simulated(like).simulate.model_dump(mode="json"))
    hospital = make_hospital(7, like)
    met = set()
    for k, patient in enumerate([p for p in patients if p.included]):
        detector = DETECTORS[like][k % len(DETECTORS[like])]
        rng = np.random.default_rng(k)
        pixels = rng.integers(0, 2**detector.bits, (50, 41)).astype(np.uint16)
        pixels[0, :2] = [0, 2**detector.bits - 1]
        content, _ = film_bytes(patient, patient.films[0], pixels, detector, hospital, like, rng)
        film = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))
        assert np.array_equal(film.pixel_array, pixels)
        assert film.BitsStored == detector.bits
        assert (film.PhotometricInterpretation == "MONOCHROME1") == detector.inverted
        assert str(film.PatientName).startswith(patient.identity.family)
        assert film.PatientID == patient.identity.patient_id
        met.add(film.file_meta.TransferSyntaxUID)
    assert met == set(SYNTAXES[like])


def test_the_view_is_said_in_several_ways(centers):
    for like, folder in centers.items():
        truth = read_table(folder / "truth.csv", TRUTH)
        ways = set()
        for path in truth.loc[truth["expected_status"] == "accepted", "path"]:
            film = pydicom.dcmread(folder / "dicom" / path, stop_before_pixels=True)
            ways.add(
                "position"
                if "ViewPosition" in film
                else "code"
                if "ViewCodeSequence" in film
                else "description"
            )
        assert len(ways) >= 2, like


def test_burned_in_text_is_declared_only_where_it_is(folder):
    truth = read_table(folder / "truth.csv", TRUTH)
    films = truth[~truth["expected_reason"].isin(["not_dicom", "cut_short"])]
    said = {
        path: pydicom.dcmread(folder / "dicom" / path, stop_before_pixels=True).get("BurnedInAnnotation", "")
        for path in films["path"]
    }
    burned = set(films.loc[films["expected_reason"] == "burned_in_text", "path"])
    assert {path for path, value in said.items() if value == "YES"} == burned
    assert "NO" in said.values()


def _read(source, folder):
    path = folder / "tables" / re.split(r"[\\/]", source.path)[-1]
    if path.suffix == ".xlsx":
        return pd.read_excel(path, sheet_name=source.sheet, dtype=object)
    return pd.read_csv(path, encoding=source.encoding, dtype=str, keep_default_na=False)


def test_tables_follow_the_layout(folder, like):
    center = with_sources(simulated(like))
    people = read_table(folder / "truth_patients.csv", TRUTH_PATIENTS).set_index("source_patient_id")
    table = _read(center.patients, folder)
    columns = center.patients.columns
    assert {columns.patient_id, columns.sex, columns.birth_date, columns.height, columns.weight} <= set(
        table.columns
    )
    assert set(center.patients.exclusions.model_dump().values()) <= set(table.columns)
    ids = table[columns.patient_id].astype(str).str.strip().str.lstrip("0")
    known = people.rename(index=lambda i: i.lstrip("0"))
    assert ids.isin(known.index).all()
    height = table[columns.height].astype(float).to_numpy() * (
        100 if center.patients.height_unit == "m" else 1
    )
    normal = ~known.loc[ids, "planted"].isin(["conflicting_height"]).to_numpy()
    expected = known.loc[ids, "height_cm"].to_numpy()
    assert np.allclose(height[normal], expected[normal], atol=0.06)
    sexes = {*center.patients.sex_coding.F, *center.patients.sex_coding.M}
    assert set(table[columns.sex].astype(str)) == sexes
    dxa = _read(center.dxa, folder)
    sites = dxa[center.dxa.columns.site]
    coded = {text for texts in center.dxa.site_coding.model_dump().values() for text in texts}
    assert coded <= set(sites) and set(sites) - coded, "rows of a site that is not coded are planted too"


def test_excel_drops_leading_zeros_and_films_keep_them(centers):
    folder = centers["external_1"]
    center = with_sources(simulated("external_1"))
    ids = _read(center.patients, folder)[center.patients.columns.patient_id]
    assert sum(isinstance(i, int) for i in ids) > 10
    people = read_table(folder / "truth_patients.csv", TRUTH_PATIENTS)
    assert people["source_patient_id"].str.startswith("00").all()


def test_predictors_stand_in_further_columns_and_change_nothing_else(tmp_path, centers, like):
    more = make(tmp_path / like, like, predictors=True)
    one, other = tree(centers[like]), tree(more)
    changed = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    assert changed == {f"tables/{with_sources(simulated(like)).patients.path.rsplit('/', 1)[1]}"}
    center = with_sources(simulated(like, predictors=True))
    table = center.patients.model_dump(mode="json") | {"path": str(more / changed.pop())}
    reading = read_patients(table, center.ids.model_dump(mode="json"), f"centers[{like}].patients")
    assert list(reading.predictors) == ["calcium", "smoker", "alcohol"]
    rows = reading.rows
    assert rows["calcium"].notna().sum() > 8 and rows["calcium"].dropna().between(1.8, 2.9).all()
    assert set(rows["smoker"].dropna()) == {0.0, 1.0} and set(rows["alcohol"]) - {""} <= {
        "never",
        "sometimes",
        "daily",
    }
    assert not [reason for reason in reading.issues["reason"] if "predictor" in reason]
