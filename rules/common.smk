"""What all rules share: the validated config, input functions, code hashes, banners. Functions only, no rule."""

import os
import shlex
import sys

from snakemake.exceptions import WorkflowError

from scripts.common.code_hash import code_hash
from scripts.common.config import check_paths, read_config
from scripts.common.errors import StudyError
from scripts.common.layouts import with_sources


def validated_config(raw):
    """The typed config; a fault ends the run before any job, with a sentence for each."""
    try:
        checked = read_config(raw)
        check_paths(checked)
    except StudyError as error:
        raise WorkflowError(str(error)) from None
    return checked


CFG = validated_config(config)

# Commands of `shell:` run with the Python that runs Snakemake and find `scripts`, also under --directory.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH "
    f"PYTHONPATH={shlex.quote(str(workflow.basedir))}; "
)


def code(*scripts):
    """Hash of the code that a rule runs; it stands in the rule's params."""
    return code_hash(*scripts)


def plain(section):
    """A section of the config as plain values, for params."""
    return section.model_dump(mode="json", by_alias=True)


def center(wildcards):
    """The config entry of a centre, a simulated one's sources filled in."""
    return with_sources(CFG.center(wildcards.center))


def simulated_centers():
    """Names of the simulated centres as a wildcard's pattern; one that matches nothing where all are real."""
    return "|".join(c.name for c in CFG.centers if c.simulate) or "(?!)"


def batches_of(name):
    """Batch numbers of a centre."""
    return list(range(CFG.center(name).batches or CFG.intake.batches))


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


def deep_scores_of_model(wildcards):
    """The training patients' out-of-fold deep scores, which the combined model takes as a variable."""
    return "results/deep/scores/train.csv" if wildcards.model == "combined" else []


def figure_files(name):
    """The files of one figure: svg, png and the further formats of the config."""
    formats = sorted({"svg", "png", *CFG.statistics.figures.formats})
    return [f"results/figures/{name}.{suffix}" for suffix in formats]


def center_labels():
    """Centre name to the name shown in tables and figures, where the config gives one."""
    return {c.name: c.label for c in CFG.centers if c.label}


def final_outputs():
    """The files that a study ends with."""
    figures = ["roc", "decision_curves", "calibration", "gradcam", "flow"]
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
        "results/statistics/thresholds.csv",
        *(f"results/figures/{name}.{suffix}" for name in figures for suffix in formats),
        "results/tables/table1.docx",
        "results/tables/table2.docx",
        "results/provenance.json",
        "results/report.html",
    ]


def recorded_outputs():
    """The results whose checksums the provenance record holds: all final ones before it, and the models themselves."""
    return [
        *(path for path in final_outputs() if path not in ("results/provenance.json", "results/report.html")),
        *(f"results/deep/fold_{k}/weights.pt" for k in range(CFG.cohort.folds)),
        *(f"results/boosting/{model}/model.ubj" for model in ("clinical", "combined")),
    ]


def source_tables():
    """Centre, kind and path of every table that the hospitals gave: patients, DXA, a reader's overrides."""
    found = []
    for entry in map(with_sources, CFG.centers):
        found += [(entry.name, "patients", entry.patients.path), (entry.name, "dxa", entry.dxa.path)]
        found += [(entry.name, "review", entry.review)] if entry.review else []
    return found


def pretrained_weights():
    """The weights file that the networks start from; none for random weights."""
    named = {"imagenet": ["weights/resnet18-f37072fd.pth"], "random": []}
    return named.get(CFG.deep.init, [CFG.deep.init])


def banner_start():
    """One line on what will run."""
    kind = "SYNTHETIC study" if CFG.synthetic else "Study"
    names = ", ".join(c.name for c in CFG.centers)
    return f"OsteoCXR: {kind} with {len(CFG.centers)} centre(s): {names}. Logs: logs/, results: results/."


def banner_success():
    """Where the results lie."""
    return "OsteoCXR: done. Open results/report.html; tables lie in results/statistics and results/tables."


def banner_error():
    """Where to look after a failure."""
    return (
        "OsteoCXR: a job failed. Its log (logs/<rule>/...) ends with a line 'ERROR: ...' that says what to mend. "
        "What is done is kept; run the same command again to go on."
    )
