"""What all rules share: the validated config, input functions, code hashes, banners.

Functions only, no rule.
"""

import json
import functools
import gc
import hashlib
import os
import shlex
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from scripts.bundle.contents import bundle_warnings
from scripts.common.config import check_paths, read_config, with_sources
from scripts.common.config.files import read_config_file
from scripts.common.errors import StudyError
from scripts.common.fonts import check_labels
from scripts.common.key import open_key
from scripts.common.key_record import record_key, refuse_another_key
from scripts.common.layouts import simulated_folder
from scripts.common.leftover_scripts import remove_leftover_scripts
from scripts.common.manifest import CRITERIA, MANIFEST, check_criteria, check_predictors, read_manifest
from scripts.common.manifest import fingerprints as handover_fingerprints
from scripts.common.remembered_hashes import RememberedHashes
from scripts.common.slurm_logs import SLURM_LOGS, limits_hit
from scripts.common.strata import read_strata
from scripts.deep.memory_estimate import job_memory_mb
from scripts.intake.listing import fingerprints, scan_folder
from scripts.intake.review_table import read_review
from scripts.report.summary import score_warnings
from scripts.share.suppression import TABLES as SHARED_TABLES


def validated_config(raw):
    """The typed config; a fault ends the run before any job, with a sentence for each."""
    given = [str(path) for path in workflow.overwrite_configfiles]
    own = [str(path) for path in workflow.configfiles if str(path) not in given]
    try:
        files = {os.path.relpath(path): read_config_file(path) for path in (*own, *given)}
        checked = read_config(raw, files)
        check_paths(checked, files)
        # jobs may run on machines that draw nothing
        if workflow.is_main_process:
            check_labels(checked.labels, checked.study.language)
        for entry in checked.running:
            if entry.review is not None:
                read_review(entry.review, f"centers[{entry.name}].review")
        if checked.tables is None:
            refuse_another_key(open_key(checked.study.key_file, checked.study.seed))
    except StudyError as error:
        raise WorkflowError(str(error)) from None
    return checked


CFG = validated_config(config)

STARTED = time.time()

# Commands of `shell:` run with the Python that runs Snakemake and find `scripts`, also under --directory.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH "
    f"PYTHONPATH={shlex.quote(str(workflow.basedir))}; "
)


# Planning makes very many objects that stay to the end: looking less often for those that can go saves a
# tenth of its time.
gc.freeze()
gc.set_threshold(500_000)

CODE_HASHES = RememberedHashes(".snakemake/osteocxr_code_hashes.json")


def code(*scripts):
    """Hash of the code that a rule runs; it stands in the rule's params."""
    return CODE_HASHES.of(*scripts)


def plain(section):
    """A section of the config as plain values, for params."""
    return section.model_dump(mode="json", by_alias=True)


def center(wildcards):
    """The config entry of a centre, a simulated one's sources filled in."""
    return with_sources(CFG.center(wildcards.center))


def simulated_centers():
    """Names of the simulated centres as a wildcard's pattern; one that matches nothing where all are real."""
    return "|".join(c.name for c in CFG.centers if c.simulate) or "(?!)"


def handed_over_centers():
    """Names of the centres that came as a hand-over, as a wildcard's pattern."""
    return "|".join(c.name for c in CFG.centers if c.deidentified) or "(?!)"


def own_centers():
    """Names of the centres whose films and tables are given as they left the hospital, as a wildcard's
    pattern.
    """
    return "|".join(c.name for c in CFG.centers if not c.deidentified) or "(?!)"


def real_centers():
    """Names of the centres that can be handed over: real ones whose films and tables are given as they left
    the hospital.
    """
    return "|".join(c.name for c in CFG.centers if not c.simulate and not c.deidentified) or "(?!)"


def dates_of_center(wildcards):
    """What ages and pairs follow from: shifted birth dates and shifts, or what another site counted."""
    name = wildcards.center
    if CFG.center(name).deidentified is None:
        return {"birth_dates": f"private/{name}/birth_dates.csv"}
    return {kind: f"results/intake/{name}/{kind}.csv" for kind in ("film_ages", "pairs", "visit_order")}


def handover_criteria():
    """What a hand-over is counted for: the site's config and the study's must agree on it."""
    return {key: getattr(CFG.cohort, key) for key in CRITERIA}


def patient_settings(wildcards):
    """A centre's patient table without its predictors' labels, which only tables show."""
    labels = {"predictors": {"__all__": {"label"}}}
    return center(wildcards).patients.model_dump(mode="json", by_alias=True, exclude=labels)


