"""What the rules ask of the study's centres: their entries, folders, tables, batches and fingerprints."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from snakemake.io import ancient
from snakemake.iocontainers import Wildcards

from scripts.common.config import Center, Config, with_sources
from scripts.common.key import open_key
from scripts.common.layouts import simulated_folder
from scripts.common.manifest import (
    CRITERIA,
    MANIFEST,
    Manifest,
    check_criteria,
    check_predictors,
    read_manifest,
)
from scripts.common.manifest import fingerprints as handover_fingerprints
from scripts.intake.listing import FoundFile, fingerprints, scan_folder
from scripts.workflow.params import plain
from scripts.workflow.validation import refusing


def _pattern(entries: Iterable[Center]) -> str:
    """The entries' names as a wildcard's pattern; one that matches nothing where there are none."""
    return "|".join(entry.name for entry in entries) or "(?!)"


class Centers:
    """The centres of a study as its rules see them. Methods that take wildcards are input functions or give
    parameters.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.manifest = functools.cache(refusing(self._manifest))
        self._files = functools.cache(refusing(self._files_found))
        self._fingerprints = functools.cache(refusing(self._fingerprints_of))
        self._image_rows = functools.cache(refusing(self._image_rows_of))

    # Patterns of the wildcard `center`.

    def every(self) -> str:
        """All centres."""
        return _pattern(self._config.centers)

    def simulated(self) -> str:
        """Simulated centres."""
        return _pattern(c for c in self._config.centers if c.simulate)

    def handed_over(self) -> str:
        """Centres that came as a hand-over."""
        return _pattern(c for c in self._config.centers if c.deidentified)

    def own(self) -> str:
        """Centres whose films and tables are given as they left the hospital."""
        return _pattern(c for c in self._config.centers if not c.deidentified)

    def real(self) -> str:
        """Centres that can be handed over: real ones whose films and tables are given as they left the
        hospital.
        """
        return _pattern(c for c in self._config.centers if not c.simulate and not c.deidentified)

    # Batches.

    def _manifest(self, name: str) -> Manifest:
        """The manifest of a centre that was handed over."""
        where = f"centers[{name}]"
        manifest = read_manifest(self._config.center(name).deidentified, where)
        check_criteria(manifest, self.criteria(), where)
        check_predictors(manifest, self.declared_predictors(), where)
        return manifest

    def batches(self, name: str) -> range:
        """Batch numbers of a centre; those of one that was handed over are its site's."""
        entry = self._config.center(name)
        if entry.deidentified is not None:
            return range(self.manifest(name).batches)
        return range(entry.batches or self._config.intake.batches)

    def n_batches(self, wildcards: Wildcards) -> int:
        """How many batches a centre's films are in."""
        return len(self.batches(wildcards.center))

    def of_batches(self, pattern: str) -> Callable[[Wildcards], list[str]]:
        """Input function: the files of all batches of a centre, by a pattern with {center} and {batch}."""
        return lambda wildcards: [
            pattern.format(center=wildcards.center, batch=b) for b in self.batches(wildcards.center)
        ]

    # What is given, and how a change of it is seen.

    def entry(self, wildcards: Wildcards) -> Center:
        """The config entry of a centre, a simulated one's sources filled in."""
        return with_sources(self._config.center(wildcards.center))

    def _files_found(self, name: str) -> list[FoundFile]:
        """The files in the folder of a real centre's films."""
        return scan_folder(self._config.center(name).films)

    def _fingerprints_of(self, name: str) -> tuple[str, list[str]]:
        """Names, sizes and times of a real centre's films as one hash for all and one per batch; of a
        hand-over its checksums.

        A simulated centre's films are a rule's output, whose changes Snakemake sees by itself.
        """
        entry, n_batches = self._config.center(name), len(self.batches(name))
        if entry.simulate is not None:
            return "simulated", ["simulated"] * n_batches
        if entry.deidentified is not None:
            sizes = {found.path: found.size for found in self._files(name)}
            return handover_fingerprints(self.manifest(name), sizes)
        return fingerprints(self._files(name), n_batches)

    def folder_fingerprint(self, wildcards: Wildcards) -> str:
        """Changes when any film of the centre does."""
        return self._fingerprints(wildcards.center)[0]

    def batch_fingerprint(self, wildcards: Wildcards) -> str:
        """Changes when a film of the batch does."""
        return self._fingerprints(wildcards.center)[1][int(wildcards.batch)]

    def film_folder(self, wildcards: Wildcards) -> str:
        """The folder of a centre's films. That of a real centre is watched by fingerprints, not by its time
        of change.
        """
        entry = self.entry(wildcards)
        return entry.films if entry.simulate is not None else ancient(entry.films)

    def image_table(self, wildcards: Wildcards) -> str | list[str]:
        """The image table of a centre with PNG films; its rows are watched by batch (``image_rows``)."""
        entry = self._config.center(wildcards.center)
        return [] if entry.images is None else ancient(entry.images.path)

    def image_settings(self, wildcards: Wildcards) -> dict[str, Any] | None:
        """The ``images`` section of a centre with PNG films, else None."""
        entry = self._config.center(wildcards.center)
        return None if entry.images is None else plain(entry.images)

    def _image_rows_of(self, name: str) -> list[str]:
        """A hash per batch of the image table's rows for its films."""
        from scripts.intake.image_table import row_fingerprints  # pandas, for these centres only

        return row_fingerprints(
            plain(self._config.center(name).images),
            f"centers[{name}].images",
            [found.path for found in self._files(name)],
            len(self.batches(name)),
        )

    def image_rows(self, wildcards: Wildcards) -> str | None:
        """Changes when a row of the image table for a film of the batch does; None where the films are
        DICOM.
        """
        has_table = self._config.center(wildcards.center).images is not None
        return self._image_rows(wildcards.center)[int(wildcards.batch)] if has_table else None

    def listing_for_images(self, wildcards: Wildcards) -> str | list[str]:
        """The listing of a centre with PNG films, which tells rows of the image table that name no file."""
        has_table = self._config.center(wildcards.center).images is not None
        return f"private/{wildcards.center}/listing.csv" if has_table else []

    def review(self, wildcards: Wildcards) -> str | None:
        """The table of a centre's reader, where there is one."""
        return self._config.center(wildcards.center).review

    def reader_verdicts(self, wildcards: Wildcards) -> str | list[str]:
        """The verdicts of a centre's reader, where there is a table of them."""
        return f"results/intake/{wildcards.center}/reader_verdicts.csv" if self.review(wildcards) else []

    def clinical_tables(self, wildcards: Wildcards) -> list[str]:
        """The files of a centre's patient, DXA and image tables; of a simulated centre the folder that holds
        them.
        """
        entry = self.entry(wildcards)
        if entry.simulate is not None:
            return [str(simulated_folder(entry.name) / "tables")]
        return sorted(
            {table.path for table in (entry.patients, entry.dxa, entry.images) if table is not None}
        )

    def tables_given(self) -> list[tuple[str, str, str, str]]:
        """Every table of the centres: centre, kind (patients, dxa, images, manifest, review), source, and the
        file in it where it is a folder.
        """
        found = []
        for entry in map(with_sources, self._config.centers):
            if entry.deidentified is not None:
                found.append((entry.name, "manifest", f"{entry.deidentified}/{MANIFEST}", ""))
            for kind in ("patients", "dxa", "images"):
                if getattr(entry, kind) is None:
                    continue
                path = Path(getattr(entry, kind).path)
                if entry.simulate is None:
                    found.append((entry.name, kind, str(path), ""))
                else:
                    found.append((entry.name, kind, str(path.parent), path.name))
            if entry.review:
                found.append((entry.name, "review", entry.review, ""))
        return found

    # The study key.

    def key(self) -> str | list[str]:
        """The key file, where the study has one."""
        return self._config.study.key_file or []

    def key_fingerprint(self) -> str:
        """Tells one key from another and reveals nothing of it: another key makes all pseudonyms anew."""
        return open_key(self._config.study.key_file, self._config.study.seed).fingerprint()

    def seed_of_key(self) -> int | None:
        """The seed that a simulated study's key follows from; None where there is a key file."""
        return self._config.study.seed if self._config.study.key_file is None else None

    # Parameters.

    def section(self, name: str) -> Callable[[Wildcards], dict[str, Any] | None]:
        """Parameter function: a section of a centre's entry (``ids``, ``patients``, ``enrolment`` ...) as
        plain values, None where it has none.
        """

        def of_center(wildcards: Wildcards) -> dict[str, Any] | None:
            found = getattr(self.entry(wildcards), name)
            return None if found is None else plain(found)

        return of_center

    def criteria(self) -> dict[str, Any]:
        """What a hand-over is counted for: the site's config and the study's must agree on it."""
        return {key: getattr(self._config.cohort, key) for key in CRITERIA}

    def patients(self, wildcards: Wildcards) -> dict[str, Any]:
        """A centre's patient table without its predictors' labels, which only tables show."""
        labels = {"predictors": {"__all__": {"label"}}}
        return self.entry(wildcards).patients.model_dump(mode="json", by_alias=True, exclude=labels)

    def declared_predictors(self, wildcards: Wildcards | None = None) -> dict[str, dict[str, Any]]:
        """What two sites must agree on of the predictors of a centre, or of the study."""
        found = self._config.predictors.values()
        return {p.name: p.declared for p in found if wildcards is None or wildcards.center in p.centers}

    def predictors(self, wildcards: Wildcards) -> dict[str, str]:
        """The predictors in a centre's part of the cohort, and their types."""
        return self._config.predictors_of(wildcards.center)

    def frontal_view(self, wildcards: Wildcards) -> dict[str, Any] | None:
        """How a film's view is read, for a centre with an image table."""
        has_table = self._config.center(wildcards.center).images is not None
        return plain(self._config.intake.frontal_view) if has_table else None

    def selection(self, wildcards: Wildcards) -> dict[str, Any]:
        """What a centre's patients are chosen by."""
        cohort = self._config.cohort.model_dump(mode="json", exclude={"test_fraction", "folds", "train_on"})
        role = self._config.center(wildcards.center).role
        return {**cohort, "center": wildcards.center, "role": role}

    def dates(self, wildcards: Wildcards) -> dict[str, str]:
        """What ages and pairs follow from: shifted birth dates and shifts, or what another site counted."""
        name = wildcards.center
        if self._config.center(name).deidentified is None:
            return {"birth_dates": f"private/{name}/birth_dates.csv"}
        return {kind: f"results/intake/{name}/{kind}.csv" for kind in ("film_ages", "pairs", "visit_order")}
