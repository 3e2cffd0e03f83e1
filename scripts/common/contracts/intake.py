"""Tables of the intake: files, films, and the clinical tables under pseudonyms. Dates of a patient are
shifted, but for those in ``private/``."""

from __future__ import annotations

from scripts.common.contracts.contract import Column, Contract, count, key, person

FILES = Contract(
    "results/intake/files.csv results/intake/{center}/files.csv",
    "file found",
    (
        person("center", "the centre"),
        person("image_id", "pseudonym of the file"),
        person("status", "accepted, quarantined or rejected"),
        person("reason", "why it was not accepted"),
    ),
    row_key=("image_id",),
    promised=("center", "image_id", "status", "reason"),
)

FILMS = Contract(
    "results/intake/{center}/films.csv",
    "file whose patient is known, quarantined and rejected ones too",
    (
        person("image_id", "pseudonym of the film"),
        person("patient_id", "pseudonym of the patient"),
        person("status", "as in files.csv"),
        person("reason", "as in files.csv"),
        person("film_date", "shifted", "date"),
        person("same_day_order", "rank among the patient's films of the day, by acquisition time", "int"),
        person("view", "PA, AP, lateral or unknown"),
        person("sex", "by the film's header"),
        person("manufacturer", "of the device"),
        person("enrolled", "0 outside the enrolment period", "int"),
        person("burned_in", "NO, or unknown: the tag is absent, or words were read in the borders"),
        person("verdict", "pass, review or reject, the reader's override included"),
        person("verdict_reason", "the rules that said so"),
        person("png", "the film's path from the root; empty where there is none"),
    ),
    row_key=("image_id",),
)

HEADER_AGES = Contract(
    "private/{center}/header_ages.csv",
    "film whose header gives an age",
    (
        person("image_id", "pseudonym of the film"),
        person("age", "by the film's header, 90 for all above 89", "int"),
    ),
    row_key=("image_id",),
)
"""It stands in no result: 85 at one film, and the days to another film, would tell an age above 89."""

FILMS_WITH_AGES = FILMS.at("", *HEADER_AGES.columns[1:])
"""FILMS with the ages of HEADER_AGES, as selection takes them; it lies in no file."""

PATIENTS = Contract(
    "results/intake/{center}/patients.csv",
    "patient and visit; empty where unknown",
    (
        person("patient_id", "pseudonym of the patient"),
        person("sex", "F or M"),
        person("age", "only where the hospital gives ages instead of birth dates", "float"),
        person("height_cm", "height, cm", "float"),
        person("weight_kg", "weight, kg", "float"),
        person("measured_on", "day of the visit", "date"),
        person("secondary_osteoporosis", "1, 0 or empty", "int"),
        person("high_density_foreign_body", "1, 0 or empty", "int"),
        person("abnormal_spine", "1, 0 or empty", "int"),
        person("orthopaedic_surgery", "1, 0 or empty", "int"),
        person("poor_image_quality", "1, 0 or empty", "int"),
        person("conflict", "1 where the source has contradicting rows for the patient", "int"),
    ),
    others=Column("<predictor>", "float", "person", "a predictor; yes and no as 1 and 0, or a level's name"),
)

BIRTH_DATES = Contract(
    "private/{center}/birth_dates.csv",
    "patient of the tables",
    (
        person("patient_id", "pseudonym of the patient"),
        person("birth_date", "shifted; empty where unknown", "date"),
        person("shift_days", "what was added to the patient's dates", "int"),
    ),
    row_key=("patient_id",),
)
"""Calendar months and birthdays are counted on true dates, since the shift moves them over months of other
lengths; true dates are written nowhere."""

FILM_AGES = Contract(
    "results/intake/{center}/film_ages.csv",
    "film day of a patient of a centre that was handed over, where the birth date is known",
    (
        person("patient_id", "pseudonym of the patient"),
        person("film_date", "place in the patient's order of days", "date"),
        person("age", "completed years by the birth date", "int"),
    ),
    row_key=("patient_id", "film_date"),
)
"""90 stands for all above 89, and for ages that would tell them (``intervals.told_ages``). At a film that is
in none of the patient's PAIRS it only tells whether the patient is old enough (``older_than``, or one year
more)."""

PAIRS = Contract(
    "results/intake/{center}/pairs.csv",
    "film day and exam of a patient of a centre that was handed over, within the months of the hand-over",
    (
        person("patient_id", "pseudonym of the patient"),
        person("film_date", "place in the patient's order of days", "date"),
        person("exam_date", "place in the patient's order of days", "date"),
        person("days", "exam minus film, on true dates, which stay at the site", "int"),
    ),
    row_key=("patient_id", "film_date", "exam_date"),
)

