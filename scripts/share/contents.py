"""What of a finished run goes into an archive for others, and why the rest does not."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.common.catalogue import CATALOGUE, ROOT, never_shared
from scripts.common.errors import StudyError
from scripts.common.film_policy import signed_off
from scripts.common.vocabulary import FORMER_FOLDERS, INTERNAL_TEST, REDACTED, TRAIN
from scripts.share.breakdowns import Table
from scripts.share.releases import NOTHING, HeldBack
from scripts.share.suppression import HIDDEN, TABLES, Sets, rules_of, sets_of, suppressed

LEFT_FROM_ANOTHER = "the run did not make it: it is left from another one"
UNKNOWN_COLUMN = "its contract doesn't declare it, so that nobody has said what it tells of patients"


@dataclass
class Selection:
    """What goes in (name to content), what was hidden in, and what was left out with the reason."""

    members: dict[str, bytes] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def _rows(content: bytes, name: str) -> Table:
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise StudyError(
            f"'results/{name}' can't be read as a table. Delete it and run again; it is made anew."
        ) from None
    if any(None in row or None in row.values() for row in rows):
        raise StudyError(
            f"'results/{name}' has rows of unequal length. Delete it and run again; it is made anew."
        )
    return rows


def _text(rows: Table, columns: tuple[str, ...]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _checked(results: Path, name: str, provenance: dict[str, Any]) -> bytes:
    """A result file's bytes; ``StudyError`` where they are not those that the run recorded."""
    path = results / name
    if not path.is_file():
        raise StudyError(
            f"There is no 'results/{name}': the study has not run to its end. Run it, then 'make share'"
            " again."
        )
    content = path.read_bytes()
    if provenance["outputs"]["files"].get(f"results/{name}") != hashlib.sha256(content).hexdigest():
        raise StudyError(
            f"'results/{name}' is not the file that the run recorded in provenance.json. Run the study again,"
            " then 'make share'."
        )
    return content


def _of_another_study(results: Path, provenance: dict[str, Any]) -> list[str]:
    """Files of results that only some studies have, and this run did not make."""
    some = {f"{row.name}.csv" for row in CATALOGUE if row.only_with}
    made = provenance["outputs"]["files"]
    return sorted(name for name in some if (results / name).is_file() and f"{ROOT}{name}" not in made)


def _left_over(results: Path, provenance: dict[str, Any]) -> list[str]:
    """Folders of models that the run did not make, and those that version 0.1.0 had for its models."""
    folders = [path.relative_to(results).as_posix() for path in sorted(results.glob("models/*/"))]
    made = tuple(provenance["outputs"]["files"])
    gone = [name for name in folders if not any(file.startswith(f"{ROOT}{name}/") for file in made)]
    former = [name.removeprefix(ROOT) for name in FORMER_FOLDERS if name.startswith(ROOT)]
    return [*gone, *(name for name in former if (results / name).is_dir())]


def _of_age(provenance: dict[str, Any]) -> list[str]:
    """Names of the models that predict from the age alone; ``StudyError`` for a run of version 0.1.0."""
    models = provenance["config"].get("models")
    if models is None:
        raise StudyError(
            "'results/provenance.json' is of version 0.1.0 of the software. Run the study again"
            " (docs/upgrading.md), then 'make share'."
        )
    return [name for name, entry in models.items() if entry.get("predictors") == ["age"]]


def _tables(
    results: Path, provenance: dict[str, Any], centers: list[str]
) -> dict[str, tuple[Table, tuple[str, ...]]]:
    """Every table that may go in, found or counted: name to rows and columns."""
    found: dict[str, tuple[Table, tuple[str, ...]]] = {}
    statistics = {p.relative_to(results).as_posix() for p in results.glob("statistics/*.csv")}
    statistics -= set(_of_another_study(results, provenance))
    for name in sorted({*statistics, "cohort/flow.csv"}):
        content = _checked(results, name, provenance) if rules_of(name) else b""
        header = next(csv.reader(io.StringIO(content.decode("utf-8", "replace"))), [])
        found[name] = (_rows(content, name), tuple(header))
    issues = [
        {"center": center, **row}
        for center in centers
        for row in _rows(
            _checked(results, f"intake/{center}/table_issues.csv", provenance),
            f"intake/{center}/table_issues.csv",
        )
    ]
    found["intake/table_issues.csv"] = (
        issues,
        tuple(issues[0]) if issues else TABLES["intake/table_issues.csv"].columns,
    )
    for source, name, of, count in (
        ("intake/files.csv", "intake/files_summary.csv", ("center", "status", "reason"), "n_files"),
        ("intake/exposure.csv", "intake/exposure_summary.csv", ("center", "verdict"), "n_films"),
    ):
        counts = Counter(
            tuple(row[column] for column in of)
            for row in _rows(_checked(results, source, provenance), source)
        )
        rows = [{**dict(zip(of, key)), count: str(n)} for key, n in sorted(counts.items())]
        found[name] = (rows, (*of, count))
    return found