def declared_predictors(name=None):
    """What two sites must agree on of the predictors of a centre, or of the study."""
    return {one.name: one.declared for one in CFG.predictors.values() if name is None or name in one.centers}


def simulation_threads(wildcards):
    """One thread per 500 simulated patients, at most 8: a small centre leaves cores to other jobs."""
    simulate = CFG.center(wildcards.center).simulate
    return min(8, 1 + (simulate.n_op + simulate.n_non_op) // 500)


@functools.cache
def files_found(name):
    """The files in the folder of a real centre's films."""
    try:
        return scan_folder(CFG.center(name).films)
    except StudyError as error:
        raise WorkflowError(str(error)) from None


@functools.cache
def fingerprints_of(name):
    """Names, sizes and times of a real centre's films as one hash for all and one per batch; of a hand-over
    its checksums.

    A simulated centre's films are a rule's output, whose changes Snakemake sees by itself.
    """
    entry, n_batches = CFG.center(name), len(batches_of(name))
    if entry.simulate is not None:
        return "simulated", ["simulated"] * n_batches
    if entry.deidentified is not None:
        return handover_fingerprints(
            manifest_of(name), {found.path: found.size for found in files_found(name)}
        )
    return fingerprints(files_found(name), n_batches)


def film_folder(wildcards):
    """The folder of a centre's films.

    That of a real centre is watched by fingerprints, not by its time of change.
    """
    entry = center(wildcards)
    return entry.films if entry.simulate is not None else ancient(entry.films)


def image_table_of(wildcards):
    """The image table of a centre with PNG films; its rows are watched by batch (``image_rows_of_batch``)."""
    entry = CFG.center(wildcards.center)
    return [] if entry.images is None else ancient(entry.images.path)


def image_settings(wildcards):
    """The ``images`` section of a centre with PNG films, else None."""
    entry = CFG.center(wildcards.center)
    return None if entry.images is None else plain(entry.images)


@functools.cache
def image_rows_of(name):
    """A hash per batch of the image table's rows for its films."""
    from scripts.intake.image_table import row_fingerprints

    try:
        return row_fingerprints(
            plain(CFG.center(name).images),
            f"centers[{name}].images",
            [found.path for found in files_found(name)],
            len(batches_of(name)),
        )
    except StudyError as error:
        raise WorkflowError(str(error)) from None


def image_rows_of_batch(wildcards):
    """Changes when a row of the image table for a film of the batch does; None where the films are DICOM."""
    has_table = CFG.center(wildcards.center).images is not None
    return image_rows_of(wildcards.center)[int(wildcards.batch)] if has_table else None


def listing_for_images(wildcards):
    """The listing of a centre with PNG films, which tells rows of the image table that name no file."""
    has_table = CFG.center(wildcards.center).images is not None
    return f"private/{wildcards.center}/listing.csv" if has_table else []


def folder_fingerprint(wildcards):
    """Changes when any film of the centre does."""
    return fingerprints_of(wildcards.center)[0]


def batch_fingerprint(wildcards):
    """Changes when a film of the batch does."""
    return fingerprints_of(wildcards.center)[1][int(wildcards.batch)]


def reader_verdicts(wildcards):
    """The verdicts of a centre's reader, where there is a table of them."""
    return f"results/intake/{wildcards.center}/reader_verdicts.csv" if center(wildcards).review else []


def clinical_tables_of(wildcards):
    """The files of a centre's patient, DXA and image tables; of a simulated centre the folder that holds
    them.
    """
    entry = center(wildcards)
    if entry.simulate is not None:
        return [str(simulated_folder(entry.name) / "tables")]
    return sorted({table.path for table in (entry.patients, entry.dxa, entry.images) if table is not None})


def study_key():
    """The key file, where the study has one."""
    return [] if CFG.study.key_file is None else CFG.study.key_file


@functools.cache
def key_fingerprint():
    """Tells one key from another and reveals nothing of it: another key makes all pseudonyms anew."""
    return open_key(CFG.study.key_file, CFG.study.seed).fingerprint()


@functools.cache
def file_hash(path):
    """Hash of a file of the repository that is neither code nor config."""
    return hashlib.sha256((Path(workflow.basedir) / path).read_bytes()).hexdigest()[:16]


def of_batches(pattern):
    """Input function: the files of all batches of a centre, by a pattern with {center} and {batch}."""
    return lambda wildcards: [
        pattern.format(center=wildcards.center, batch=b) for b in batches_of(wildcards.center)
    ]


@functools.cache
def manifest_of(name):
    """The manifest of a centre that was handed over."""
    try:
        where = f"centers[{name}]"
        manifest = read_manifest(CFG.center(name).deidentified, where)
        check_criteria(manifest, handover_criteria(), where)
        check_predictors(manifest, declared_predictors(), where)
        return manifest
    except StudyError as error:
        raise WorkflowError(str(error)) from None


@functools.cache
def batches_of(name):
    """Batch numbers of a centre; those of one that was handed over are its site's."""
    entry = CFG.center(name)
    if entry.deidentified is not None:
        return list(range(manifest_of(name).batches))
    return list(range(entry.batches or CFG.intake.batches))


def center_of_set(name):
    """The centre whose patients make up a set."""
    return CFG.development.name if name in ("train", "internal_test") else name


def cohort_of_set(wildcards):
    """The cohort table of one set; training never sees another set's."""
    if wildcards.set in ("train", "internal_test"):
        return f"results/cohort/{wildcards.set}.csv"
    return f"results/cohort/{wildcards.set}/selected.csv"


def pngs_of_set(wildcards):
    """The PNG folders of the centre whose patients make up a set."""
    name = center_of_set(wildcards.set)
    return [f"results/intake/{name}/png/batch_{b}" for b in batches_of(name)]


def films_of_set(wildcards):
    """The film table of the centre whose patients make up a set."""
    return f"results/intake/{center_of_set(wildcards.set)}/films.csv"


def initial_weights():
    """The weights file that training starts from; the ImageNet file's content is fixed by its checksum."""
    if CFG.deep.init == "random":
        return []
    return ancient("weights/resnet18-f37072fd.pth") if CFG.deep.init == "imagenet" else CFG.deep.init


def training_settings():
    """All settings that can change a fold's numbers, as JSON for the command line."""
    settings = {
        "seed": CFG.study.seed,
        "init": CFG.deep.init,
        "cpu_threads": CFG.deep.cpu_threads,
        "architecture": plain(CFG.deep.architecture),
        "training": plain(CFG.deep.training),
        "augmentation": plain(CFG.deep.augmentation),
    }
    return json.dumps(settings, sort_keys=True)


def grows(amount):
    """A resource (MB or minutes) that grows with each attempt: a job that hit a limit passes when it is tried
    again.

    Only the SLURM profile tries again; elsewhere the first attempt is the only one.
    """
    return lambda wildcards, attempt: attempt * amount


def training_memory_mb():
    """Main memory of a fold's job, by the count with which the job itself warns before its first step."""
    training = CFG.deep.training
    on_gpu = CFG.deep.gpus_per_fold > 0 and CFG.deep.device != "cpu"
    return job_memory_mb(plain(CFG.deep.architecture), training.batch_size, training.precision, on_gpu)


def device_asked():
    """The device that a job of the network is given: where a GPU is asked for, it doesn't go on silently on
    the CPU.
    """
    return "cuda" if CFG.deep.gpus_per_fold > 0 and CFG.deep.device == "auto" else CFG.deep.device


def fold_weights():
    """The weights of every fold, in their order."""
    return [f"results/deep/fold_{fold}/weights.pt" for fold in range(CFG.cohort.folds)]


def bundle_settings():
    """What of the config a model bundle freezes, so that new films are scored as the study's were."""
    return {
        "seed": CFG.study.seed,
        "synthetic": CFG.synthetic,
        "scoring": {**plain(CFG.deep.scoring), "cpu_threads": CFG.deep.cpu_threads},
        "frontal_view": plain(CFG.intake.frontal_view),
        "exposure": plain(CFG.intake.exposure),
    }


def bundle_facts():
    """What of the config a bundle's model card tells; no path and no hospital's name."""
    init = CFG.deep.init
    return {
        "test_sets": CFG.test_sets,
        "confidence": CFG.statistics.confidence,
        "init": init if init in ("random", "imagenet") else "a file",
        "epochs": CFG.deep.training.epochs,
        "older_than": CFG.cohort.older_than,
        "op_t_score": CFG.cohort.op_t_score,
        "interval_months": CFG.cohort.interval_months,
        "exclusions": list(CFG.cohort.exclusions),
    }


def deep_scores_of_model(wildcards):
    """The training patients' out-of-fold deep scores, which the combined model takes as a variable."""
    return "results/deep/scores/train.csv" if wildcards.model == "combined" else []


def masked_sets():
    """The test sets whose films are scored with parts covered too."""
    return CFG.test_sets if CFG.deep.masks.sets == "all" else ["internal_test"]


def figure_copies(name):
    """The files of one figure beside its SVG: png and the further formats of the config."""
    formats = sorted({"png", *CFG.statistics.figures.formats} - {"svg"})
    return [f"results/figures/{name}.{suffix}" for suffix in formats]


def center_labels():
    """Centre name to the name shown in tables and figures, where the config gives one; of own tables models'
    names too.
    """
    return {c.name: c.label for c in CFG.centers if c.label} if CFG.tables is None else CFG.tables.labels


def described_centers():
    """The centres of Table 1, in their order."""
    return [c.name for c in (CFG.development, *CFG.external)] if CFG.tables is None else CFG.tables.centers


def flow_table():
    """The flow of patients; own tables may come without."""
    return [] if CFG.tables is not None and not CFG.tables.flow else "results/cohort/flow.csv"


def flow_figure(marked, caption):
    """The flow diagram's files as named outputs, where there is a flow table. ``marked`` is Snakemake's
    ``report``.
    """
    if not flow_table():
        return {}
    shown = marked(
        "results/figures/flow.svg", caption=caption, category="Figures", labels={"what": "flow of patients"}
    )
    return {"flow": shown, "flow_copies": figure_copies("flow")}


WRITTEN_LAST = (
    "results/report.html",
    "results/tables/checklist_tripod_ai.csv",
    "results/tables/checklist_claim.csv",
)
"""What the report's rule writes, after the provenance record."""


FURTHER_STATISTICS = ("best_model", "differences", "net_benefit_differences", "youden_upper_bound")
"""What is told of differences between models and of their thresholds, beside Table 2 and the decision curves.
"""


def final_outputs():
    """The files that a study ends with; of a site that hands a centre over, that folder; of own tables their
    listing.
    """
    if CFG.tables is not None:
        return ["results/index.html"]
    if CFG.handover is not None:
        return [f"results/handover/{CFG.handover}"]
    figures = ["roc", "decision_curves", "calibration", "forest", "gradcam", "training", "shortcuts", "flow"]
    formats = sorted({"svg", "png", *CFG.statistics.figures.formats})
    return [
        "results/intake/files.csv",
        "results/intake/exposure.csv",
        "results/cohort/cohort.csv",
        "results/cohort/flow.csv",
        "results/predictions.csv",
        "results/statistics/table1.csv",
        "results/statistics/table2.csv",
        "results/statistics/delong.csv",
        "results/statistics/net_benefit.csv",
        *(f"results/statistics/{name}.csv" for name in FURTHER_STATISTICS),
        "results/statistics/thresholds.csv",
        "results/statistics/baseline_performance.csv",
        "results/statistics/baseline_delong.csv",
        "results/statistics/shortcuts.csv",
        *(f"results/figures/{name}.{suffix}" for name in figures for suffix in formats),
        "results/tables/table1.docx",
        "results/tables/table2.docx",
        "results/provenance.json",
        *WRITTEN_LAST,
    ]


def own_statistics():
    """All that is made of own tables, in the order of their listing."""
    figures = ["roc", "decision_curves", "calibration", "forest", *(["flow"] if flow_table() else [])]
    formats = sorted({"svg", "png", *CFG.statistics.figures.formats})
    tables = [
        *("table1", "missing", "table2", "delong", "thresholds", "calibration", "calibration_curve"),
        *("net_benefit", *FURTHER_STATISTICS, "subgroups", "prevalence", "sensitivity"),
    ]
    return [
        *(f"results/tables/{name}.{suffix}" for name in ("table1", "table2") for suffix in ("html", "docx")),
        *(f"results/figures/{name}.{suffix}" for name in figures for suffix in formats),
        *(f"results/statistics/{name}.csv" for name in tables),
        "results/statistics/engine.json",
    ]


def products():
    """An output of every job before the final ones. They are asked for together with those.

    A job that fails loses its outputs. If only final files were asked for, the next run would find these
    whole, though older than what was refused, and end well; so it makes the lost ones again, or fails again
    with the same sentence.
    """
    found = []
    if CFG.tables is not None:
        return own_statistics()
    for entry in CFG.centers:
        name, batches = entry.name, batches_of(entry.name)
        if CFG.handover not in (None, name):
            continue
        folder = f"results/intake/{name}"
        if CFG.handover is None or entry.images is not None:
            found += [f"private/{name}/listing.csv"]
        found += [f"{folder}/patients.csv"]
        found += [f"{folder}/dicom/batch_{b}.csv" for b in batches]
        if CFG.handover is None:
            found += [*(f"{folder}/png/batch_{b}.csv" for b in batches), f"{folder}/films.csv"]
            found += [f"{folder}/reader_verdicts.csv"] if entry.review else []
            found += [f"results/cohort/{name}/selected.csv"]
    if CFG.handover is not None:
        return found
    sets = ["train", *CFG.test_sets]
    return [
        *found,
        "results/cohort/train.csv",
        "results/cohort/internal_test.csv",
        *(f"state/cache/{name}/index.csv" for name in sets),
        *fold_weights(),
        *(f"results/deep/scores/{name}.csv" for name in sets),
        *(f"results/deep/masked/{name}.csv" for name in masked_sets()),
        "results/deep/gradcam/cases.csv",
        *(f"results/boosting/{model}/model.ubj" for model in ("clinical", "combined")),
        *(f"results/boosting/scores/{name}.csv" for name in CFG.test_sets),
        "results/boosting/baselines/coefficients.csv",
        "results/boosting/baselines.csv",
        *shared_tables(),
    ]


def shared_tables():
    """The results that 'make share' packs or counts from."""
    made = [f"results/{name}" for name in SHARED_TABLES if not name.startswith("intake/")]
    issues = [f"results/intake/{entry.name}/table_issues.csv" for entry in CFG.centers]
    documents = [
        f"results/tables/{name}.{suffix}" for name in ("table1", "table2") for suffix in ("docx", "html")
    ]
    return [*made, *issues, *documents, "results/statistics/engine.json"]


def recorded_outputs():
    """The results whose checksums the provenance record holds: all final ones before it, what can be shared,
    and the models themselves.
    """
    files = [
        *(path for path in final_outputs() if path not in ("results/provenance.json", *WRITTEN_LAST)),
        *shared_tables(),
        *(f"results/deep/fold_{k}/weights.pt" for k in range(CFG.cohort.folds)),
        *(f"results/boosting/{model}/model.ubj" for model in ("clinical", "combined")),
    ]
    return list(dict.fromkeys(files))


def tables_given():
    """Every table of the centres: centre, kind (patients, dxa, images, manifest, review), source, and the
    file in it where it is a folder.
    """
    found = []
    for entry in map(with_sources, CFG.centers):
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


def remember_key():
    """Note which key the study was begun under, before its first job."""
    if CFG.tables is None:
        record_key(open_key(CFG.study.key_file, CFG.study.seed))


def banner_start():
    """One line on what will run."""
    if CFG.tables is not None:
        return (
            f"OsteoCXR: statistics of {len(CFG.test_sets)} test set(s): {', '.join(CFG.test_sets)}. "
            "Logs: logs/, results: results/."
        )
    if CFG.handover is not None:
        return f"OsteoCXR: hand-over of centre {CFG.handover}. Logs: logs/."
    kind = "SYNTHETIC study" if CFG.synthetic else "Study"
    names = ", ".join(c.name for c in CFG.centers)
    return f"OsteoCXR: {kind} with {len(CFG.centers)} centre(s): {names}. Logs: logs/, results: results/."


def banner_limits():
    """A line for each job of this run that SLURM stopped at a limit, with the key to raise; nothing where
    none was.
    """
    return "".join(f"OsteoCXR: {hit.sentence()}\n" for hit in limits_hit(SLURM_LOGS, STARTED))


def banner_success():
    """Where the results lie."""
    if CFG.tables is not None:
        return "OsteoCXR: done. Open results/index.html."
    if CFG.handover is not None:
        return (
            f"OsteoCXR: done. Hand over the folder results/handover/{CFG.handover}, and nothing of private/. "
            "logs/hand_over/ holds the checksum of its manifest."
        )
    asked = workflow.dag_settings
    partly = asked.until or asked.omit_from or not set(asked.targets) <= {"all", "results/report.html"}
    if partly or not os.path.exists("results/report.html"):
        given = ", with the --configfile of this run," if workflow.overwrite_configfiles else ""
        return (
            f"OsteoCXR: done with what was asked for. 'snakemake --cores all'{given} makes the whole study, "
            "its report included."
        )
    strata = read_strata("results/cohort/cohort.csv", CFG.cohort.test_fraction, CFG.cohort.folds)
    warnings = (*strata.warnings(), *score_warnings(), *bundle_warnings())
    told = "".join(f"OsteoCXR: {sentence}\n" for sentence in warnings)
    return (
        told
        + "OsteoCXR: done. Open results/report.html; tables lie in results/statistics and results/tables."
    )


def banner_error():
    """Where to look after a failure, or after Ctrl-C, which Snakemake doesn't tell apart here."""
    return (
        "OsteoCXR: not done. Where a job failed by itself, its log (logs/<rule>/...) ends with a line"
        " 'ERROR: ...' "
        "that says what to fix. "
        "What is done is kept; run the same command again to go on."
    )
