"""Every way known by which an identifier could get out of a hospital in a film, case by case."""

from __future__ import annotations

import csv
import io
import struct

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scripts.common.log import Log
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.codestream import BrokenStream, clean_codestream, stream_geometry
from scripts.intake.deidentification import _numbers, allowed_range, allowed_tags, deidentified
from scripts.intake.dicom_reading import Unusable, film_of, read_source, refusal
from scripts.intake.identifier_scan import identifying_values
from scripts.intake.pixels import decoded_values

JPEG, JPEG_LS, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
SECRET = "SECRETNAME"


@pytest.fixture
def outcome(names, patterns, tmp_path, save):
    """De-identifies a film; gives the new file's bytes and the reason of a refusal (one of them empty)."""

    def run(film: Dataset | bytes) -> tuple[bytes, str]:
        path = tmp_path / "film"
        if isinstance(film, bytes):
            path.write_bytes(film)
        else:
            save(film, path)
        try:
            source = read_source(path)
            facts = film_of(source, names, patterns)
            reason = refusal(source, facts)
            return (b"", reason) if reason else (b"".join(deidentified(source, facts, names).content), "")
        except Unusable as error:
            return b"", error.reason

    return run


def lies_in(secret: str | bytes, content: bytes) -> bool:
    secret = secret.encode() if isinstance(secret, str) else secret
    wide = b"".join(bytes([byte, 0]) for byte in secret)
    return secret.upper() in content.upper() or wide.upper() in content.upper()


def nested(depth: int) -> Sequence:
    item = Dataset()
    item.PatientName = f"{SECRET}^Deep"
    if depth:
        item.RequestAttributesSequence = nested(depth - 1)
    return Sequence([item])


def private(film):
    block = film.private_block(0x0011, "SECRETNAME 1.0", create=True)
    block.add_new(1, "UN", SECRET.encode())
    inner = Dataset()
    inner.private_block(0x0011, "ACME", create=True).add_new(2, "LO", SECRET)
    block.add_new(3, "SQ", Sequence([inner]))


def icon(film):
    image = Dataset()
    image.Rows, image.Columns, image.SamplesPerPixel, image.PhotometricInterpretation = 2, 6, 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelData = SECRET.ljust(12).encode()
    film.IconImageSequence = Sequence([image])


def overlay(group):
    def plant(film):
        film.add_new((group, 0x0022), "LO", SECRET)
        film.add_new((group, 0x1500), "LO", SECRET)
        film.add_new((group, 0x4000), "LT", SECRET)
        film.add_new((group, 0x3000), "OW", SECRET.encode())

    return plant


def curve(group):
    def plant(film):
        film.add_new((group, 0x0030), "SH", SECRET)
        film.add_new((group, 0x0022), "LO", SECRET)
        film.add_new((group, 0x3000), "OW", SECRET.encode())

    return plant


def encapsulated(film):
    film.EncapsulatedDocument = b"%PDF " + SECRET.encode() + b"\0"
    film.DocumentTitle = SECRET
    film.MIMETypeOfEncapsulatedDocument = "application/pdf"


def lookup_table(film, explanation=SECRET, data=None, descriptor=None, kind=SECRET):
    table = Dataset()
    table.add_new(0x00283002, "US", descriptor or [256, 0, 12])
    table.LUTExplanation = explanation
    table.ModalityLUTType = kind
    table.add_new(0x00283006, "OW", np.arange(256, dtype="<u2").tobytes() if data is None else data)
    table.PatientID = SECRET
    film.ModalityLUTSequence = Sequence([table, table])


def signature(film):
    item = Dataset()
    item.CertificateOfSigner = SECRET.encode()
    item.DigitalSignatureUID = "1.2.826.0.1.3680043.10.999.77"
    film.DigitalSignaturesSequence = Sequence([item])


def several(*pairs):
    def plant(film):
        for keyword, value in pairs:
            setattr(film, keyword, value)

    return plant


