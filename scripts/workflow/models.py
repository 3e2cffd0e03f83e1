"""What the rules ask of the models: files of each, who reads whose scores, settings, memory and device.

Methods that take wildcards are input or params functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from snakemake.io import ancient
from snakemake.iocontainers import Wildcards

from scripts.common.config import Config
from scripts.common.vocabulary import TRAIN
from scripts.common.weights_files import imagenet_path
from scripts.networks.kinds.registry import architecture_class, code_of
from scripts.networks.machine.memory import job_memory_mb
from scripts.workflow.params import plain

NOT_SETTINGS = frozenset({"kind", "like", "role", "label", "predictors"})
"""Keys of a model that no fit depends on, or that its rule names apart."""


def _pattern(names: Sequence[str]) -> str:
    """A pattern of the names; one that matches nothing where there are none."""
    return "|".join(names) or "(?!)"


class Models:
    """The models of a study as its rules see them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.columns = config.predictor_types
        self.networks = config.networks_named
        self.tabular = [name for name in config.models if name not in self.networks]
        self.main_network = config.main_network if config.tables is None and self.networks else None
        self.test_sets = config.test_sets

    # ------------------------------------------------------------------------------------ patterns

    def every(self) -> str:
        """All models, as a wildcard's pattern."""
        return _pattern(list(self._config.models))

    def of_networks(self) -> str:
        """The networks, as a wildcard's pattern."""
        return _pattern(self.networks)

    def of_tabular(self) -> str:
        """The other models, as a wildcard's pattern."""
        return _pattern(self.tabular)

    def with_own_embeddings(self) -> str:
        """Models whose embeddings a rule makes, as a wildcard's pattern."""
        return _pattern([n for n in self.tabular if getattr(self._config.models[n], "trunk", None)])

    # --------------------------------------------------------------------------------------- files

    @staticmethod
    def scores(model: str, name: str) -> str:
        """A model's scores of the set ``name``; of training patients the out-of-fold ones."""
        place = "out_of_fold" if name == TRAIN else f"scores/{name}"
        return f"results/models/{model}/{place}.csv"

    def all_scores(self) -> list[str]:
        """The scores of every set and model, a set's models together, in the config's order."""
        return [self.scores(m, name) for name in (TRAIN, *self.test_sets) for m in self._config.models]

    def side(self, model: str) -> int:
        """Side in pixels of the films that a model looks at."""
        entry = self._config.models[model]
        return entry.film_side if model in self.networks else entry.side

    def sides(self) -> list[int]:
        """The sides of films that are cached, smallest first."""
        own = [n for n in self.tabular if getattr(self._config.models[n], "trunk", None)]
        return sorted({self.side(name) for name in (*self.networks, *own)})

    def cache(self, file: str, name: str | None = None, model: str | None = None) -> Callable:
        """Input function: a file of the cache of a set (the wildcard's, or ``name``) for a model likewise."""

        def path(wildcards: Wildcards) -> str:
            side = self.side(model or wildcards.model)
            return f"state/cache/{side}/{name or wildcards.set}/{file}"

        return path

    def runs(self, model: str) -> list[str]:
        """The trainings of a network, by fold and seed: ``0``, ``0_seed_1`` ... ``1`` ..."""
        seeds = self._config.models[model].seeds
        return [
            str(fold) if seed == 0 else f"{fold}_seed_{seed}"
            for fold in range(self._config.cohort.folds)
            for seed in range(seeds)
        ]

    def trained(self, file: str, model: str | None = None) -> Callable[[Wildcards], list[str]]:
        """Input function: a file of each training of a network."""
        return lambda wildcards: self.trained_files(file, model or wildcards.model)

    def trained_files(self, file: str, model: str) -> list[str]:
        """A file of each training of a network, in the order of ``runs``."""
        return [f"results/models/{model}/fold_{run}/{file}" for run in self.runs(model)]

    # ------------------------------------------------------------------------------------ networks

    def initial_weights(self, wildcards: Wildcards) -> str | list[str]:
        """The weights file that a training starts from; the ImageNet file's content is fixed by its
        checksum.
        """
        return self._start(wildcards.model) or []

    def _start(self, name: str) -> str | None:
        """The weights file that a model starts from; None where it starts from none."""
        model = self._config.models[name]
        if getattr(model, "trunk_name", None) is None or model.init == "random":
            return None
        return ancient(imagenet_path(model.trunk_name)) if model.init == "imagenet" else model.init

    def starts(self) -> dict[str, str]:
        """Models that start from a weights file, and the file."""
        found = {name: self._start(name) for name in self._config.models}
        return {name: path for name, path in found.items() if path is not None}

    def trainings(self) -> list[tuple[str, str]]:
        """Every training: network and run."""
        return [(network, run) for network in self.networks for run in self.runs(network)]

    def training_settings(self, wildcards: Wildcards) -> str:
        """All settings that can change a training's numbers, as JSON for the command line."""
        model = self._config.models[wildcards.model]
        settings = {
            "seed": self._config.study.seed,
            "init": model.init,
            "cpu_threads": self._config.networks.cpu_threads,
            "architecture": model.geometry,
            # a kind without local heads has no weight of their loss
            "training": {"local_weight": 0.0, **plain(model.training)},
            "augmentation": plain(model.augmentation),
        }
        return json.dumps(settings, sort_keys=True)

    def kind(self, wildcards: Wildcards) -> str:
        """The kind of a model."""
        return self._config.models[wildcards.model].kind

    def code_of_network(self, code: Callable[..., str], script: str) -> Callable[[Wildcards], str]:
        """Params function: the hash of a rule's script and of the network's kind; other kinds don't count."""
        return lambda wildcards: code(f"scripts/networks/{script}.py", code_of(self.kind(wildcards)))

    def code_of_tabular(self, code: Callable[..., str], script: str) -> Callable[[Wildcards], str]:
        """Params function: the same of a tabular model."""
        return lambda wildcards: code(
            f"scripts/tabular/{script}.py", f"scripts/tabular/kinds/{self.kind(wildcards)}.py"
        )

    def training_memory_mb(self, wildcards: Wildcards, attempt: int) -> int:
        """Main memory of a training's job, by the count with which the job itself warns before its first
        step, for each attempt anew.
        """
        machine, model = self._config.networks, self._config.models[wildcards.model]
        on_gpu = machine.gpus_per_fold > 0 and machine.device != "cpu"
        architecture = architecture_class(model.kind)(**model.geometry)
        options = model.training
        return attempt * job_memory_mb(architecture, options.batch_size, options.precision, on_gpu)

    def device_asked(self) -> str:
        """The device that a job of the networks is given: where a GPU is asked for, it doesn't go on silently
        on the CPU.
        """
        machine = self._config.networks
        return "cuda" if machine.gpus_per_fold > 0 and machine.device == "auto" else machine.device

    def masked_sets(self) -> list[str]:
        """The test sets whose films are scored with parts covered too."""
        return self.test_sets if self._config.networks.masks.sets == "all" else ["internal_test"]

    def trunk(self, wildcards: Wildcards) -> str:
        """The trunk that embeds films for a model."""
        return self._config.models[wildcards.model].trunk

    # ------------------------------------------------------------------------------------- tabular

    def models_read(self, wildcards: Wildcards) -> list[str]:
        """The models whose scores a model predicts from."""
        return [name for name in self._config.models[wildcards.model].reads if name not in self.columns]

    def scores_read(self, name: str | None = None) -> Callable[[Wildcards], list[str]]:
        """Input function: the scores that a model predicts from, of a set (the wildcard's, or ``name``)."""
        return lambda wildcards: [
            self.scores(model, name or wildcards.set) for model in self.models_read(wildcards)
        ]

    def embeddings(self, name: str | None = None) -> Callable[[Wildcards], str | list[str]]:
        """Input function: the embeddings that a model predicts from, of a set likewise."""

        def path(wildcards: Wildcards) -> str | list[str]:
            model = self._config.models[wildcards.model]
            if getattr(model, "trunk", None):
                return f"results/models/{wildcards.model}/embeddings/{name or wildcards.set}.csv"
            return getattr(model, "embeddings", None) or []

        return path

    def given_embeddings(self) -> dict[str, str]:
        """Models whose embeddings the user gave, and the file."""
        found = {name: getattr(model, "embeddings", None) for name, model in self._config.models.items()}
        return {name: path for name, path in found.items() if path is not None}

    def predictors(self, wildcards: Wildcards) -> list[dict[str, Any]]:
        """The predictors of a model with their types, in its order."""
        model = self._config.models[wildcards.model]
        return [self.columns.get(name, _SCORE) | {"name": name} for name in model.reads]

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """The settings of a tabular model's fit."""
        left_out = NOT_SETTINGS | {"embeddings", "trunk", "init", "side"}
        model = plain(self._config.models[wildcards.model])
        return {name: value for name, value in model.items() if name not in left_out}


_SCORE = {"type": "score", "levels": []}