VISIT_ORDER = Contract(
    "results/intake/{center}/visit_order.csv",
    "film day and dated row of the patient table of a centre that was handed over",
    (
        person("patient_id", "pseudonym of the patient"),
        person("film_date", "place in the patient's order of days", "date"),
        person("measured_on", "place in the patient's order of days", "date"),
        person("nearness", "1 for the row nearest the film; rows equally near share a number", "int"),
        person("years", "between them, begun ones counted, where the row gives an age", "int"),
    ),
    row_key=("patient_id", "film_date", "measured_on"),
)

DXA = Contract(
    "results/intake/{center}/dxa.csv",
    "patient, exam and measurement of a site",
    (
        person("patient_id", "pseudonym of the patient"),
        person("exam_date", "shifted; empty: may be any exam of the patient", "date"),
        person("site", "empty where it can't be read: may be any site"),
        person("bmd", "bone mineral density, g/cm2", "float"),
        person("t_score", "T-score; empty where only a bound is known", "float"),
        person("t_below", "the T-score is at most this", "float"),
        person("t_above", "the T-score is above this", "float"),
        person("unreadable", "1 where the T-score, site or date can't be read", "int"),
        person("conflict", "1 where the source has contradicting rows", "int"),
    ),
)
"""A site measured several times in one exam (left and right, several ranges of vertebrae) has several rows;
that is no conflict. A row that is unreadable never proves that a site is normal."""

SET_ASIDE = Contract(
    "results/intake/{center}/set_aside.csv",
    "patient and table in which he has no row that can be used",
    (
        person("patient_id", "pseudonym of the patient"),
        person("table", "patients, dxa or images: all unreadable; dxa_other_site: none of a studied site"),
    ),
    row_key=("patient_id", "table"),
)
"""Of the DXA table only rows of sites that can be studied count; of the image table rows that name no file,
or one that rows of other patients name too. Rows without an id belong to nobody here."""

TABLE_ISSUES = Contract(
    "results/intake/{center}/table_issues.csv",
    "table and reason for which rows were left aside",
    (
        key("table", "patients, dxa or images"),
        key("reason", "why"),
        count("n_rows", "rows of the source"),
    ),
)

TABLE_ROWS = Contract(
    "private/{center}/table_rows.csv",
    "row of the source that was left aside",
    (
        person("table", "patients, dxa or images"),
        person("row", "its number, the heading being 1", "int"),
        person("reason", "why"),
    ),
)

REVIEW = Contract(
    "results/intake/{center}/reader_verdicts.csv",
    "film that the reader decided",
    (person("image_id", "pseudonym of the film"), person("verdict", "pass or reject")),
    row_key=("image_id",),
)

REVIEW_TEMPLATE = Contract(
    "results/intake/{center}/review_template.csv",
    "film that the automatic rules reject or flag, or that a reader has judged",
    (
        person("image_id", "pseudonym of the film"),
        person("verdict", "the reader's so far; empty where there is none"),
        person("automatic_verdict", "pass, review or reject"),
        person("automatic_reason", "the rules that said so"),
    ),
    row_key=("image_id",),
)

LISTING = Contract(
    "private/{center}/listing.csv",
    "file found",
    (
        person("path", "from the folder of films, as listing.path_text writes it"),
        person("size", "bytes", "int"),
        person("mtime_ns", "time of the last change", "int"),
        person("batch", "number of its batch", "int"),
    ),
    row_key=("path",),
)

BATCH_FILMS = Contract(
    "results/intake/{center}/dicom/{batch}.csv",
    "file",
    (
        person("image_id", "pseudonym of the film"),
        person("patient_id", "pseudonym of the patient"),
        person("status", "accepted or quarantined"),
        person("reason", "why it was not accepted"),
        person("film_date", "shifted", "date"),
        person("view", "PA, AP, lateral or unknown"),
        person("sex", "by the film's header"),
        person("manufacturer", "of the device"),
        person("burned_in", "what the header declares of burned-in text"),
    ),
    optional=(person("enrolled", "0 outside the site's enrolment period; of a hand-over", "int"),),
    row_key=("image_id",),
)

HANDED_FILMS = Contract(
    "results/handover/{center}/films/{batch}.csv",
    "file of a centre that is handed over",
    (
        *BATCH_FILMS.columns,
        person("uid_image_id", "keyed id by which copies of a film are found"),
        person("path_image_id", "keyed id of the file's path"),
        person("order_in_day", "rank of the day by acquisition time (equal ranks possible)", "int"),
        *BATCH_FILMS.optional,
        person("age", "the header's, as film_ages.csv tells ages", "int"),
    ),
    row_key=("image_id",),
)

