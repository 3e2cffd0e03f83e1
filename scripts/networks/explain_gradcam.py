"""Heat maps of cases chosen by rule.

A command, so that it runs where PyTorch and NumPy are all there is:
``python -m scripts.networks.explain_gradcam --help``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.common.log import rule_log
from scripts.common.vocabulary import INTERNAL_TEST


def main() -> None:
    """Read the command line and draw the maps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="name of the network")
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="CSV with patient_id, set, label and a column per model",
    )
    parser.add_argument("--thresholds", type=Path, required=True, help="CSV with model, threshold")
    parser.add_argument("--set", default=INTERNAL_TEST, help="set from which cases are chosen")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the set"
    )
    parser.add_argument("--weights", type=Path, required=True, nargs="+", help="weights.pt of every fold")
    parser.add_argument("--cases", type=int, default=2, help="films of each kind: TP, FP, TN, FN")
    parser.add_argument("--random", type=int, default=0, help="further films, drawn from the whole set")
    parser.add_argument("--seed", type=int, default=0, help="seed of that draw")
    parser.add_argument("--cases-csv", type=Path, required=True, help="CSV of the chosen cases")
    parser.add_argument("--maps-npz", type=Path, required=True, help="films and maps as arrays")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; they change the last bits")
    parser.add_argument("--log", type=Path, help="log file")
    given = parser.parse_args()
    with rule_log(given.log, "explain_gradcam") as log:
        from scripts.networks.gradcam import explain_cases

        explain_cases(
            given.model,
            given.predictions,
            given.thresholds,
            given.set,
            given.cache,
            given.weights,
            given.cases,
            given.random,
            given.seed,
            given.cases_csv,
            given.maps_npz,
            given.device,
            given.threads,
            log,
        )


if __name__ == "__main__":
    sys.exit(main())