LEFT_OUT = {
    "sequences": lambda film: setattr(film, "RequestAttributesSequence", nested(6)),
    "referenced images": lambda film: setattr(film, "ReferencedImageSequence", nested(0)),
    "original attributes": lambda film: setattr(film, "OriginalAttributesSequence", nested(1)),
    "items in kept sequences": lambda film: several(("ViewCodeSequence", nested(1)),
    ("AnatomicRegionSequence", nested(1)))(film),
    "method of an earlier de-identification": several(
        ("DeidentificationMethod", SECRET), ((
            "DeidentificationMethodCodeSequenc"
            "e"
), nested(0)), ("PatientIdentityRemoved", "NO")
    ),
    "acquisition context": lambda film: setattr(film, "AcquisitionContextSequence", nested(1)),
    "private groups": private,
    "icon image": icon,
    **{f"overlay {group:04x}": overlay(group) for group in (0x6000, 0x6002, 0x601E)},
    **{f"curve {group:04x}": curve(group) for group in (0x5000, 0x5002, 0x501E)},
    "encapsulated document": encapsulated,
    "digital signature": signature,
    "lookup table's texts": lookup_table,
    "free text": several(
        ("SeriesDescription", f"PA {SECRET}"), ("StudyDescription", f"for {SECRET}"),
        ("ImageComments", SECRET),
        ("PatientComments", f"called {SECRET} twice"), ("AdditionalPatientHistory", SECRET),
        ("AcquisitionComments", SECRET),
        ("DerivationDescription", SECRET), ("ProtocolName", SECRET),
        ("RequestedProcedureDescription", SECRET), ("TextComments", SECRET),
    ),
    "station, device and place": several(
        ("StationName", SECRET), ("DeviceSerialNumber", SECRET), ("InstitutionAddress", SECRET),
        ("ManufacturerModelName", SECRET),
        ("SoftwareVersions", SECRET), ("PlateID", SECRET), ("CassetteID", SECRET), ("DetectorID", SECRET),
        ("GantryID", SECRET),
    ),
    "names of persons": several(
        ("OperatorsName", f"{SECRET}^A"), ("PerformingPhysicianName", SECRET),
        ("NameOfPhysiciansReadingStudy", SECRET),
        ("PatientBirthName", SECRET), ("PatientMotherBirthName", SECRET), ("OtherPatientNames", SECRET),
        ("ResponsiblePerson", SECRET),
    ),
    "trailing padding": lambda film: film.add_new(0xFFFCFFFC, "OB", SECRET.encode()),
    "character set": several(("SpecificCharacterSet", ["", "ISO 2022 IR 87"]),
    ("TimezoneOffsetFromUTC", "+0800")),
    "SOP class of another": several(("RelatedGeneralSOPClassUID", "1.2.826.0.1.3680043.10.999.5"),
    ("InstanceCreatorUID", "1.2.826.0.1.3680043.10.999.6")),
    "third value of the image type": several(("ImageType", ["DERIVED", "PRIMARY", SECRET, SECRET])),
    "first value of the image type": several(("ImageType", [SECRET, "PRIMARY"])),
    "date with a tail": several(("StudyDate", "20190520" + SECRET), ("SeriesDate", "20190520" + SECRET),
    ("ContentDate", SECRET)),
    "age with a tail": several(("PatientAge", "069Y" + SECRET), ("PatientSex", SECRET)),
    "study id and numbers": several(("StudyID", SECRET), ("AccessionNumber", SECRET),
    ("SeriesNumber", "778899"), ("InstanceNumber", "778899")),
    "body part": several(("BodyPartExamined", f"CHEST {SECRET}")),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_not_on_the_list_stays_behind(case, make_film, outcome):
    film = make_film(PatientName="Someone^Else", ViewPosition="PA")
    LEFT_OUT[case](film)
    content, reason = outcome(film)
    assert reason == "" and not lies_in(SECRET, content)
    for secret in (
        "HOSP-0042",
        "Someone",
        "1.2.826.0.1.3680043",
        "20190520",
        "20190521",
        "19500317",
        "778899",
        "ISO 2022",
    ):
        assert not lies_in(secret, content)
    new = pydicom.dcmread(io.BytesIO(content))
    assert {f"{int(e.tag):08X}" for e in new.iterall()} <= {row["tag"] for row in allowed_tags()} | {
        "00080100",
        "00080102",
        "00080104",
    }


COPIED = [
    row["keyword"] for row in allowed_tags() if row["action"] not in ("pixels", "sequence", "lut", "constant")
]


@pytest.mark.parametrize("keyword", COPIED)
@pytest.mark.parametrize(
    "value", ["MUSTERFRAU ERIKA", "HOSP0042", "13800138000", "19500317", "Wang Li", "0000421"]
)
def test_an_identifier_typed_into_a_kept_field_never_passes(keyword, value, make_film, outcome, names):
    """As text in whatever VR the field has: in explicit VR a file may claim any."""
    film = make_film(
        PatientName="Wang^Li",
        PatientID="HOSP0042",
        OtherPatientNames="Musterfrau^Erika",
        WindowCenter="2048",
        WindowWidth="4096",
    )
    tag = pydicom.datadict.tag_for_keyword(keyword)
    vr = pydicom.datadict.dictionary_VR(tag)
    if vr in ("SQ", "US or SS", "US", "SS", "UI"):
        vr = "LO"
    if keyword in ("PatientID", "PatientName"):
        film[keyword].value = value
    else:
        if keyword in film:
            del film[keyword]
        film.add(pydicom.dataelem.DataElement(tag, vr, value, already_converted=vr != "PN"))
    content, reason = outcome(film)
    if reason == "":
        for part in (value, *(p for p in value.split() if len(p) > 3)):
            for tag_of_new in pydicom.dcmread(io.BytesIO(content)).iterall():
                # digits may stand in a new UID by chance
                assert tag_of_new.VR == "UI" or part.upper() not in str(tag_of_new.value).upper()
    else:
        assert reason in (
            "identifier_left", "unsupported", "unreadable_burned_in", "not_cr_or_dx", "no_pixels",
            "cut_short", "not_chest", "too_large",
            "film_dates_differ",
        ), reason  # fmt: skip


@pytest.mark.parametrize(
    ("manufacturer", "name"),
    [
        ("Musterfrau", "Musterfrau^Erika"), ("ACME for MUSTERFRAU", "Musterfrau^Erika"),
        ("erika", "Musterfrau^Erika"),
        ("Li", "Wang^Li"), ("ACME LI", "Wang^Li"), ("Wang Li, HOSP-0042", "Wang^Li"), ("room of Xu", "Xu"),
        ("ACME HOSP-0042", "A^B"), ("hosp-0042", "A^B"), ("Muster-Frau", "Muster-Frau^Erika"),
        ("XiaoDong", "王小东^=XiaoDong"),
        ("ZhangSan", "Zhang^San"), ("zhangsan", "Zhang^San"), ("SANZHANG", "Zhang^San"),
        ("ZhangSan Medical", "Zhang^San"), ("liwu", "Li^Wu"),
        ("Zhangsanxray", "Zhang^San"), ("ErikaAnnaMusterfrau", "Musterfrau^Erika Anna"),
        ("DrMusterfrau", "Musterfrau^Erika"),
        ("musterfrauxray", "Musterfrau^Erika"), ("OuyangXiu", "Ou Yang^Xiu"),
        ("ACME/WangXiaoMing", "Wang^Xiao Ming=王^小明"),
    ],
)  # fmt: skip
def test_a_name_in_the_manufacturer_is_refused(manufacturer, name, make_film, outcome):
    assert outcome(make_film(Manufacturer=manufacturer, PatientName=name, PatientID="HOSP-0042")) == (
        b"",
        "identifier_left",
    )


@pytest.mark.parametrize("element", ["InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName"])
@pytest.mark.parametrize(
    ("manufacturer", "institution"),
    [
        ("Nirgendwo", "Klinikum Nirgendwo"), ("Klinikum Nirgendwo", "Klinikum Nirgendwo"),
        ("ACME for Nirgendwo", "Klinikum Nirgendwo"),
        ("KlinikumNirgendwo", "Klinikum Nirgendwo"), ("nirgendwoxray", "Klinikum Nirgendwo"),
        ("StMary", "St. Mary Hospital"), ("Mary", "St. Mary Hospital"),
        ("JMCH Jiangmen", "Jiangmen Central Hospital"), ("JIANGMENCENTRAL", "Jiangmen Central Hospital"),
        ("JiangMen", "Jiang Men Hospital"),
    ],
)  # fmt: skip
def test_a_part_of_the_institutions_name_is_left_out_of_the_manufacturer(
    element, manufacturer, institution, make_film, outcome
):
    film = make_film(Manufacturer=manufacturer)
    setattr(film, element, institution)
    content, reason = outcome(film)
    assert reason == "" and pydicom.dcmread(io.BytesIO(content)).Manufacturer == ""


def test_manufacturers_that_are_left_out_are_counted(make_film, save, names, patterns, tmp_path):
    for n, maker in enumerate(("Nirgendwo", "ACME", "东芝")):
        film = make_film(
            SOPInstanceUID=f"1.2.{n}",
            Manufacturer=maker,
            InstitutionName="Klinikum Nirgendwo",
            SpecificCharacterSet="ISO_IR 192",
        )
        save(film, tmp_path / f"in/{n}")
    log = Log(str(tmp_path / "log"), "test", echo=False)
    deidentify_batch(
        folder=tmp_path / "in", batch=0, n_batches=1, names=names, patterns=patterns,
        films_folder=tmp_path / "out",
        films_table=tmp_path / "out.csv", crosswalk=tmp_path / "private/c.csv", log=log,
    )  # fmt: skip
    said = (tmp_path / "log").read_text()
    assert (
        "part of the institution's name): 2" in said
        and "Nirgendwo" not in said + (tmp_path / "out.csv").read_text()
    )


@pytest.mark.parametrize(
    "manufacturer",
    ["ACME 13800138000", "tel 138-0013-8000", "王小东", "A^B", "x" * 65, "020 555 0101", "a@b.org"],
)
def test_a_manufacturer_with_numbers_or_signs_is_written_empty(manufacturer, make_film, outcome):
    content, reason = outcome(make_film(Manufacturer=manufacturer))
    assert reason == "" and pydicom.dcmread(io.BytesIO(content)).Manufacturer == ""


@pytest.mark.parametrize(
    ("manufacturer", "others"),
    [
        ("Philips Medical Systems", {"InstitutionName": "PHILIPS"}),
        ("GE Healthcare", {"PatientName": "Ge^Xiaoming"}),
        ("SIEMENS", {"PatientName": "Phantom^Siemens"}),
        ("ACME Imaging", {"StudyDescription": "ACME Imaging"}),
        ("Canon Inc.", {"OperatorsName": "Li^Inc"}), ("FUJIFILM Corporation", {"PatientID": "DICOM"}),
        ("Digital X-Ray City", {"InstitutionName": (
            "City Hospital, X-Ray "
            "Department"
)}), ("Philips", {"PatientName": "Phil^Lips"}),
        ("ACME", {"PatientID": "272479", "ViewPosition": "PA"}), ("ACME", {"PatientID": "113107"}),
        ("ACME", {"PatientID": "10008"}),
    ],
)  # fmt: skip
def test_no_false_alarm(manufacturer, others, make_film, outcome):
    content, reason = outcome(make_film(Manufacturer=manufacturer, **others))
    assert reason == "" and pydicom.dcmread(io.BytesIO(content)).Manufacturer == manufacturer


def test_names_already_decoded_are_searched_as_well(make_film, names, patterns, tmp_path, save):
    """pydicom gives a name as an object once it was looked at; before that as bytes."""
    source = read_source(
        save(
            make_film(Manufacturer="Musterfrau", OtherPatientNames=["Someone^Else", "Third^One"]),
            tmp_path / "a",
        )
    )
    facts = film_of(source, names, patterns)
    assert str(source.PatientName) == "Musterfrau^Erika" and len(source.OtherPatientNames) == 2
    found, _ = identifying_values(source)
    assert {b"Musterfrau", b"Musterfrau^Erika", b"Someone", b"HOSP-0042"} <= found
    with pytest.raises(Unusable, match="identifier_left"):
        deidentified(source, facts, names)


@pytest.mark.parametrize(
    "made",
    [
        "2.25.190546352318426390513206541278604713991",
        "OSTEOCXR",
        "DICOM PS3.15 Annex E, allow-list",
        "LONGITUDINAL",
    ],
)
def test_what_the_software_writes_itself_is_no_identifier(made, make_film, outcome):
    for start in range(0, max(len(made) - 5, 1), 3):
        for part in (made[start : start + 6], made[start : start + 9]):
            assert outcome(make_film(PatientID=part, AccessionNumber=part))[1] == "", part


def hidden_sequence(*items: Dataset) -> bytes:
    """A sequence as a private element of VR UN holds it: items of implicit VR."""
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    for item in items:
        body = pydicom.filebase.DicomBytesIO()
        body.is_little_endian, body.is_implicit_VR = True, True
        pydicom.filewriter.write_dataset(body, item)
        value = body.getvalue()
        buffer.write(b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value)
    return buffer.getvalue()


def private(film: Dataset, value: bytes) -> Dataset:
    film.add_new(0x20050010, "LO", "Maker DD 005")
    film.add_new(0x2005100F, "UN", value)
    return film


def icon(**more) -> Dataset:
    """An icon image with the film's own terms, as devices put one into private elements."""
    item = Dataset()
    item.PhotometricInterpretation, item.Rows, item.Columns = "MONOCHROME2", 64, 64
    item.ImageType, item.Modality, item.BodyPartExamined = ["ORIGINAL", "PRIMARY"], "CR", "CHEST"
    item.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


@pytest.mark.parametrize("cut", [0, 1, 7, 30])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
def test_a_private_sequence_in_un_is_no_false_alarm(cut, syntax, make_film, outcome):
    value = hidden_sequence(icon(), icon())
    film = private(make_film(syntax=syntax, ImageType=["ORIGINAL", "PRIMARY"]), value[: len(value) - cut])
    assert outcome(film)[1] == ""


@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "AccessionNumber"])
def test_a_value_within_a_private_sequence_in_un_is_searched_for(keyword, make_film, outcome):
    film = private(make_film(Manufacturer=f"ACME {SECRET}"), hidden_sequence(icon(**{keyword: SECRET})))
    assert outcome(film) == (b"", "identifier_left")
    assert outcome(private(make_film(), hidden_sequence(icon(**{keyword: SECRET}))))[1] == ""


