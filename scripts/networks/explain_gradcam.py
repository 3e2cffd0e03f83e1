"""Heat maps of cases chosen by rule.

A command, so that it runs where PyTorch and NumPy are all there is:
``python -m scripts.networks.explain_gradcam --help``
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.common.log import rule_log
from scripts.common.vocabulary import INTERNAL_TEST
from scripts.networks.commands import command


def main() -> None:
    """Read the command line and draw the maps."""
    parser = command(__doc__, "fold_<run>/weights.pt of every training")
    parser.add_argument("--model", required=True, help="name of the network")
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="CSV with patient_id, set, label and a column per model",
    )
    parser.add_argument("--thresholds", type=Path, required=True, help="CSV with model, threshold")
    parser.add_argument(
        "--learning", type=Path, required=True, help="CSV with model, fold, learned: did it learn?"
    )
    parser.add_argument("--set", default=INTERNAL_TEST, help="set from which cases are chosen")
    parser.add_argument("--cases", type=int, default=2, help="most films of each kind: TP, FP, TN, FN")
    parser.add_argument("--random", type=int, default=0, help="further films, drawn from the whole set")
    parser.add_argument("--seed", type=int, default=0, help="seed of that draw")
    parser.add_argument("--cases-csv", type=Path, required=True, help="CSV of the chosen cases")
    parser.add_argument("--maps-npz", type=Path, required=True, help="films and maps as arrays")
    given = parser.parse_args()
    with rule_log(given.log, "explain_gradcam") as log:
        from scripts.networks.gradcam import explain_cases

        explain_cases(
            given.model,
            given.predictions,
            given.thresholds,
            given.learning,
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
