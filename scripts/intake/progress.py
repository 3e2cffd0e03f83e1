"""What the jobs of the intake say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations


def listed(files: int, batches: int, largest: int) -> str:
    """Files of a centre and the batches that they were dealt to."""
    return f"{files} files in {batches} batches, largest {largest}"


def counted(what: str, count: int) -> str:
    """A line below another one: a reason, a verdict, or a status, and how many."""
    return f"  {what}: {count}"


def put_aside(what: str, fault: str) -> str:
    """A file or film can't be used; ``fault`` is the kind of an unexpected error, or empty."""
    if fault:
        return f"a {what} was put aside after an unexpected {fault}"
    return f"a {what} was put aside: it ended the process that read it, or filled its memory"


def deidentified(batch: int, files: int, accepted: int) -> str:
    """A batch is done."""
    return f"batch {batch}: {files} files, {accepted} de-identified, {files - accepted} quarantined"


def dates_differ(days: int, films: int, settled: int) -> str:
    """Films whose header holds dates far apart."""
    return (
        f"  dates of one header more than {days} days apart: {films} films, {settled} of them with a date"
        " that the others bear out"
    )


def makers_left_out(films: int) -> str:
    """Films whose manufacturer may identify."""
    return (
        "  manufacturer left out (not in plain Latin letters, a long number, or a part of the institution's"
        f" name): {films}"
    )


def converted(films: int, quarantined: int) -> str:
    """A batch's films are PNG."""
    return f"{films} films converted, {quarantined} quarantined"


def with_words(films: int) -> str:
    """Films for review by the gate for burned-in text."""
    return f"{films} films with words in their borders, for review (text_in_border)"


def unread(films: int) -> str:
    """Films that the gate could not read."""
    return (
        f"{films} films that Tesseract could not read in intake.ocr.timeout or at all, for review"
        " (text_unread)"
    )


def found(files: int) -> str:
    """All files of a centre."""
    return f"{files} files found"


def unused_verdicts(rows: int) -> str:
    """A reader's rows on files that were put aside before."""
    return f"{rows} rows of the reader's table name files that were put aside before; they change nothing"


def verdicts(films: int, decided: int) -> str:
    """A reader's table is read."""
    return f"{films} films in the reader's table, {decided} of them decided"


def sheet(verdict: str, films: int, hidden: int) -> str:
    """A contact sheet is drawn."""
    return f"{verdict}: {films} films, {hidden} not shown (report.show_films)"


def merged(rows: int, centers: int) -> str:
    """A table of all centres."""
    return f"{rows} rows from {centers} centres"


def pseudonymous(rows: int, patients: int, results: int) -> str:
    """A centre's tables are under pseudonyms."""
    return f"{rows} rows of {patients} patients, {results} DXA results"


def account(kind: str, rows: int, used: int, set_aside: int, left_out: int) -> str:
    """Where a table's rows went."""
    return (
        f"{kind}: {rows} rows = {used} used + {set_aside} set aside with a reason + {left_out} not needed"
        " (identical, other sites, empty)"
    )


def handed_over(files: int, films: int, patients: int) -> str:
    """A hand-over is made."""
    return f"{files} files found, {films} films handed over; {patients} patients in the table"


def hand_this_over(folder: object) -> str:
    """Which folder goes to the study."""
    return f"{folder}: hand over this folder, and nothing of private/"


def tell_checksum(manifest: str, digest: str) -> str:
    """The site tells the manifest's checksum."""
    return f"SHA-256 of its {manifest}, to be told to the study by another way: {digest}"


def received(center: str, version: str, files: int) -> str:
    """A hand-over has come."""
    return f"centre '{center}' of another site, handed over by version {version}: {files} files found there"


def predictor_not_handed_over(name: str) -> str:
    """A predictor of the study that the site doesn't have."""
    return f"predictor '{name}': the site handed none over; it is missing for all of its patients"


def predictor_left_out(name: str) -> str:
    """A predictor of the site that the study doesn't have."""
    return f"predictor '{name}' of the site is none of this study's and is left out"


def compare_checksum(manifest: str, digest: str) -> str:
    """The study compares the manifest's checksum."""
    return f"SHA-256 of the {manifest}, to be compared with the site's: {digest}"


def received_films(batch: int, files: int, films: int) -> str:
    """A batch of a hand-over is taken in."""
    return f"batch {batch}: {files} files found at the site, {films} films received"
