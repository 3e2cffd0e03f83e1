"""The look at a study's own data: it foretells the run, helps ids to join, and shows no patient."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from scripts.check.check_data import described, main
from scripts.check.expectations import expect, shared_patients
from scripts.common.config import Center, Cohort, FrontalView
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.common.predictors import Predictor


def write_film(path: Path, patient_id: str, number: int, **changes) -> None:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.10.999.{number}"
    film.Modality, film.PatientID, film.StudyDate, film.ViewPosition = "CR", patient_id, "20200615", "PA"
    film.Rows = film.Columns = 8
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PixelData = np.arange(64, dtype=np.uint16).tobytes()
    film["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        setattr(film, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, film, enforce_file_format=True)


@pytest.fixture
def look(tmp_path):
    """Makes a centre of eight patients whose tables lack the ids' leading zeros, and looks at it."""

    def expectation(
        patients: str | None = None,
        table: dict | None = None,
        makers: tuple[str, ...] = (),
        predictors=None,
        **changes,
    ):
        for n in range(8):
            maker = (
                {"Manufacturer": makers[n], "SpecificCharacterSet": "ISO_IR 192"} if n < len(makers) else {}
            )
            write_film(tmp_path / f"films/{n}/f", f"0077{n:03d}", n, PatientSex="F", **maker)
        write_film(tmp_path / "films/lateral", "0077000", 90, ViewPosition="LL")
        (tmp_path / "films/letter.txt").write_text("no film")
        rows = [f"77{n:03d},F,1950-03-1{n},160,6{n}" for n in range(8)]
        (tmp_path / "p.csv").write_text(patients or "id,sex,born,height,weight\n" + "\n".join(rows) + "\n")
        exams = [f"77{n:03d},2020-05-01,lumbar,0.9,{-3.0 + n * 0.4:.1f}" for n in range(8)]
        (tmp_path / "d.csv").write_text(
            "id,day,site,bmd,t\n" + "\n".join(exams) + "\n77000,2020-05-01,forearm,0.5,-1\n"
        )
        center = {
            "name": "c", "role": "development", "dicom": str(tmp_path / "films"),
            "ids": {"leading_zeros": "drop"},
            "patients": {
                "path": str(tmp_path / "p.csv"),
                "columns": {"patient_id": "id", "sex": "sex", "birth_date": "born", "height": "height",
                "weight": "weight"},
                **(table or {}),
            },
            "dxa": {
                "path": str(tmp_path / "d.csv"),
                "columns": {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd",
                "t_score": "t"},
            },
            **changes,
        }  # fmt: skip
        cohort = Cohort().model_dump(mode="json", exclude={"test_fraction", "folds"})
        key = StudyKey(b"a key of the tests, 32 bytes....")
        found = expect(
            Center.model_validate(center),
            key,
            FrontalView().model_dump(),
            cohort,
            Log(None, "t", echo=False),
            tmp_path,
            predictors=predictors,
        )
        return found, "\n".join(described(found))

    return expectation


def test_it_foretells_the_cohort_and_shows_nobody(look):
    found, said = look()
    assert (
        found.n_files == 10 and dict(found.refused) == {"lateral": 1, "not_dicom": 1} and found.faults == []
    )
    assert len(found.selection.cohort) == 8 and int(found.selection.cohort["label"].sum()) == 2
    assert "8 of 8 (100 %)" in said and "8 patients, 2 with osteoporosis (25 %)" in said
    assert (
        "other site: 1 rows" in said
        and "dxa: 9 rows = 8 used + 0 set aside with a reason + 1 not needed" in said
    )
    assert "77003" not in said and "1950-03-13" not in said and "20200615" not in said


