"""What a de-identified film holds and, above all, what it doesn't."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scripts.common.contracts.intake import BATCH_FILMS, CROSSWALK
from scripts.common.key import StudyKey
from scripts.common.tables import read_table
from scripts.intake import deidentification
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.deidentification import allowed_tags, deidentified
from scripts.intake.dicom_reading import Unusable, film_of, read_source, refusal
from scripts.intake.identity import Pseudonyms
from scripts.intake.pixels import decoded_values

SECRETS = [
    "Musterfrau", "Erika", "HOSP-0042", "Klinikum Nirgendwo", "ACC-778899", "Dr Beispiel", "555-0101",
    "Hauptstrasse 12",
    "PRIVATE-SECRET", "overlay-secret", "DEEP-SECRET", "preamble-secret", "20190520", "20190521", "19500317",
    "1.2.826.0.1.3680043.10.999", "101500.123", "tail-secret",
]  # fmt: skip


def leaky(make_film):
    """A film with identifiers in every corner."""
    film = make_film(
        SeriesDescription="PA Musterfrau",
        InstitutionName="Klinikum Nirgendwo",
        AccessionNumber="ACC-778899",
        ReferringPhysicianName="Dr Beispiel",
        PatientAddress="Hauptstrasse 12",
        PatientTelephoneNumbers="555-0101",
        OtherPatientIDs="HOSP-0042",
        ImageComments="Erika Musterfrau",
        AcquisitionTime="101500.123",
        StationName="HOSP-0042",
        ContentDate="20190521",
    )
    film.private_block(0x0009, "ACME 1.0", create=True).add_new(1, "LO", "PRIVATE-SECRET")
    film.add_new(0x60000022, "LO", "overlay-secret")
    film.add_new(0x60003000, "OW", b"overlay-secret..")
    inner = Dataset()
    inner.CodeMeaning = "DEEP-SECRET"
    outer = Dataset()
    outer.ProcedureCodeSequence = Sequence([inner])
    outer.ReferencedSOPInstanceUID = "1.2.826.0.1.3680043.10.999.9"
    film.RequestAttributesSequence = Sequence([outer])
    film.preamble = b"preamble-secret".ljust(128, b"\0")
    film.PixelData = film.PixelData + b"tail-secret\0"
    return film


def new_file(film, names, patterns, path, save) -> tuple[bytes, Dataset]:
    source = read_source(save(film, path))
    facts = film_of(source, names, patterns)
    assert refusal(source, facts) == ""
    content = b"".join(deidentified(source, facts, names).content)
    return content, pydicom.dcmread(io.BytesIO(content))


def test_nothing_of_the_source_passes(make_film, names, patterns, tmp_path, save, pixels):
    content, new = new_file(leaky(make_film), names, patterns, tmp_path / "a", save)
    assert [s for s in SECRETS if s.encode() in content] == []
    assert content[:128] == b"\0" * 128
    assert {f"{int(e.tag):08X}" for e in new} <= {row["tag"] for row in allowed_tags()}
    assert np.array_equal(decoded_values(new, "1.2.840.10008.1.2.1"), pixels)


def test_markers_pseudonyms_and_dates(make_film, names, patterns, tmp_path, save):
    _, new = new_file(leaky(make_film), names, patterns, tmp_path / "a", save)
    assert new.PatientIdentityRemoved == "YES" and new.LongitudinalTemporalInformationModified == "MODIFIED"
    assert [c.CodeValue for c in new.DeidentificationMethodCodeSequence] == ["113100", "113107", "113108"]
    assert new.PatientID == str(new.PatientName) == names.patient("HOSP-0042")
    assert all(
        new[k].value.startswith("2.25.") for k in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    )
    assert len({new.SOPInstanceUID, new.StudyInstanceUID, new.SeriesInstanceUID}) == 3
    day = lambda text: pydicom.valuerep.DA(text)  # noqa: E731
    assert (day(new.AcquisitionDate) - day(new.StudyDate)).days == 1, "intervals survive"
    assert (day(new.StudyDate) - day("20190520")).days == names.shift_days("HOSP-0042")
    assert new.PatientBirthDate == "" and new.StudyTime == "" and "AcquisitionTime" not in new
    assert "PatientAge" not in new


def test_another_key_or_centre_gives_other_pseudonyms(names):
    ids = {"strip": True, "leading_zeros": "keep", "upper": False}
    other_key = Pseudonyms(StudyKey(b"another key of the tests, 32 byt"), "c1", ids)
    other_centre = Pseudonyms(StudyKey(b"a key of the tests, 32 bytes...."), "c2", ids)
    values = [
        (
            n.patient("1"),
            n.image_of_uid("1.2"),
            n.image_of_path("a"),
            n.uid("study", "1.2"),
            n.uid("series", "1.2"),
        )
        for n in (names, other_key, other_centre)
    ]
    assert len({v for several in values for v in several}) == 15


@pytest.mark.parametrize(
    "given", [{"PatientAge": "085Y"}, {"PatientAge": "102Y"}, {"PatientBirthDate": "19200317"}]
)
def test_no_age_is_written(make_film, names, patterns, tmp_path, save, given):
    """85 at one film, and the days to the next, would tell an age above 89. The tables give the age that the
    study needs."""
    content, dataset = new_file(make_film(**given), names, patterns, tmp_path / "a", save)
    assert "PatientAge" not in dataset and dataset.PatientBirthDate == ""
    assert b"085Y" not in content and b"090Y" not in content


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"]
)
def test_compressed_films_keep_their_pixels(
    make_film, compress, names, patterns, tmp_path, save, pixels, syntax
):
    _, new = new_file(compress(make_film(), syntax), names, patterns, tmp_path / "a", save)
    assert np.array_equal(decoded_values(new, str(new.file_meta.TransferSyntaxUID)), pixels)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"])
def test_uncompressed_films_of_any_kind_keep_their_pixels(
    make_film, names, patterns, tmp_path, save, pixels, syntax
):
    film = make_film(syntax=syntax)
    if syntax.endswith(".2.2"):
        film.PixelData = pixels.astype(">u2").tobytes()
    _, new = new_file(film, names, patterns, tmp_path / "a", save)
    assert new.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(decoded_values(new, "1.2.840.10008.1.2.1"), pixels)


def test_overlay_hidden_in_the_pixels_is_cleared(make_film, names, patterns, tmp_path, save, pixels):
    _, new = new_file(make_film(pixels | 0xF000), names, patterns, tmp_path / "a", save)
    assert np.array_equal(np.frombuffer(new.PixelData, "<u2").reshape(40, 30), pixels)


def test_an_identifier_that_slips_through_is_caught(make_film, names, patterns, tmp_path, save):
    film = make_film(Manufacturer="ACME for Musterfrau")
    source = read_source(save(film, tmp_path / "a"))
    with pytest.raises(Unusable, match="identifier_left"):
        deidentified(source, film_of(source, names, patterns), names)


def test_a_description_that_repeats_the_manufacturer_is_no_identifier(
    make_film, names, patterns, tmp_path, save
):
    film = make_film(StudyDescription="ACME Imaging", SoftwareVersions="Imaging")
    content, _ = new_file(film, names, patterns, tmp_path / "a", save)
    assert b"ACME Imaging" in content


def test_allow_list_is_complete_and_permitted():
    """Tags that PS3.15 table E.1-1 lists may stand here only under an option that keeps them, or cleaned or
    emptied.
    """
    rows = allowed_tags()
    assert len({(r["tag"], r["parent"]) for r in rows}) == len(rows)
    for row in rows:
        assert (
            row["reason"]
            and row["option"]
            and callable(getattr(deidentification._Builder, row["action"], None))
            != (row["action"] == "pixels")
        )
        tag = pydicom.tag.Tag(int(row["tag"], 16))
        assert pydicom.datadict.keyword_for_tag(tag) == row["keyword"] and not tag.is_private
        vr = pydicom.datadict.dictionary_VR(tag)
        if vr == "PN" or row["keyword"] == "PatientID":
            assert row["action"] in ("pseudonym", "empty")
        if vr in ("DA", "DT"):
            assert row["action"] in ("shift_date", "empty")
        if vr == "TM" or vr in ("LT", "UT", "ST", "UC"):
            assert row["action"] == "empty"
        if vr == "UI":
            assert row["action"] in ("new_uid", "standard_uid")
        if row["action"] == "shift_date":
            assert row["option"].startswith("Retain Longitudinal")
        if row["keyword"] == "PatientSex":
            assert row["option"].startswith("Retain Patient Characteristics")


REFUSED = {
    "lateral": {"ViewPosition": "LL"},
    "not_chest": {"BodyPartExamined": "HAND"},
    "not_cr_or_dx": {"Modality": "CT"},
    "for_processing": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},
    "no_patient_id": {"PatientID": "  "},
    "no_pixels": {"PixelData": None},
    "unsupported": {"SamplesPerPixel": 3},
    "burned_in_text": {"BurnedInAnnotation": "YES"},
    "unreadable_burned_in": {"BurnedInAnnotation": "TRUE"},
    "no_film_date": {"StudyDate": "unknown", "AcquisitionDate": None},
}


def run_batch(folder, target, names, patterns, silent):
    deidentify_batch(
        folder=folder,
        batch=0,
        n_batches=1,
        names=names,
        patterns=patterns,
        films_folder=target / "films",
        films_table=target / "films.csv",
        crosswalk=target / "private/c/crosswalk/batch_0.csv",
        log=silent,
    )
    table = read_table(target / "films.csv", BATCH_FILMS)
    private = read_table(target / "private/c/crosswalk/batch_0.csv", CROSSWALK)
    return table, table.merge(private, on="image_id").set_index("path")


def test_every_file_of_a_batch_gets_a_row_with_its_reason(make_film, names, patterns, tmp_path, save, silent):
    source = tmp_path / "in"
    save(make_film(), source / "good")
    for reason, changes in REFUSED.items():
        save(make_film(SOPInstanceUID=f"1.2.3.{len(reason)}", **changes), source / "sub" / reason)
    whole = (source / "good").read_bytes()
    (source / "cut_short").write_bytes(whole[:-100])
    (source / "cut_header").write_bytes(whole[: whole.index(b"MONOCHROME2") + 14])
    (source / "cut_early").write_bytes(whole[: whole.index(b"CS", 400) - 4])
    (source / "not_dicom").write_text("a letter about Musterfrau")
    (source / "empty").write_bytes(b"")
    (source / "gone").symlink_to(source / "nowhere")
    table, known = run_batch(source, tmp_path, names, patterns, silent)
    assert known.loc["good", "status"] == "accepted"
    for reason in REFUSED:
        assert known.loc[f"sub/{reason}", "reason"] == reason
    assert known.loc["cut_short", "reason"] == known.loc["cut_header", "reason"] == "cut_short"
    assert known.loc["cut_early", "reason"] == "cut_short"
    assert known.loc["cut_short", "patient_id"] == names.patient("HOSP-0042")
    assert known.loc["not_dicom", "reason"] == known.loc["empty", "reason"] == "not_dicom"
    assert known.loc["gone", "reason"] == "unreadable_file"
    assert len(table) == len(REFUSED) + 7 and table["image_id"].is_unique
    assert [p.name for p in (tmp_path / "films").iterdir()] == [known.loc["good", "image_id"] + ".dcm"]
    assert known.loc["good", "image_id"] == names.image_of_uid("1.2.826.0.1.3680043.10.999.1")
    public = (tmp_path / "films.csv").read_bytes() + b"".join(
        p.read_bytes() for p in (tmp_path / "films").iterdir()
    )
    for secret in ("Musterfrau", "HOSP-0042", "good", "cut_header", "20190520", "2019-05-20"):
        assert secret.encode() not in public
    assert not known.index.equals(known.index.sort_values()), "the source's order is lost"


def test_multibyte_names_leave_no_trace(make_film, names, patterns, tmp_path, save):
    film = make_film(
        PatientName="王小东^=王^小東",
        SpecificCharacterSet="GB18030",
        InstitutionName="江门市中心医院",
        PatientID="住院0042",
    )
    content, new = new_file(film, names, patterns, tmp_path / "a", save)
    for encoding in ("gb18030", "utf-8"):
        for text in ("王小东", "江门市", "住院"):
            assert text.encode(encoding) not in content
    assert new.PatientID == names.patient("住院0042")


def test_same_source_gives_the_same_bytes(make_film, names, patterns, tmp_path, save):
    one, _ = new_file(leaky(make_film), names, patterns, tmp_path / "a", save)
    two, _ = new_file(leaky(make_film), names, patterns, tmp_path / "b/c", save)
    assert one == two


PROCESS = """
import sys
from pathlib import Path
from scripts.common.config import DxaTable, FrontalView, PatientTable
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.identity import Pseudonyms
from scripts.intake.pseudonymization import pseudonymize
from scripts.intake.dxa_rows import read_dxa
from scripts.intake.patient_rows import read_patients

