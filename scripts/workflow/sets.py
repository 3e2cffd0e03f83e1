"""What the rules ask of the sets: train, internal_test and each external centre."""

from __future__ import annotations

from snakemake.iocontainers import Wildcards

from scripts.common.config import Config
from scripts.common.vocabulary import TRAIN
from scripts.workflow.centers import Centers


class Sets:
    """The sets of a study as its rules see them. Methods that take wildcards are input functions."""

    def __init__(self, config: Config, centers: Centers) -> None:
        self._config = config
        self._centers = centers

    def center(self, name: str) -> str:
        """The centre whose patients make up a set."""
        return self._config.development.name if name in ("train", "internal_test") else name

    def cohort(self, wildcards: Wildcards) -> str:
        """The cohort table of one set; training never sees another set's."""
        if wildcards.set in ("train", "internal_test"):
            return f"results/cohort/{wildcards.set}.csv"
        return f"results/cohort/{wildcards.set}/selected.csv"

    def further_films(self) -> str | list[str]:
        """The table of the training patients' further films, where they train."""
        if self._config.cohort.train_on == "first_film":
            return []
        return f"results/cohort/{self._config.development.name}/further_films.csv"

    def further(self, wildcards: Wildcards) -> str | list[str]:
        """Input function: that table, for the training set alone."""
        return self.further_films() if wildcards.set == TRAIN else []

    def pngs(self, wildcards: Wildcards) -> list[str]:
        """The PNG folders of the centre whose patients make up a set."""
        name = self.center(wildcards.set)
        return [f"results/intake/{name}/png/batch_{b}" for b in self._centers.batches(name)]

    def films(self, wildcards: Wildcards) -> str:
        """The film table of the centre whose patients make up a set."""
        return f"results/intake/{self.center(wildcards.set)}/films.csv"