def test_an_institution_within_a_private_sequence_in_un_is_left_out_of_the_manufacturer(make_film, outcome):
    film = private(make_film(Manufacturer=f"ACME {SECRET}"), hidden_sequence(icon(InstitutionName=SECRET)))
    content, reason = outcome(film)
    assert reason == "" and not lies_in(SECRET, content)
    assert pydicom.dcmread(io.BytesIO(content)).Manufacturer == ""


def test_digits_of_an_id_within_new_uids_dates_and_pseudonyms_are_no_alarm(make_film, outcome):
    content, _ = outcome(make_film(PatientID="123456"))
    new = pydicom.dcmread(io.BytesIO(content))
    for made in (
        new.SOPInstanceUID[8:14],
        new.StudyInstanceUID[9:17],
        new.StudyDate[2:],
        new.AcquisitionDate,
    ):
        assert outcome(make_film(PatientID="123456", AccessionNumber=made, OtherPatientIDs=made))[1] == ""


ENCODED = {
    "Chinese, GB18030": ("GB18030", "gb18030", "王小东^=王^小东", "江门市中心医院"),
    "Chinese, GBK": ("GBK", "gbk", "歐陽^娜娜", "北京协和医院"),
    "Chinese, ISO 2022": (["", "ISO 2022 IR 58"], "gb2312", "Zhang^XiaoDong=张^小东", "江门市中心医院"),
    "Japanese, ISO 2022": (["", "ISO 2022 IR 87"], "iso2022_jp", "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "東京病院"),
    "Japanese, Shift-JIS": ("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾄｳｷｮｳ"),
    "Korean, ISO 2022": (["", "ISO 2022 IR 149"], "euc_kr", "Hong^Gildong=洪^吉洞=홍^길동", "서울병원"),
    "Russian": ("ISO_IR 144", "iso8859_5", "Люкceмбypг", "Больница"),
    "Unicode": ("ISO_IR 192", "utf-8", "Müßterfräu^Ørika=王^小东", "Spital Zürich"),
    "declared as Latin": ("ISO_IR 100", "latin-1", "Buc^Jérôme", "Hôpital"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENCODED)
def test_names_in_every_script_leave_no_trace(case, make_film, outcome):
    character_set, codec, name, place = ENCODED[case]
    film = make_film(
        SpecificCharacterSet=character_set, PatientName=name, InstitutionName=place, PatientID="ID-0099-X"
    )
    film.PatientComments, film.SeriesDescription = place, f"PA {place}"
    content, reason = outcome(film)
    assert reason == ""
    words = [w for text in (name, place) for part in text.split("=") for w in part.split("^") if len(w) > 1]
    for word in words:
        assert not lies_in(word.encode("utf-8"), content) and not lies_in(
            word.encode(codec, "replace").strip(b"?"), content
        ), word
    new = pydicom.dcmread(io.BytesIO(content))
    assert "SpecificCharacterSet" not in new and all(
        str(e.value).isascii() for e in new if e.VR not in ("OW", "OB")
    )


@pytest.mark.parametrize("key", ["raw bytes", "wrong set"])
def test_names_in_an_undeclared_encoding_never_pass(key, make_film, outcome, save, tmp_path):
    """A header that says Latin and holds GBK: no byte of it is copied, whatever the field."""
    film = make_film(PatientName="NNNNNN", Manufacturer="MMMMMM", InstitutionName="IIIIII")
    if key == "wrong set":
        film.SpecificCharacterSet = "ISO_IR 100"
    raw = save(film, tmp_path / "a").read_bytes()
    for placeholder, text in ((b"NNNNNN", "王小东"), (b"MMMMMM", "协和医"), (b"IIIIII", "江门市")):
        raw = raw.replace(placeholder, text.encode("gbk"))
    content, reason = outcome(raw)
    assert reason == "" and not any(
        lies_in(text.encode("gbk"), content) for text in ("王小东", "协和医", "江门市")
    )


def test_preamble_file_meta_and_bytes_behind_the_data_set_stay_behind(make_film, outcome, save, tmp_path):
    film = make_film()
    film.preamble = SECRET.ljust(128).encode()
    film.file_meta.SourceApplicationEntityTitle = SECRET
    film.file_meta.ImplementationVersionName = SECRET
    film.file_meta.PrivateInformationCreatorUID = "1.2.826.0.1.3680043.10.999.8"
    film.file_meta.PrivateInformation = SECRET.encode()
    content, reason = outcome(save(film, tmp_path / "a").read_bytes() + SECRET.encode())
    if reason:  # bytes behind the data set may make the file unreadable
        assert reason in ("cut_short", "unreadable_header")
        content, reason = outcome(film)
    assert reason == "" and not lies_in(SECRET, content) and b"1.2.826.0.1" not in content


def behind_the_pixels(film, pixels):
    film.PixelData += SECRET.encode() * 3


def a_second_frame(film, pixels):
    film.PixelData += pixels.tobytes()[::-1] + SECRET.encode()


def bits_above_the_stored(film, pixels):
    film.PixelData = (pixels | 0xA000).tobytes()


def bits_below_the_stored(film, pixels):
    film.BitsStored, film.HighBit = 12, 15
    film.PixelData = (pixels << 4 | 0x5).astype("<u2").tobytes()


@pytest.mark.parametrize(
    "plant", [behind_the_pixels, a_second_frame, bits_above_the_stored, bits_below_the_stored]
)
def test_only_the_image_of_uncompressed_pixels_is_written(plant, make_film, outcome, pixels):
    film = make_film()
    plant(film, pixels)
    content, reason = outcome(film)
    new = pydicom.dcmread(io.BytesIO(content))
    assert reason == "" and new.PixelData == pixels.astype("<u2").tobytes() and new.HighBit == 11
    assert content.endswith(new.PixelData)


def test_padding_of_an_odd_image_is_zero(make_film, outcome, names):
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    film = make_film(image)
    film.PixelData = image.tobytes() + b"S"
    content, _ = outcome(film)
    assert content.endswith(image.tobytes() + b"\0")


def test_several_frames_are_refused(make_film, outcome, pixels):
    assert outcome(make_film(NumberOfFrames=2, PixelData=pixels.tobytes() * 2))[1] == "unsupported"


def test_lookup_table_carries_its_entries_only(make_film, outcome):
    wide = np.arange(256, dtype="<u2") | 0xF000
    film = make_film()
    lookup_table(film, data=wide.tobytes() + SECRET.encode(), descriptor=[256, 0, 12])
    content, reason = outcome(film)
    (new,) = pydicom.dcmread(io.BytesIO(content)).ModalityLUTSequence
    assert (
        reason == ""
        and np.array_equal(np.frombuffer(new.LUTData, "<u2"), np.arange(256))
        and new.ModalityLUTType == "US"
    )
    assert {e.keyword for e in new} == {"LUTDescriptor", "LUTData", "ModalityLUTType"}


def test_text_in_a_lookup_table_is_found_or_refused(make_film, outcome):
    film = make_film(PatientName="Musterfrau^Erika")
    lookup_table(film, data=b"Musterfrau".ljust(256, b"\0"), descriptor=[256, 0, 8])
    assert outcome(film) == (b"", "identifier_left")
    film = make_film()
    lookup_table(film, descriptor=[256, 0, 12, *SECRET.encode()])
    assert outcome(film) == (b"", "unreadable_pixels")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("KVP", "19500317"), ("ExposureIndex", "123456"), ("RelativeXRayExposure", "778899"),
        ("WindowCenter", ["2048", "13800138000"]),
        ("WindowCenter", ["1"] * 9), ("PixelSpacing", ["0.1", "0.1", "0.1"]), ("PixelSpacing", "0.1"),
        ("PixelSpacing", ["0.000", "0.000"]),
        ("LossyImageCompressionRatio", "1950031719"), ("KVP", "NaN"), ("KVP", "1e400"),
        ("DeviationIndex", "Erika"), ("Exposure", "5 Erika"),
        ("WindowWidth", "4e9"), ("KVP", "١٢٠"), ("ExposureTime", "0x1F"), ("KVP", "12_0"),
    ],
)  # fmt: skip
def test_numbers_that_may_be_ids_or_dates_stay_behind(keyword, value, make_film, outcome):
    film = make_film(WindowCenter="2048", WindowWidth="4096")
    element = pydicom.dataelem.DataElement(keyword, "LO", value, already_converted=True)
    assert _numbers({keyword: element.value}, keyword) == []
    if keyword in film:
        del film[keyword]
    film[keyword] = element
    content, reason = outcome(film)
    new = pydicom.dcmread(io.BytesIO(content))
    assert reason == "" and keyword not in new and ("WindowCenter" in new) == ("WindowWidth" in new)


