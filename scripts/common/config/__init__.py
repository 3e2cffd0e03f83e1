"""The typed model of ``config.yaml``: validation, the JSON schema and the reference page come from it.

A module a section; ``whole`` puts them together, ``reading`` refuses what doesn't fit, ``paths`` looks for
the files that are named.
"""

from scripts.common.config.centers import Center, IdNormaliser, with_sources
from scripts.common.config.cohort import Cohort
from scripts.common.config.intake import Exposure, FrontalView, Intake, Ocr
from scripts.common.config.models import KINDS, Hybrid, Trees
from scripts.common.config.paths import check_paths
from scripts.common.config.reading import read_config
from scripts.common.config.source_tables import DxaTable, ImageTable, PatientTable, PredictorColumn
from scripts.common.config.statistics import Figures
from scripts.common.config.whole import Config

__all__ = [
    "Center",
    "Cohort",
    "Config",
    "DxaTable",
    "Exposure",
    "Figures",
    "FrontalView",
    "Hybrid",
    "IdNormaliser",
    "ImageTable",
    "Intake",
    "KINDS",
    "Ocr",
    "PatientTable",
    "PredictorColumn",
    "Trees",
    "check_paths",
    "read_config",
    "with_sources",
]
