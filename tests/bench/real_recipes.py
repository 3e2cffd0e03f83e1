"""Recipes of ``tests.bench.real``: config fragments as whole entries of ``models``, and their results."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import yaml

from scripts.common.config import read_config
from scripts.common.config.files import laid_over, read_config_file
from scripts.common.config.models import NetworkModel, like_others
from scripts.common.errors import StudyError
from scripts.workflow.models import Models
from scripts.workflow.params import plain
from tests.bench.real_studies import ROOT, Study

ANCHOR = "anchor"
"""The recipe that the others are compared with."""

RECIPES = Path(__file__).with_name("real_recipes.yaml")


@dataclass(frozen=True)
class Recipe:
    """A model's entry without ``like``, ``role`` and ``label``, and the sections that go with it."""

    name: str
    model: Mapping[str, Any]
    cohort: Mapping[str, Any]
    networks: Mapping[str, Any]

    def with_seeds(self, seeds: int) -> dict[str, Any]:
        """The model's entry with so many networks a fold; a tabular model draws nothing. No recipe is the
        study's main model, so that it needs no main comparison.
        """
        more = {"role": "ablation", "seeds": seeds} if self.network else {"role": "baseline"}
        return {**self.model, **more}

    @property
    def network(self) -> bool:
        return self.model["kind"] in ("hybrid", "whole_film")


def _recipe(name: str, given: Mapping[str, Any], folder: Path) -> Recipe:
    unknown = given.keys() - {"base", "model", "cohort", "networks"}
    if unknown or "model" not in given:
        raise StudyError(f"Recipe '{name}': its keys are model, base, cohort and networks.")
    base = read_config_file(folder / "config.yaml") if "base" in given else {}
    base = laid_over(base, read_config_file(folder / given["base"]) if "base" in given else {})
    models = {**base.get("models", {}), name: given["model"]}
    try:
        entry = like_others(models)[name]
    except ValueError as error:
        raise StudyError(f"Recipe '{name}': {error}.") from None
    entry = {key: value for key, value in entry.items() if key not in ("like", "role", "label")}
    return Recipe(
        name,
        entry,
        laid_over(base.get("cohort", {}), given.get("cohort", {})),
        laid_over(base.get("networks", {}), given.get("networks", {})),
    )


def read_recipes(path: Path = RECIPES, folder: Path = ROOT) -> dict[str, Recipe]:
    """All recipes of a file by name; ``base`` is looked for in ``folder``."""
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _recipe(name, one, folder) for name, one in given.items()}


def _minutes(path: Path, trained: float = 0.0) -> float:
    """Minutes of processor time that Snakemake measured of a job; of one too short to be measured its whole
    time, and of a training that was stopped and went on, which Snakemake saw in part, all of its ``trained``
    seconds.
    """
    with path.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    seen, measured = float(row["s"]), row["cpu_time"]
    if seen < trained:
        return trained / 60
    return (seen if measured in ("NA", "-") else float(measured)) / 60


class Trial:
    """A recipe in a study: what must be made, and its results as rows."""

    def __init__(self, study: Study, recipe: Recipe, seeds: int) -> None:
        self.study, self.recipe = study, recipe
        self.entry = recipe.with_seeds(seeds)
        self.seeds = seeds if recipe.network else 1
        config = read_config(study.config({recipe.name: self.entry}, recipe.networks))
        self._models = Models(config)
        model = config.models[recipe.name]
        told = plain(model)
        for key in ("like", "role", "label", "seeds"):
            told.pop(key, None)
        if isinstance(model, NetworkModel):
            told["cpu_threads"] = config.networks.cpu_threads
        if told.get("embeddings"):
            content = (study.path / told["embeddings"]).read_bytes()
            told["embeddings"] = hashlib.sha256(content).hexdigest()
        told["study"] = study.key
        self.key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a tabular model's fit."""
        return self._models.settings(SimpleNamespace(model=self.recipe.name))

    def _runs(self, seed: int) -> list[str]:
        ending = f"_seed_{seed}" if seed else ""
        return [run for run in self._models.runs(self.recipe.name) if run.partition("_")[0] + ending == run]

    def _clear(self, again: bool) -> None:
        """Take away what another recipe of the name has made; what a stopped bench of this one made stays
        unless it shall be made ``again``. Finished folds come back from the workflow's own store, by their
        key.
        """
        folder = self.study.path / "results/models" / self.recipe.name
        mark = folder / "trial.txt"
        if again or not mark.is_file() or mark.read_text(encoding="utf-8") != self.key:
            shutil.rmtree(folder, ignore_errors=True)
            (self.study.path / f"state/cache/views/{self.recipe.name}/views.json").unlink(missing_ok=True)
            folder.mkdir(parents=True)
            mark.write_text(self.key, encoding="utf-8")

    def train(self, cores: int, external: bool, again: bool = False) -> None:
        """Have the workflow make the recipe's scores."""
        name = self.recipe.name
        self._clear(again)
        targets = [f"results/models/{name}/out_of_fold.csv"]
        if external:
            targets += [f"results/models/{name}/scores/{center}.csv" for center in self.study.externals]
        self.study.run({name: self.entry}, targets, cores, self.recipe.networks)

    def rows(self, external: bool) -> list[dict[str, Any]]:
        """A row for each seed, with the out-of-fold scores of the training patients by image id, and the one
        of the external patients, whose scores are the mean over all trainings.
        """
        folder = self.study.path / "results/models" / self.recipe.name
        times = self.study.path / "benchmarks"
        found = []
        for seed in range(self.seeds):
            if self.recipe.network:
                runs = self._runs(seed)
                table = pd.concat([pd.read_csv(folder / f"fold_{run}/held_out.csv") for run in runs])
                jobs = [times / f"train_fold/{self.recipe.name}_{run}.tsv" for run in runs]
                told = [json.loads((folder / f"fold_{r}/trained_on.json").read_text()) for r in runs]
                minutes = sum(_minutes(job, one.get("seconds", 0)) for job, one in zip(jobs, told))
                more = {"attempts": [one.get("attempts", 1) for one in told]}
                views = times / f"cache_views/{self.recipe.name}.tsv"
                more["views_minutes"] = round(_minutes(views), 2) if views.exists() else 0.0
            else:
                table, more = pd.read_csv(folder / "out_of_fold.csv"), {}
                jobs = [times / f"fit_model/{self.recipe.name}.tsv"]
                jobs += times.glob(f"embed_films/{self.recipe.name}_train.tsv")
                minutes = sum(map(_minutes, jobs))
            found.append(self._row("folds", seed, table, minutes=round(minutes, 2), **more))
        if external:
            tables = [pd.read_csv(folder / f"scores/{center}.csv") for center in self.study.externals]
            found.append(self._row("external", self.seeds, pd.concat(tables)))
        return found

    def _row(self, what: str, seed: int, table: pd.DataFrame, **more: object) -> dict[str, Any]:
        scores = {image: float(f"{score:.9g}") for image, score in zip(table["image_id"], table["score"])}
        told = {"what": what, "task": self.study.task.name, "recipe": self.recipe.name, "key": self.key}
        return {**told, "seed": seed, **more, "scores": scores}