folder, batches = Path(sys.argv[1]), int(sys.argv[2])
ids = {"strip": True, "leading_zeros": "keep", "upper": False}
names = Pseudonyms(StudyKey(b"a key of the tests, 32 bytes...."), "c1", ids)
for batch in range(batches):
    deidentify_batch(
        folder=folder / "in", batch=batch, n_batches=batches, names=names,
        patterns=FrontalView().model_dump(), films_folder=folder / f"out{batch}",
        films_table=folder / f"out{batch}.csv", crosswalk=folder / f"private/{batch}.csv",
        log=Log(None, "test", echo=False),
    )
columns = {"patient_id": "id", "sex": "sex", "height": "height", "weight": "weight", "birth_date": "born"}
patients = PatientTable.model_validate({"path": str(folder / "patients.csv"), "columns": columns})
columns = {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"}
dxa = DxaTable.model_validate({"path": str(folder / "dxa.csv"), "columns": columns})
found = pseudonymize(
    read_patients(patients.model_dump(mode="json"), ids, "patients"),
    read_dxa(dxa.model_dump(mode="json"), ids, "dxa"),
    names,
)
found.dxa.to_csv(folder / "dxa_out.csv")
"""


def test_processes_batches_and_tables_agree(make_film, save, names, tmp_path):
    """Films in one batch or three, in processes that hash text differently; the DXA table under the films'
    ids and shifts.
    """
    films, tables = [], []
    for number, (hash_seed, batches) in enumerate([("1", 1), ("77", 3)]):
        folder = tmp_path / str(number)
        for patient in range(6):
            film = make_film(
                PatientID=f"HOSP-{patient}", SOPInstanceUID=f"1.2.826.0.1.{patient}", StudyDate="20190520"
            )
            save(film, folder / "in" / f"{patient}.dcm")
        (folder / "patients.csv").write_text(
            "id,sex,height,weight,born\n"
            + "".join(f"HOSP-{i},F,160,{60 + i},1950-01-0{i + 1}\n" for i in range(6))
        )
        (folder / "dxa.csv").write_text(
            "id,day,site,bmd,t\n" + "".join(f"HOSP-{i},2019-05-2{i},lumbar,0.9,-1.{i}\n" for i in range(6))
        )
        subprocess.run(
            [sys.executable, "-c", PROCESS, str(folder), str(batches)],
            cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True,
        )  # fmt: skip
        films.append({p.name: p.read_bytes() for p in folder.glob("out*/*.dcm")})
        tables.append((folder / "dxa_out.csv").read_text())
    assert films[0] == films[1] and len(films[0]) == 6 and tables[0] == tables[1]
    dates = {}
    for content in films[0].values():
        new = pydicom.dcmread(io.BytesIO(content))
        dates[new.PatientID] = pydicom.valuerep.DA(new.StudyDate)
    table = pd.read_csv(io.StringIO(tables[0]))
    assert set(table["patient_id"]) == set(dates) == {names.patient(f"HOSP-{i}") for i in range(6)}
    number = {names.patient(f"HOSP-{i}"): i for i in range(6)}
    for row in table.itertuples():
        days = (pd.Timestamp(row.exam_date).date() - dates[row.patient_id]).days
        assert days == number[row.patient_id], "the interval between film and DXA survives"