@pytest.mark.parametrize(
    ("given", "written"), [("0000042.50", "42.5"), ("+120.0", "120"), ("1.2E2", "120"), ("00070", "70")]
)
def test_numbers_are_written_anew(given, written, make_film, outcome):
    assert str(pydicom.dcmread(io.BytesIO(outcome(make_film(KVP=given))[0])).KVP) == written


def test_a_slope_that_cannot_be_kept_refuses_the_film(make_film, outcome):
    """Its sign decides which end is bright: without it the film would be shown the other way round."""
    assert outcome(make_film(RescaleSlope="-1e9", RescaleIntercept="0")) == (b"", "unsupported")


RANGES = {
    "KVP": (40, 150, 1000), "ExposureTime": (1, 5000, 100000), "XRayTubeCurrent": (1, 1000, 100000),
    "Exposure": (1, 500, 100000),
    "ImagerPixelSpacing": (0.05, 0.4, 19.5), "PixelSpacing": (0.05, 0.4, 19.5),
    "RelativeXRayExposure": (1, 9999, 100000),
    "ExposureIndex": (1, 9999, 100000), "TargetExposureIndex": (1, 9999, 100000),
    "DeviationIndex": (-30, 30, 1950),
    "Rows": (100, 10000, 70000), "Columns": (100, 10000, 70000), "WindowCenter": (-32768, 65535, 195003),
    "WindowWidth": (1, 65536, 195003),
    "RescaleIntercept": (-32768, 32767, 195003), "RescaleSlope": (-16, 16, 195003),
    "LossyImageCompressionRatio": (1, 100, 195003),
}  # fmt: skip
"""Lowest and highest number that a radiograph says of itself, and one that only an id, a year or a date could
be.
"""


