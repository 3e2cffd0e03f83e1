"""Binds the config and this run to what the rules need of `scripts/workflow`.

The rules' input functions, lists of files and parameters are the functions imported here.
"""

import atexit
import gc
import hashlib
import os
import sys
import time
from pathlib import Path

from scripts.common.catalogue import result
from scripts.common.language import words_of
from scripts.common.leftover_scripts import remove_leftover_scripts
from scripts.common.remembered_hashes import RememberedHashes
from scripts.workflow import banners
from scripts.workflow.centers import Centers
from scripts.workflow.commands import command_prefix, prepare_conda
from scripts.workflow.models import Models
from scripts.workflow.params import (
    bundle_facts,
    bundle_settings,
    center_labels,
    counted_predictors,
    described_centers,
    performance_of,
    plain,
    shown_predictors,
)
from scripts.workflow.resources import grows, simulation_threads
from scripts.workflow.sets import Sets
from scripts.workflow.targets import (
    cohorts_of_test_sets,
    figure_files,
    final_outputs,
    flow_table,
    own_statistics,
    per_center,
    products,
    recorded_outputs,
)
from scripts.workflow.validation import checked_config, remember_key

STARTED = time.time()

CFG = checked_config(config, workflow.configfiles, workflow.overwrite_configfiles, workflow.is_main_process)
CENTERS = Centers(CFG)
SETS = Sets(CFG, CENTERS)
MODELS = Models(CFG)

# Hashes of the code that rules run; they stand in the rules' params.
CODE_HASHES = RememberedHashes(".snakemake/osteocxr_code_hashes.json")
atexit.register(CODE_HASHES.keep)
code = CODE_HASHES.of

shell.prefix(command_prefix(sys.executable, workflow.basedir, os.environ))
prepare_conda(workflow.basedir, os.environ)

# Planning makes very many objects that stay to the end: looking less often for those that can go saves a
# tenth of its time.
gc.freeze()
gc.set_threshold(500_000)


def file_hash(path):
    """Hash of a file of the repository that is neither code nor config."""
    return hashlib.sha256((Path(workflow.basedir) / path).read_bytes()).hexdigest()[:16]


def marked(name, suffix=""):
    """A result as it stands in Snakemake's report: its path, and of a figure that of its SVG, with caption,
    category and label of the catalogue.
    """
    row = result(name)
    return report(row.file(suffix), **row.mark(suffix))


report: "../report/workflow.rst"


wildcard_constraints:
    center=CENTERS.every(),
    set="|".join(["train", *CFG.test_sets]),
    batch=r"\d+",
    side=r"\d+",
    run=r"\d+(_seed_\d+)?",
    model=MODELS.every(),
