"""DeLong tests by R's pROC: the only module that touches R.

R runs inside this process through rpy2 in its ABI mode, which needs no compiler. Vectors are built by hand,
the classes and the direction are fixed, so that pROC can neither flip an AUC nor drop a patient.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from scripts.common.errors import StudyError

INSTALL = (
    "Install R with pROC: 'apt-get install -y --no-install-recommends r-base-core r-cran-proc' (Debian,"
    " Ubuntu), or 'conda install -c conda-forge r-base=4.4 r-proc', or in R 'install.packages(\"pROC\")'"
    " (CRAN); or choose 'statistics.engine: numpy' in the config."
)

_TEST = """
function(labels, first, second, confidence) {
  curve <- function(scores) {
    pROC::roc(response = labels, predictor = scores, levels = c(0, 1), direction = "<", quiet = TRUE)
  }
  a <- curve(first)
  b <- curve(second)
  test <- pROC::roc.test(a, b, method = "delong", paired = TRUE, conf.level = confidence)
  c(as.numeric(pROC::auc(a)), as.numeric(pROC::auc(b)), as.numeric(test$statistic), as.numeric(test$p.value))
}
"""


@dataclass(frozen=True)
class PairedTest:
    """What pROC's ``roc.test`` said: AUCs, Z and two-sided P; Z and P are NaN where it can't tell."""

    auc_a: float
    auc_b: float
    z: float
    p_value: float


class Proc:
    """R with pROC, started once per process."""

    def __init__(self) -> None:
        os.environ["RPY2_CFFI_MODE"] = "ABI"
        os.environ["LC_ALL"] = "C.UTF-8"
        try:
            import rpy2.rinterface as rinterface
            import rpy2.rinterface_lib.callbacks as callbacks

            self.said: list[str] = []
            callbacks.consolewrite_print = self.said.append
            callbacks.consolewrite_warnerror = self.said.append
            rinterface.initr()
        except ImportError as error:
            raise StudyError(
                f"The Python package rpy2 is not installed. Run 'make setup'. {INSTALL}"
            ) from error
        except ValueError as error:
            raise StudyError(f"R was not found on this machine. {INSTALL}") from error
        except Exception as error:
            # ffi.error where R lacks a symbol that rpy2 needs: R is too old, or a broken installation
            raise StudyError(f"R could not be started; R 4.1 or later is needed. {INSTALL}") from error
        self._r = rinterface
        has_proc = rinterface.evalr('requireNamespace("pROC", quietly = TRUE)')[0]
        if not has_proc:
            raise StudyError(f"R has no package pROC. {INSTALL}")
        self._test = rinterface.evalr(_TEST)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of R and pROC."""
        ask = self._r.evalr
        return {
            "R": str(ask('paste(R.version$major, R.version$minor, sep = ".")')[0]),
            "pROC": str(ask('as.character(utils::packageVersion("pROC"))')[0]),
        }

    def compare(
        self, labels: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float
    ) -> PairedTest:
        """DeLong's paired test of ``first`` against ``second``, (n,) scores without NaN; both classes must be
        there.
        """
        if np.isnan(first).any() or np.isnan(second).any():
            raise ValueError("pROC drops NaN scores in silence; give none")
        if len(np.unique(labels)) < 2:
            raise ValueError("both classes are needed")
        r = self._r
        try:
            answer = self._test(
                r.IntSexpVector([int(v) for v in labels]),
                r.FloatSexpVector([float(v) for v in first]),
                r.FloatSexpVector([float(v) for v in second]),
                r.FloatSexpVector([confidence]),
            )
        except r.embedded.RRuntimeError as error:
            said = " ".join("".join(self.said[-3:]).split()) or "nothing"
            raise StudyError(
                f"pROC's roc.test failed; R said: {said}. Choose 'statistics.engine: numpy' in the config to"
                " go on without R."
            ) from error
        return PairedTest(*(float(v) for v in answer))


def asked_proc(use_r: bool) -> Proc | None:
    """R with pROC where it is asked for (``statistics.engine: r``)."""
    return Proc() if use_r else None