@pytest.mark.parametrize("keyword", RANGES)
def test_ranges_hold_what_films_say_and_no_ids(keyword):
    (low, high), (least, most, never) = allowed_range(keyword), RANGES[keyword]
    assert low <= least and most <= high < never


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def coded(syntax: str, pixels: np.ndarray) -> bytes:
    if syntax == JPEG:
        return imagecodecs.jpeg8_encode((pixels >> 4).astype(np.uint8), level=95)
    if syntax == JPEG_LS:
        import jpeg_ls

        return bytes(jpeg_ls.encode_array(pixels << 4 >> 4))
    return imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", bitspersample=12, reversible=True)


def with_passengers(stream: bytes, syntax: str) -> dict[str, bytes]:
    """The stream with a secret in each place that isn't the image."""
    text = SECRET.encode()
    if syntax == J2K:
        sot = stream.index(b"\xff\x90")
        length = int.from_bytes(stream[sot + 6 : sot + 10], "big")
        comment = segment(0x64, b"\0\1" + text)
        longer = (length + len(comment)).to_bytes(4, "big") if length else b"\0" * 4
        head = stream[: sot + 6]
        return {
            "comment": stream[:sot] + comment + stream[sot:],
            "comment in a tile": head + longer + stream[sot + 10 : sot + 12] + comment + stream[sot + 12 :],
            "comment in an open tile": (
                head + b"\0" * 4 + stream[sot + 10 : sot + 12] + comment + stream[sot + 12 :]
            ),
            "behind an open tile": head + b"\0" * 4 + stream[sot + 10 :] + text + b"\xff\xd9",
            "component registration": stream[:sot] + segment(0x63, text[:4] + text) + stream[sot:],
            "reserved segment": stream[:sot] + segment(0x70, text) + stream[sot:],
            "behind the end": stream + text,
            "boxes of a file format": (
                b"\0\0\0\x0cjP  \r\n\x87\n"
                + struct.pack(">I", 18)
                + b"xml "
                + text
                + b"\0\0\0\0jp2c"
                + stream
                + text
            ),
        }
    places = {f"APP{n}": segment(0xE0 + n, text) for n in (0, 1, 13, 14, 15)}
    places |= {"comment": segment(0xFE, text), "JPGn": segment(0xF0, text), "reserved": segment(0x02, text)}
    found = {name: stream[:2] + extra + stream[2:] for name, extra in places.items()}
    scan = stream.index(b"\xff\xda")
    found["before the scan"] = stream[:scan] + segment(0xFE, text) + stream[scan:]
    found["between fill bytes"] = stream[:2] + b"\xff\xff" + segment(0xE1, text) + stream[2:]
    found["behind the scan"] = stream[:-2] + segment(0xFE, text) + stream[-2:]
    found["behind the end"] = stream + text
    found["a second image"] = stream + stream[:2] + segment(0xFE, text) + stream[2:]
    return found