def _provenance_to_share(
    provenance: dict[str, Any], chosen: Selection, results: Path, smallest: int
) -> bytes:
    """The record without the study's title, and with the checksums of those outputs alone that went in as
    they were.

    The checksum of a table tells whoever has all but its hidden cells when he has guessed them. The number of
    a centre's films, less those that the other tables name, tells how many were set aside: it stays out where
    small counts are hidden.
    """
    packed = {
        f"results/{name}"
        for name, content in chosen.members.items()
        if (results / name).is_file() and (results / name).read_bytes() == content
    }
    shared = json.loads(json.dumps(provenance))
    shared["outputs"]["files"] = {k: v for k, v in provenance["outputs"]["files"].items() if k in packed}
    if shared["config"].get("study", {}).get("title"):
        shared["config"]["study"]["title"] = REDACTED
    if smallest > 1:
        for center in shared.get("inputs", {}).get("centers", {}).values():
            center["films"]["files"] = HIDDEN
    return (json.dumps(shared, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _withheld(name: str, rows: Table, held: HeldBack, center_of: dict[str, str]) -> Table:
    """``rows`` without those of centres that are held back, an earlier archive being too like this one."""
    if not {"center", "set"} & set(rules_of(name).contract):  # learned from the development centre
        return [] if {center_of.get(TRAIN), center_of.get(INTERNAL_TEST)} & held.centers else rows
    centers = held.counts if name.startswith(("intake/", "cohort/")) else held.centers
    return [
        row
        for row in rows
        if row.get("center", center_of.get(row.get("set", ""), row.get("set", ""))) not in centers
    ]


def select(results: str | Path, smallest: int, keep_outcomes: bool, held: HeldBack = NOTHING) -> Selection:
    """What goes into the archive of the finished run under ``results``.

    ``smallest`` is the smallest count of people that may be told (1 hides nothing); ``keep_outcomes`` leaves
    the cells of the models' confusion matrices, and what follows from them, as they are; of centres in
    ``held`` nothing is told. Raises ``StudyError`` for an unfinished or changed run."""
    results = Path(results)
    chosen = Selection()
    if not (results / "provenance.json").is_file():
        raise StudyError(
            "There is no 'results/provenance.json': the study has not run to its end. Run it, then 'make"
            " share' again."
        )
    provenance = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    for row in CATALOGUE:
        if row.sharing.how == "whole":
            for file in row.files():
                name = file.removeprefix(ROOT)
                chosen.members[name] = _checked(results, name, provenance)
    centers = [entry["name"] for entry in provenance["config"]["centers"]]
    cohort = _rows(_checked(results, "cohort/cohort.csv", provenance), "cohort/cohort.csv")
    sets: Sets = sets_of(cohort, smallest, _of_age(provenance))
    center_of = {row["set"]: row.get("center") or row["set"] for row in cohort}
    sharings = {row.name: row.sharing for row in CATALOGUE}
    never = never_shared()
    tables: dict[str, Table] = {}
    headers: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, list[str]] = {}
    for name, (rows, columns) in _tables(results, provenance, centers).items():
        rules, sharing = rules_of(name), sharings.get(name.removesuffix(".csv"))
        if sharing is not None and sharing.how == "never":
            chosen.left_out[name] = sharing.why
        elif rules is None:
            chosen.left_out[name] = "a table that the packer does not know"
        elif lacking := [column for column in rules.contract if column not in columns]:
            chosen.left_out[name] = f"lacks the column '{lacking[0]}': a table of another version"
        else:
            headers[name] = tuple(column for column in columns if column in rules.columns)
            tables[name] = [{column: row[column] for column in headers[name]} for row in rows]
            unknown[name] = [column for column in columns if column not in rules.columns]
            for column in unknown[name]:
                chosen.left_out[f"column '{column}' of {name}"] = UNKNOWN_COLUMN
    chosen.left_out |= {f"{name}/*": LEFT_FROM_ANOTHER for name in _left_over(results, provenance)}
    chosen.left_out |= dict.fromkeys(_of_another_study(results, provenance), LEFT_FROM_ANOTHER)
    complete: set[str] = set()
    for name, rows in suppressed(tables, sets, keep_outcomes).items():
        sharing = sharings.get(name.removesuffix(".csv"))
        if sharing is not None and sharing.outcomes and not keep_outcomes and smallest > 1:
            chosen.left_out[name] = (
                "small cells of the confusion matrices could be counted back from it (OUTCOMES=keep packs it)"
            )
            continue
        rows = _withheld(name, rows, held, center_of)
        chosen.members[name] = _text(rows, headers[name])
        if rows != tables[name]:
            chosen.hidden.append(name)
        elif not unknown[name]:
            complete.add(name)
    signed = signed_off(provenance["config"]["report"]["show_films"])
    for path in sorted(
        p for folder in ("figures", "tables") for p in (results / folder).glob("*") if p.is_file()
    ):
        name = path.relative_to(results).as_posix()
        stem = name.rsplit(".", 1)[0]
        if any(path.match(pattern) for patterns in never.values() for pattern in patterns):
            continue
        sharing = sharings.get(stem)
        if sharing is None:
            reason = "a figure or document that the packer does not know"
        elif sharing.how == "never":
            reason = sharing.why
        elif sharing.how == "films":
            shown = signed and not held.counts
            reason = "" if shown else "films are on it, and nobody signed off on them (report.show_films)"
        elif sharing.how == "counting":
            reason = sharing.why if smallest > 1 or held.counts else ""
        else:
            shown = (
                {f"{table}.csv" for table in sharing.of} <= complete and not sets.closed and not held.counts
            )
            reason = "" if shown else "shows numbers that are hidden in the tables"
        if not reason and f"results/{name}" not in provenance["outputs"]["files"]:
            reason = LEFT_FROM_ANOTHER
        if reason:
            chosen.left_out[name] = reason
        else:
            chosen.members[name] = _checked(results, name, provenance)
    for reason, patterns in never.items():
        chosen.left_out |= {pattern: reason for pattern in patterns if any(results.glob(pattern))}
    chosen.left_out |= {
        f"rows of centre {center}": "an earlier archive differs from this one by few of its patients or films"
        for center in held.counts
    }
    chosen.members["provenance.json"] = _provenance_to_share(provenance, chosen, results, smallest)
    return chosen


def read_me(chosen: Selection, smallest: int, keep_outcomes: bool, synthetic: bool) -> bytes:
    """The text that explains the archive."""
    lines = ["Results of an OsteoCXR study, packed by 'make share'.", ""]
    if synthetic:
        lines += ["SYNTHETIC: these are numbers of simulated patients.", ""]
    if smallest > 1:
        lines += [
            (
                f"Counts of people from 1 to {smallest - 1} stand as '<{smallest}'. '{HIDDEN}' stands for"
                " what would give one of them away,"
            ),
            (
                "and for what is computed from one, in rows of which nothing is told for empty cells too. In"
                " Table 1 the means and SDs"
            ),
            "beside a hidden number of values are rounded.",
        ]
        if keep_outcomes:
            lines += [
                "Cells of the models' confusion matrices are not suppressed, by the packer's choice"
                " (OUTCOMES=keep)."
            ]
    else:
        lines += ["No count was suppressed, by the packer's choice (SMALLEST=1)."]
    lines += [
        "",
        "No row by patient or by film, no film, no model. Nothing here is a proof of anonymity.",
        "",
        "Small cells were hidden in:",
    ]
    lines += [f"  {name}" for name in sorted(chosen.hidden)] or ["  no table"]
    lines += ["", "Left out:"]
    lines += [f"  {name}: {reason}" for name, reason in sorted(chosen.left_out.items())]
    lines += [
        "",
        (
            "provenance.json names the checksums of those results only that were packed as they were, and not"
            " the study's title."
        ),
        "MANIFEST.sha256 holds the checksums of this archive: sha256sum -c MANIFEST.sha256",
        "",
    ]
    return "\n".join(lines).encode()
