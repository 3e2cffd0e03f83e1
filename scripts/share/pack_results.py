"""Pack a finished run for a co-author or a repository: ``make share``."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from scripts.common.errors import StudyError
from scripts.common.standards import SHA256_LIST
from scripts.share.archive import manifest, write_archive
from scripts.share.contents import Selection, read_me, select
from scripts.share.identifiers import Search, known_identifiers
from scripts.share.releases import groups_of, held_back, recorded

TARGET = "results/share/osteocxr_results.tar.gz"


def pack(
    results: str | Path,
    private: str | Path,
    target: str | Path,
    smallest: int = 5,
    keep_outcomes: bool = False,
    coarse: bool = False,
) -> Selection:
    """Write the archive of the run under ``results`` and return what went in.

    Every packed byte and name is searched for the identifiers in ``private``; on a hit nothing is written
    (``StudyError``). Nor is it where an earlier archive differs by few patients, unless it is ``coarse``:
    then it tells nothing of their centre. What it tells of whom is noted in ``private/releases/``. The same
    run, options and earlier archives give the same bytes."""
    identifiers = known_identifiers(private)
    groups = groups_of(results, _simulated(results))
    held = held_back(groups, private, smallest, coarse)
    chosen = select(results, smallest, keep_outcomes, held)
    synthetic = bool(json.loads(chosen.members["provenance.json"])["synthetic"])
    chosen.members["README.txt"] = read_me(chosen, smallest, keep_outcomes, synthetic)
    search = Search(identifiers)
    dirty = sorted(
        name for name, content in chosen.members.items() if search.hits(content) or search.hits(name.encode())
    )
    if dirty:
        raise StudyError(
            f"An identifier from '{private}', or a patient's or film's pseudonym, stands in {len(dirty)} of"
            f" the files to pack: {', '.join(dirty)}. Nothing was packed. Find where it comes from before"
            " anything leaves; docs/privacy.md says how."
        )
    folder = Path(target).name.split(".")[0]
    with recorded(groups, held, private, hashlib.sha256(manifest(chosen.members)).hexdigest()):
        write_archive(chosen.members, folder, target)
    return chosen


def _simulated(results: str | Path) -> list[str]:
    """Names of the run's simulated centres; none where the record of the run is absent, which is refused
    later."""
    path = Path(results) / "provenance.json"
    centers = json.loads(path.read_text(encoding="utf-8"))["config"]["centers"] if path.is_file() else []
    return [center["name"] for center in centers if center.get("simulate")]


def _options(given: argparse.Namespace) -> tuple[int, bool, bool]:
    """``SMALLEST``, whether outcomes are kept, and whether the archive is coarse; ``StudyError`` for values
    that don't fit."""
    if (
        not given.smallest.strip().isascii()
        or not given.smallest.strip().isdigit()
        or int(given.smallest) < 1
    ):
        raise StudyError(
            f"SMALLEST: '{given.smallest}' does not fit; it should be a whole number of 1 or more."
        )
    if given.outcomes not in ("hide", "keep"):
        raise StudyError(f"OUTCOMES: '{given.outcomes}' does not fit; it should be 'hide' or 'keep'.")
    if given.release not in ("refuse", "coarse"):
        raise StudyError(f"RELEASE: '{given.release}' does not fit; it should be 'refuse' or 'coarse'.")
    if not given.to.endswith(".tar.gz"):
        raise StudyError(f"TO: '{given.to}' does not fit; the archive's name should end with .tar.gz.")
    return int(given.smallest), given.outcomes == "keep", given.release == "coarse"


def main(arguments: list[str] | None = None) -> int:
    """Pack, and say what went in and what did not; 1 on an error."""
    parser = argparse.ArgumentParser(
        description="Pack a finished run's aggregate results, small cells suppressed."
    )
    parser.add_argument("--to", default=TARGET, help="the archive to write (.tar.gz)")
    parser.add_argument(
        "--smallest", default="5", help="smallest count of people that may be told; 1 hides nothing"
    )
    parser.add_argument(
        "--outcomes", default="hide", help="small cells of the models' confusion matrices: hide or keep"
    )
    parser.add_argument(
        "--release",
        default="refuse",
        help="an earlier archive differs by few patients: refuse, or coarse (nothing of their centre)",
    )
    given = parser.parse_args(arguments)
    try:
        chosen = pack("results", "private", given.to, *_options(given))
    except StudyError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    packed = sorted([*chosen.members, SHA256_LIST])
    print(f"Packed {len(packed)} files into {given.to}. Look through it before you send it.")
    for name in packed:
        print(f"  {name}{'  (small cells hidden)' if name in chosen.hidden else ''}")
    print(
        "Whom it tells of is noted in private/releases/; delete the record only if the archive never leaves."
    )
    print("Left out:")
    for name, reason in sorted(chosen.left_out.items()):
        print(f"  {name}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