@pytest.mark.parametrize("syntax", [JPEG, JPEG_LS, J2K])
def test_coded_images_carry_no_passengers(syntax, make_film, outcome, pixels):
    plain = coded(syntax, pixels)
    stored = 8 if syntax == JPEG else 12
    for place, stream in with_passengers(plain, syntax).items():
        assert SECRET.encode() in stream, place
        cleaned = clean_codestream(stream, syntax)
        assert not lies_in(SECRET, cleaned) and len(cleaned) <= len(plain), place
        film = make_film(BitsAllocated=8 if stored == 8 else 16, BitsStored=stored, HighBit=stored - 1)
        film.file_meta.TransferSyntaxUID = syntax
        film.PixelData = pydicom.encaps.encapsulate([stream])
        film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
        content, reason = outcome(film)
        assert reason == "" and not lies_in(SECRET, content), place
        new = pydicom.dcmread(io.BytesIO(content))
        image = decoded_values(new, str(new.file_meta.TransferSyntaxUID))
        if syntax == JPEG:
            assert np.abs(image.astype(int) - (pixels >> 4)).max() < 40, place
        else:
            assert np.array_equal(image, pixels), place


@pytest.mark.parametrize("syntax", [JPEG, JPEG_LS, J2K])
def test_a_coded_image_larger_than_the_film_is_refused(syntax, make_film, outcome, pixels):
    """A strip with the patient's name may stand below the rows that the header admits."""
    stream = coded(syntax, pixels)
    assert stream_geometry(clean_codestream(stream, syntax), syntax)[:2] == pixels.shape
    stored = 8 if syntax == JPEG else 12
    film = make_film(BitsAllocated=8 if stored == 8 else 16, BitsStored=stored, HighBit=stored - 1)
    film.file_meta.TransferSyntaxUID = syntax
    film.PixelData = pydicom.encaps.encapsulate([stream])
    film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
    film.Rows = 30
    assert outcome(film) == (b"", "unreadable_pixels")


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K])
def test_overlay_bits_in_a_coded_image_are_cleared(syntax, make_film, outcome, pixels):
    high = pixels | np.uint16(0x4000)
    if syntax == J2K:
        stream = imagecodecs.jpeg2k_encode(high, level=0, codecformat="j2k", reversible=True)
    else:
        import jpeg_ls

        stream = bytes(jpeg_ls.encode_array(high))
    film = make_film()
    film.file_meta.TransferSyntaxUID = syntax
    film.PixelData = pydicom.encaps.encapsulate([stream])
    film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
    content, reason = outcome(film)
    new = pydicom.dcmread(io.BytesIO(content))
    assert reason == "" and new.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(np.frombuffer(new.PixelData, "<u2").reshape(pixels.shape), pixels)


