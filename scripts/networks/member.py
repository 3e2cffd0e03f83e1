"""One of the trainings of a network: which model, which fold is held out, which of its seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scripts.common.errors import StudyError
from scripts.common.seeds import sub_seed

_RUN = re.compile(r"(\d+)(?:_seed_([1-9]\d*))?")


@dataclass(frozen=True)
class Member:
    """A member of the ensemble that gives a model's score.

    Attributes
    ----------
    model : its name, for messages and the lock alone; no number depends on it
    fold : the fold that is held out, from 0
    seed : which of the model's ``seeds``, from 0
    attempt : 2 where the training began once more, since it had learned nothing
    """

    model: str
    fold: int
    seed: int = 0
    attempt: int = 1

    @classmethod
    def of_run(cls, model: str, run: str) -> Member:
        """The member whose folder is ``fold_<run>``, such as ``2`` or ``2_seed_1``; raises ``StudyError``."""
        found = _RUN.fullmatch(run)
        if found is None:
            raise StudyError(f"--run '{run}' is no training. Pass a fold such as 2, or 2_seed_1.")
        return cls(model, int(found[1]), int(found[2] or 0))

    @property
    def run(self) -> str:
        """Its name among the trainings of the model."""
        return f"{self.fold}_seed_{self.seed}" if self.seed else str(self.fold)

    def __str__(self) -> str:
        seed = f", seed {self.seed}" if self.seed else ""
        attempt = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{self.model}, fold {self.fold}{seed}{attempt}"

    def key(self, setting: str) -> str:
        """Where the config says a setting of the model, such as ``training.batch_size``."""
        return f"models.{self.model}.{setting}"

    def sub_seed(self, seed: int, purpose: str, *at: object) -> int:
        """The sub-seed of the study's ``seed`` for ``purpose`` (init, order, augment, dropout) ``at`` a step.

        The model's name is not in it: two networks with the same settings get the same weights.
        """
        further = (f"seed_{self.seed}",) if self.seed else ()
        further += (f"attempt_{self.attempt}",) if self.attempt > 1 else ()
        return sub_seed(seed, f"deep/{purpose}", self.fold, *at, *further)