def test_predictors_are_told_and_their_unknown_codes_named(look):
    rows = [f"77{n:03d},F,1950-03-1{n},{2.1 + n / 10:.1f},{'often' if n < 3 else 0}" for n in range(8)]
    columns = {"patient_id": "id", "sex": "sex", "birth_date": "born"}
    mapped = {
        "calcium": {"column": "Ca"},
        "alcohol": {"column": "drinks", "type": "category", "coding": {"never": ["0"], "daily": ["1"]}},
    }
    known = {
        "calcium": Predictor("calcium", "number"),
        "alcohol": Predictor("alcohol", "category", ("never", "daily")),
        "smoker": Predictor("smoker", "yes_no"),
    }
    table = {"columns": columns, "predictors": mapped}
    found, said = look("id,sex,born,Ca,drinks\n" + "\n".join(rows) + "\n", table, predictors=known)
    assert found.faults == [] and len(found.selection.cohort) == 8 and found.medians == {"calcium": 2.45}
    assert "calcium: missing in 0 of 8 rows; median 2.45" in said
    assert "alcohol: missing in 3 of 8 rows; never 5, daily 0" in said
    assert "smoker: the table has none" in said
    assert "predictors.alcohol: codes that the config doesn't know: often" in said
    assert "patients: unreadable predictor alcohol: 3 rows" in said


def test_ids_that_do_not_join_bring_a_hint(look):
    found, said = look(ids={"leading_zeros": "keep"})
    assert "0 of 8 (0 %)" in said and "8 more patients" in said and "leading_zeros: drop" in said
    assert found.selection is None and len(found.faults) == 1


def test_a_wrong_unit_is_named_and_the_rest_still_said(look):
    found, said = look("id,sex,born,height,weight\n77001,F,1950-01-01,1.6,60\n77002,F,1950-01-01,1.7,60\n")
    assert (
        "TO FIX" in said and "height_unit to m" in said and "view PA: 8" in said and found.selection is None
    )


def test_a_patient_with_unreadable_rows_alone_is_foretold(look):
    rows = [f"77{n:03d},F,1950-03-1{n},160,6{n}{'' if n else ',slipped'}" for n in range(8)]
    found, said = look("id,sex,born,height,weight\n" + "\n".join(rows) + "\n77100,F,1950-01-01,16,60\n")
    assert found.selection.excluded["reason"].value_counts().to_dict() == {"unreadable_row": 1, "no_film": 1}
    assert "left out, unreadable row: 1" in said


def test_a_column_of_names_is_not_shown_as_codes(look):
    rows = [f"77{n:03d},Person{n},1950-03-1{n},160,6{n}" for n in range(8)]
    _, said = look("id,sex,born,height,weight\n" + "\n".join(rows) + "\n")
    assert "8 different one(s), not shown" in said and "Person" not in said


def test_a_swapped_coding_of_the_sex_is_named(look):
    rows = [f"77{n:03d},M,1950-03-1{n},160,6{n}" for n in range(8)]
    found, said = look("id,sex,born,height,weight\n" + "\n".join(rows) + "\n")
    assert "differ on the sex of 100 %" in said and "sex_coding" in said and len(found.faults) == 1


def test_ids_are_not_compared_with_a_table_that_cannot_be_read(look):
    rows = [f"77{n:03d},F,1950-03-1{n},160,6{n}" for n in range(8)]
    found, said = look("id,sex,birthday,height,weight\n" + "\n".join(rows) + "\n")
    assert (
        len(found.faults) == 1
        and "TO FIX: centers[c].patients.columns.birth_date: the table has no column" in said
    )
    assert "patient table: not compared" in said and "0 of 8" not in said
    assert "patients of the films in the DXA table: 8 of 8" in said