def test_a_name_within_the_coded_data_is_refused(make_film, outcome, pixels):
    """Bytes between the last coded pixel and the end of the image, which a decoder leaves unread."""
    stream = coded(JPEG, pixels)
    film = make_film(BitsAllocated=8, BitsStored=8, HighBit=7, PatientName="Musterfrau^Erika")
    film.file_meta.TransferSyntaxUID = JPEG
    film.PixelData = pydicom.encaps.encapsulate([stream[:-2] + b"MUSTERFRAU" + stream[-2:]])
    film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
    assert outcome(film) == (b"", "identifier_left")


@pytest.mark.parametrize("change", ["two sizes", "three components", "no size"])
def test_a_stream_that_is_not_one_grey_image_is_broken(change, pixels):
    stream = coded(JPEG, pixels)
    at = next(i for i in range(2, len(stream)) if stream[i] == 0xFF and stream[i + 1] in (0xC0, 0xC1))
    length = 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    size = stream[at : at + length]
    changed = {"two sizes": size + size, "no size": b"", "three components": size[:9] + b"\3" + size[10:]}[
        change
    ]
    with pytest.raises(BrokenStream):
        stream_geometry(clean_codestream(stream[:at] + changed + stream[at + length :], JPEG), JPEG)


def test_rle_carries_no_passengers(make_film, compress, outcome, pixels):
    film = compress(make_film(), "1.2.840.10008.1.2.5")
    frame = pydicom.encaps.get_frame(film.PixelData, 0, number_of_frames=1)
    film.PixelData = pydicom.encaps.encapsulate([frame + SECRET.encode()])
    film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
    content, reason = outcome(film)
    assert reason == "" and not lies_in(SECRET, content)
    assert pydicom.dcmread(io.BytesIO(content)).PixelData == pixels.tobytes()


