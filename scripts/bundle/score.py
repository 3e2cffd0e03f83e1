"""Score a folder of DICOM films with a model bundle: no workflow, no tables, no R.

Every file below the folder gets a row in the scores: accepted and scored, quarantined with a reason, or
rejected by the exposure rules. The rows bear names that tell nothing of the source; which file each stands
for is written to <scores>_private.csv, which only its owner can read and which stays where the films are.
docs/bundle.md says more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.bundle import progress
from scripts.common.log import rule_log


def _threads(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("a whole number of 1 or more")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and score; 0 when the scores are written, even where no file could be used, 130
    after Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bundle.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder that 'make bundle' wrote")
    parser.add_argument(
        "--dicom", type=Path, required=True, help="folder of DICOM films, in any nesting, with any names"
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=Path("scores.csv"),
        help="CSV to write; it must not exist yet (default: scores.csv)",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto takes a GPU when there is one"
    )
    parser.add_argument(
        "--threads",
        type=_threads,
        help="CPU threads; others than the study's (the default) can change the last bits",
    )
    given = parser.parse_args(arguments)
    with rule_log(None, "score") as log:
        from scripts.bundle.contents import open_bundle

        bundle = open_bundle(given.bundle)
        log.say(progress.opened(bundle.fingerprint, bundle.settings["software"]))
        if bundle.settings["synthetic"]:
            log.say(progress.synthetic())
        if bundle.settings.get("warning"):  # not in bundles of before
            log.say(progress.warned(bundle.settings["warning"]))
        from scripts.bundle.film_scoring import private_path, score_folder

        try:
            counts = score_folder(bundle, given.dicom, given.to, given.device, given.threads, log)
        except KeyboardInterrupt:
            log.say(progress.interrupted())
            return 130
        log.say(progress.scored(counts, given.to, private_path(given.to)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
