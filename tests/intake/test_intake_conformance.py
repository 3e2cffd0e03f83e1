"""De-identified films judged by dciodvfy (dicom3tools): no error that the source did not have.

And no false alarm of the scan.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest

from scripts.common.config.centers import Simulate
from scripts.common.log import Log
from scripts.intake.deidentification import allowed_tags, deidentified
from scripts.intake.dicom_reading import Unusable, film_of, read_source, refusal
from scripts.synthetic.center import simulate_center

REAL = Path(__file__).resolve().parents[3] / "shared/real/dicom"
needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed"
)
needs_real_films = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout"
)


def errors(path: Path) -> set[str]:
    """The errors that dciodvfy finds in a file."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False, timeout=60)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert re.search(r"^(\w+|Error - .*)$", text, flags=re.M), "dciodvfy said nothing"
    return {line for line in text.splitlines() if line.startswith("Error")}


def usable(folder: Path, names, patterns):
    """(source's path, its data set, the new file's bytes) of every film in a folder that can be used."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            source = read_source(path)
            film = film_of(source, names, patterns)
            if not refusal(source, film):
                yield path, source, b"".join(deidentified(source, film, names).content)
        except Unusable as error:
            assert error.reason != "identifier_left", "the scan cries wolf"


@needs_dciodvfy
@pytest.mark.parametrize("like", ["internal", "external_1", "external_2"])
def test_simulated_films_of_each_vendor_gain_no_error(like, names, patterns, tmp_path):
    """Each simulated centre has the devices of its own vendor, and all transfer syntaxes."""
    settings = Simulate(like=like, n_op=4, n_non_op=4, film_size=96).model_dump(mode="json")
    simulate_center(like, settings, 7, tmp_path / "in", Log(None, "test", echo=False))
    new, seen = tmp_path / "new.dcm", 0
    for path, _, content in usable(tmp_path / "in", names, patterns):
        new.write_bytes(content)
        assert errors(new) - errors(path) == set(), path.suffix
        seen += 1
    assert seen >= 5


@needs_dciodvfy
@needs_real_films
@pytest.mark.shared
def test_real_films_gain_no_error(names, patterns, tmp_path):
    new, seen = tmp_path / "new.dcm", 0
    for path, _, content in usable(REAL, names, patterns):
        new.write_bytes(content)
        assert errors(new) - errors(path) == set(), path.name
        seen += 1
    assert seen == 4


@needs_dciodvfy
@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"])
def test_codes_that_are_no_terms_give_no_new_error(sop_class, make_film, names, patterns, tmp_path, save):
    """Where the standard wants an element (type 2), one whose value may not pass is written empty and not
    left out.
    """
    direct = sop_class.endswith("1.1.1.1")
    film = make_film(
        SOPClassUID=sop_class, Modality="DX" if direct else "CR", PositionerType="ERIKA",
        DetectorType="ERIKA", Laterality="ERIKA",
        PatientOrientation=["L", "F"] if direct else "ERIKA", ViewPosition="PA", WindowCenter="2048",
        WindowWidth="19500317",
    )  # fmt: skip
    path = save(film, tmp_path / "in" / "film")
    ((_, _, content),) = usable(tmp_path / "in", names, patterns)
    new = tmp_path / "new.dcm"
    new.write_bytes(content)
    assert errors(new) - errors(path) == set() and b"ERIKA" not in content


@needs_real_films
@pytest.mark.shared
@pytest.mark.parametrize("owner", ["PatientName", "PatientID", "InstitutionName"])
def test_scan_of_real_films_finds_what_is_planted_and_nothing_else(owner, names, patterns, tmp_path):
    """In each text element that is kept, a value of another element is planted: it stays behind or the film
    is refused.
    """
    text_elements = [
        r["keyword"]
        for r in allowed_tags()
        if r["action"]
        in ("copy_text", "copy_code", "image_type", "body_part", "view_position", "orientation")
    ]
    secret, seen = "QUERTZUIOP", 0
    for _, source, content in usable(REAL, names, patterns):
        assert secret.encode() not in content
        if "PixelData" in source:
            seen += 1
        setattr(source, owner, secret)
        for keyword in text_elements:
            before = source[keyword].value if keyword in source else None
            parts = {"ImageType": ["DERIVED", "PRIMARY", secret]}.get(
                keyword, f"Made by {secret.lower()}" if keyword == "Manufacturer" else secret
            )
            source[keyword] = pydicom.dataelem.DataElement(
                keyword, pydicom.datadict.dictionary_VR(keyword), parts, already_converted=True
            )
            film = film_of(source, names, patterns)
            try:
                written = b"".join(deidentified(source, film, names).content)
            except Unusable as error:
                assert error.reason == "identifier_left" and keyword == "Manufacturer"
            else:
                assert keyword != "Manufacturer" or owner == "InstitutionName", (
                    "a part of the institution's name is left out"
                )
                assert secret not in written.decode("latin-1").upper(), keyword
            if before is None:
                del source[keyword]
            else:
                source[keyword].value = before
    assert seen == 4