@pytest.mark.parametrize("table", [b"", SECRET.encode() + b"\0\0"])
def test_offset_tables_and_further_fragments_stay_behind(table, make_film, outcome, pixels):
    stream = coded(J2K, pixels)
    items = (table, stream[:400], stream[400:] + b"\0" * (len(stream) % 2), b"\0\0" + SECRET.encode())
    film = make_film()
    film.file_meta.TransferSyntaxUID = J2K
    film.PixelData = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in items)
    film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
    content, reason = outcome(film)
    assert not lies_in(SECRET, content)
    assert reason == ("cut_short" if table else ""), "a table that isn't one leads to no image"


def test_quarantined_films_give_no_text_of_the_source(make_film, save, names, patterns, silent, tmp_path):
    """A name in Manufacturer must not reach the batch's table through a film that is put aside."""
    films = {
        "named": {"Manufacturer": "ACME for Musterfrau"},
        "lateral": {"Manufacturer": "Musterfrau", "ViewPosition": "LL"},
        "no date": {"Manufacturer": "Erika", "StudyDate": "", "AcquisitionDate": ""},
    }
    for number, (name, changes) in enumerate(films.items()):
        save(make_film(SOPInstanceUID=f"1.2.3.{number}", **changes), tmp_path / "in" / name)
    deidentify_batch(
        folder=tmp_path / "in", batch=0, n_batches=1, names=names, patterns=patterns,
        films_folder=tmp_path / "films",
        films_table=tmp_path / "films.csv", crosswalk=tmp_path / "private/c.csv", log=silent,
    )  # fmt: skip
    with (tmp_path / "films.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["status"] for row in rows] == ["quarantined"] * 3 and {
        row["manufacturer"] for row in rows
    } == {""}
    assert not list((tmp_path / "films").iterdir())