def test_a_centre_with_png_films_is_foretold_and_its_bits_are_looked_at(look, tmp_path):
    import imagecodecs

    rows = []
    for n in range(9):
        path = tmp_path / f"png/f{n}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(imagecodecs.png_encode(np.arange(n, n + 4000, dtype=np.uint16).reshape(50, 80)))
        rows.append(f"f{n}.png,77{n:03d},2020-06-15,{'PA' if n else 'LL'},F,no")
    (tmp_path / "i.csv").write_text(
        "\n".join(["file,id,day,view,sex,text", *rows[:8], "lost.png,77007,2020-06-15,PA,F,no"]) + "\n"
    )
    columns = {
        "file": "file",
        "patient_id": "id",
        "film_date": "day",
        "view": "view",
        "sex": "sex",
        "burned_in": "text",
    }
    images = {"path": str(tmp_path / "i.csv"), "columns": columns}
    found, said = look(dicom=None, png=str(tmp_path / "png"), images=images)
    assert found.faults == [] and dict(found.refused) == {"lateral": 1, "not_in_image_table": 1}
    assert len(found.selection.cohort) == 7 and "left out, no frontal film: 1" in said
    assert "images: no such file: 1 rows" in said
    assert "of 8 16-bit films" not in said and "7 16-bit films that were looked at use 12 bits" in said
    _, said = look(dicom=None, png=str(tmp_path / "png"), images={**images, "bits": 12})
    assert "16-bit films" not in said
    found, said = look(dicom=None, png=str(tmp_path / "png"), images={**images, "bits": 10})
    assert "TO FIX: centers[c].images.bits: 7 of 7 16-bit films" in said and "use 12 bits" in said
    assert "f3.png" not in said and "77003" not in said
    table = (tmp_path / "i.csv").read_text()
    (tmp_path / "i.csv").write_text(table.replace("PA,F,no", "立位,F,有文字", 3), encoding="utf-8")
    found, said = look(dicom=None, png=str(tmp_path / "png"), images=images)
    assert (
        found.refused["unreadable_burned_in"] == 3
        and "images: unreadable burned in: 3 rows" in said
        and "images: unknown view: 3" in said
    )
    assert (
        "columns.view: codes that the config doesn't know: 立位" in said
        and "columns.burned_in: codes that the config doesn't know: 有文字" in said
    )
    (tmp_path / "i.csv").write_text(table.replace(",no", ",有文字"), encoding="utf-8")
    _, said = look(dicom=None, png=str(tmp_path / "png"), images=images)
    assert "TO FIX: centers[c].images.columns.burned_in: most of its cells" in said


def test_a_manufacturer_that_is_not_kept_is_counted(look):
    found, said = look(makers=("万东", "ACME", "上海联影"))
    assert (
        found.n_makers_lost == 2
        and (
            "manufacturer not kept (not in plain Latin letters, with a long number, or a part of the "
            "institution's name): 2"
        )
        in said
    )
    assert "万东" not in said and "manufacturer" not in look()[1]


def test_flags_coded_the_wrong_way_round_are_named(look):
    """Only patients with osteoporosis have the flag's other code: none of them is left."""
    rows = [f"77{n:03d},F,1950-03-1{n},160,6{n},{int(n > 1)}" for n in range(8)]
    table = "id,sex,born,height,weight,spine\n" + "\n".join(rows) + "\n"
    found, said = look(
        table, {"exclusions": {"abnormal_spine": "spine"}, "flag_coding": {"yes": ["0"], "no": ["1"]}}
    )
    assert "TO FIX: centers[c]: no patient with osteoporosis is left" in said and "wrong way round" in said
    assert len(found.selection.cohort) == 6
    found, said = look(
        table,
        {"exclusions": {"abnormal_spine": "spine"}, "flag_coding": {"yes": ["0"], "no": ["1"]}},
        role="external",
    )
    assert found.faults == [] and "HINT: centers[c]: no patient with osteoporosis is left" in said


def test_a_flag_of_most_rows_and_weights_in_pounds_bring_hints(look):
    rows = [f"77{n:03d},F,1950-03-1{n % 10},160,{150 if n > 20 else 60},{int(n < 20)}" for n in range(30)]
    _, said = look(
        "id,sex,born,height,weight,spine\n" + "\n".join(rows) + "\n",
        {"exclusions": {"abnormal_spine": "spine"}},
    )
    assert (
        "HINT: centers[c].patients.columns.weight: 9 of 30 rows have a body mass index above 45; are their"
        " weights in pounds?" in said
    )
    assert (
        "HINT: centers[c].patients.exclusions.abnormal_spine: 20 of 30 rows" in said
        and "patients: doubtful bmi: 9 rows" in said
    )