CROSSWALK = Contract(
    "private/{center}/crosswalk/{batch}.csv",
    "file; dates, ids and ages are the source's own",
    (
        person("image_id", "pseudonym of the film"),
        person("uid_image_id", "keyed id by which copies of a film are found"),
        person("path_image_id", "keyed id of the file's path"),
        person("path", "from the folder of films"),
        person("source_patient_id", "the hospital's"),
        person("source_sop_instance_uid", "the hospital's"),
        person("film_date", "not shifted", "date"),
        person("acquisition_time", "as in the header"),
        person("age", "as in the header", "int"),
    ),
    row_key=("image_id",),
)

_MEASURED = (
    person("clipped_low", "share of the thoracic window at the film's lowest value", "float"),
    person("clipped_high", "share of the thoracic window at the film's highest value", "float"),
    person("value_range", "P99 - P1 of the window, in shares of the full range", "float"),
    person("mean", "of the window, in shares of the full range", "float"),
    person("noise_ratio", "noise (Immerkaer) over value_range", "float"),
    person("polarity", "below 0 the film may be inverted", "float"),
    person("exposure_index", "as in the header (IEC 62494-1)", "float"),
    person("target_exposure_index", "as in the header", "float"),
    person("deviation_index", "as in the header", "float"),
)

MEASURES = tuple(column.name for column in _MEASURED)
"""Columns of ``exposure.csv`` that hold measures; the last three are the header's, empty where it has
none."""

_ROWS, _COLUMNS = person("rows", "height in pixels", "int"), person("columns", "width in pixels", "int")
_BITS = person("bits", "bits stored", "int")
_INVERTED = person("inverted", "1 where MONOCHROME1 was turned", "int")
_PADDING = person("padding_pixels", "pixels of padding", "int")
_BORDERS = (
    person("border_text", "words, none or unread; empty where the gate is off"),
    person("border_words", "words other than markers", "int"),
)

EXPOSURE = Contract(
    "results/intake/exposure.csv results/intake/{center}/exposure.csv",
    "film that was converted and is no duplicate",
    (
        person("center", "the centre"),
        person("image_id", "pseudonym of the film"),
        person("verdict", "what counts: the reader's where there is one, else the automatic one"),
        person("reason", "the rules that said so, or reader"),
        person("automatic_verdict", "of the fixed rules, or with the refitted bounds where they are on"),
        person("automatic_reason", "the rules that said so"),
        person("fixed_verdict", "of the fixed rules alone"),
        person("fixed_reason", "the rules that said so"),
        person("refit_verdict", "with the bounds of the centre and manufacturer"),
        person("refit_reason", "the rules that said so"),
        person("reader_verdict", "the reader's override, else empty"),
        person("manufacturer", "of the device"),
        person("view", "PA, AP, lateral or unknown"),
        *_MEASURED,
        _ROWS,
        _COLUMNS,
        _BITS,
        _INVERTED,
        _PADDING,
        *_BORDERS,
    ),
    row_key=("image_id",),
    promised=("center", "image_id", "verdict", "reason", *MEASURES),
)

CONVERTED = Contract(
    "results/intake/{center}/png/{batch}.csv",
    "de-identified film, by image id",
    (
        person("image_id", "pseudonym of the film"),
        person("status", "converted or quarantined"),
        person("reason", "why it was not converted"),
        person("pixel_sha256", "of the 16-bit image, as little-endian cells behind 'rows x columns'"),
        person("transfer_syntax", "of the source"),
        person("photometric", "of the source"),
        _ROWS,
        _COLUMNS,
        _BITS,
        person("offset", "added to a stored value", "int"),
        person("shift", "bits that it was moved by", "int"),
        _INVERTED,
        person("modality_lut", "1 where a table was applied", "int"),
        _PADDING,
        person("stored_bits", "of the source", "int"),
        person("signed", "1 where the source has signed values", "int"),
        person("padding_low", "lowest value that is padding", "int"),
        person("padding_high", "highest value that is padding", "int"),
        person("rescale_slope", "as in the header", "float"),
        person("rescale_intercept", "as in the header", "float"),
        person("rescale_type", "as in the header"),
        person("lut_first", "first value of the table", "int"),
        person("lut_data", "the table"),
        *_BORDERS,
        *_MEASURED,
    ),
    row_key=("image_id",),
)
"""``rows`` to ``lut_data`` say how stored values became the image, and lead back
(``scripts/intake/pixels.py``, ``Mapping``)."""