def test_codes_of_sites_that_the_config_does_not_know_are_named(look, tmp_path):
    rows = [
        f"77{n:03d},2020-05-01,{site},0.9,{-3.0 + n * 0.4:.1f}"
        for n in range(8)
        for site in ("lumbar", "Hals", "Hip total")
    ]
    (tmp_path / "mine.csv").write_text("id,day,site,bmd,t\n" + "\n".join(rows) + "\n")
    columns = {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"}
    dxa = {"path": str(tmp_path / "mine.csv"), "columns": columns}
    found, said = look(dxa=dxa)
    assert [
        "16 rows hold 2 code(s)" in fault and "make check-data lists them" in fault for fault in found.faults
    ] == [True]
    assert "codes that the config doesn't know: Hals, Hip total" in said
    aside = {**dxa, "site_coding": {"other": ["Hals", "Hip total"]}}
    (hint,) = [h for h in look(dxa=aside)[0].hints if "site_coding" in h]
    assert "no row is of femoral_neck or total_hip" in hint and "16 of 24 rows" in hint
    known = {**dxa, "site_coding": {"femoral_neck": ["Hals"], "total_hip": ["Hip total"]}}
    assert not [h for h in look(dxa=known)[0].hints if "site_coding" in h]


def test_years_of_two_digits_are_named(look):
    rows = [f"77{n:03d},F,1{n}.03.{50 + 3 * n},160,6{n}" for n in range(8)]
    head = "id,sex,born,height,weight\n"
    _, said = look(head + "\n".join(rows) + "\n", {"date_format": "%d.%m.%y"})
    assert "TO FIX: centers[c].patients.columns.birth_date: most birth dates lie after" in said
    late = [
        row if n else "77000,F,10.03.2021,160,60"
        for n, row in enumerate(f"77{n:03d},F,1{n}.03.1950,160,6{n}" for n in range(8))
    ]
    found, said = look(head + "\n".join(late) + "\n", {"date_format": "%d.%m.%Y"})
    assert (
        found.faults == []
        and "patients: born after exam: 1 rows" in said
        and "left out, too young" not in said
    )


def test_a_slip_in_the_readers_table_is_named(look, tmp_path):
    (tmp_path / "r.csv").write_text("image_id,verdict\nI0123456789ABCDEF,maybe\n")
    _, said = look(review=str(tmp_path / "r.csv"))
    assert "TO FIX: centers[c].review: row 2: the verdict must be" in said


def test_a_verdict_on_a_film_that_is_not_there_is_named(look, tmp_path):
    key = StudyKey(b"a key of the tests, 32 bytes....")
    known = [key.image("c", "1.2.826.0.1.3680043.10.999.3"), key.image("c", "path:letter.txt")]
    (tmp_path / "r.csv").write_text("image_id,verdict\n" + "".join(f"{i},pass\n" for i in known))
    assert look(review=str(tmp_path / "r.csv"))[0].faults == []
    (tmp_path / "r.csv").write_text(f"image_id,verdict\n{known[0]},pass\nI0123456789ABCDEF,reject\n")
    _, said = look(review=str(tmp_path / "r.csv"))
    assert "TO FIX: centers[c].review: row 3: no film of this centre has this image id" in said


def test_patients_of_the_development_centre_in_an_external_one_are_counted(look):
    developed, _ = look()
    external, _ = look(name="other", role="external")
    assert "centers[other]: 8 of 8 patients with a film have the id and the date of birth" in shared_patients(
        developed, external
    )
    others = [f"77{n:03d},F,{'1950-03-1' if n < 3 else '1951-04-1'}{n},160,6{n}" for n in range(8)]
    external, _ = look(
        "id,sex,born,height,weight\n" + "\n".join(others) + "\n", name="other", role="external"
    )
    assert " 3 of 8 patients" in shared_patients(developed, external)
    external.people = {("77000", "1999-01-01")}
    assert shared_patients(developed, external) == "", (
        "the same number given to another person by another hospital"
    )


def test_another_key_than_the_results_is_named(tmp_path, monkeypatch, capsys):
    shutil.copy(Path(__file__).parents[2] / "config.yaml", tmp_path / "config.yaml")
    (tmp_path / "private/a/crosswalk").mkdir(parents=True)
    (tmp_path / "private/a/crosswalk/batch_0.csv").touch()
    (tmp_path / "private/key_fingerprint.txt").write_text("00000000\n")
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    said = capsys.readouterr().out
    assert "TO FIX: The study key" in said and "1 thing(s) to fix" in said


def test_exclusions_that_a_table_does_not_tell_are_named(look):
    (hint,) = [h for h in look()[0].hints if "patients.exclusions: no column for" in h]
    assert "secondary_osteoporosis" in hint and "nobody of this centre is excluded" in hint


def test_clocks_that_were_wrong_are_counted(look, tmp_path):
    clock, day = "20000101", "20200615"
    write_film(tmp_path / "films/borne_out", "0077000", 91, AcquisitionDate=clock, ContentDate=day)
    write_film(tmp_path / "films/doubtful", "0077001", 92, AcquisitionDate="20000101")
    write_film(tmp_path / "films/future", "0077002", 93, StudyDate="20990101")
    found, said = look()
    assert found.refused["film_dates_differ"] == 1 and "not usable, film dates differ: 1" in said
    assert "differ by years (more than 180 days): 2 films; 1 of them keep the date that" in said
    assert "the others bear out, 1 are set aside" in said
    assert "1 films are dated in the future" in said
    for told in ("2000", "2099", "0077"):
        assert told not in said.replace("100 %", "")


def test_densities_without_t_scores_are_told(look, tmp_path):
    rows = [
        f"77{n:03d},2020-05-01,{site},0.9,{'' if site == 'neck' and n < 3 else -3.0 + n * 0.4}"
        for n in range(8)
        for site in ("lumbar", "neck")
    ]
    (tmp_path / "mine.csv").write_text("id,day,site,bmd,t\n" + "\n".join(rows) + "\n")
    columns = {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"}
    found, said = look(dxa={"path": str(tmp_path / "mine.csv"), "columns": columns})
    assert (
        "HINT: centers[c].dxa.columns.t_score: 3 results have a density and no T-score" in said
        and found.faults == []
    )


def test_sites_on_days_that_are_no_one_exam_are_told(look, tmp_path):
    rows = [
        f"77{n:03d},2020-05-{'01' if site == 'lumbar' else '04'},{site},0.9,{-3.0 + n * 0.4:.1f}"
        for n in range(8)
        for site in ("lumbar", "neck")
    ]
    (tmp_path / "mine.csv").write_text("id,day,site,bmd,t\n" + "\n".join(rows) + "\n")
    dxa = {
        "path": str(tmp_path / "mine.csv"),
        "columns": {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"},
    }
    _, said = look(dxa=dxa)
    assert (
        "HINT: centers[c].dxa: 8 patients have other sites 3 to 3 days after an exam's own" in said
        and "exam_window_days" in said
    )


def test_ids_that_a_rule_makes_one_are_told(look):
    rows = [f"77{n:03d},F,1950-03-1{n},160,6{n}" for n in range(8)] + ["077-001,F,1950-03-11,160,61"]
    found, said = look(
        "id,sex,born,height,weight\n" + "\n".join(rows) + "\n",
        ids={"leading_zeros": "drop", "separators": "drop"},
    )
    assert (
        "HINT: centers[c].ids: 1 ids of the patient table are written in several ways that 'ids' makes one"
        in said
    )
    assert "077-001" not in said
