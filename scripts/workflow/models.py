"""What the rules ask of the models: files of each, who reads whose scores, settings, memory and device.

Methods that take wildcards are input or params functions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from snakemake.io import ancient
from snakemake.iocontainers import Namedlist, Wildcards

from scripts.common.config import Config
from scripts.common.config.models import order_of
from scripts.common.dotted_names import file_of
from scripts.common.errors import StudyError
from scripts.common.vocabulary import TRAIN
from scripts.common.weights_files import imagenet_path
from scripts.networks.kinds.registry import architecture_class, code_of
from scripts.networks.machine.memory import job_memory_mb, memory_options
from scripts.networks.trunks.registry import class_of_trunk
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

    # --------------------------------------------------------------------------------------- names

    def named(self, *, role: str = "", kind: str = "") -> list[str]:
        """Names of the models, in order: all, or those of a role, or of a kind; of own tables those given."""
        return [
            model["name"]
            for model in self._config.shown_models()
            if role in ("", model["role"]) and kind in ("", model["kind"])
        ]

    def own_predictors(self, *, role: str) -> dict[str, str]:
        """The study's own predictors (name and type) that the models of a role read."""
        read = {name for model in self.shown(role) for name in model["predictors"]}
        return {name: one.type for name, one in self._config.predictors.items() if name in read}

    def shown(self, role: str) -> list[dict[str, Any]]:
        """The models of a role as scripts that show them are told (``Config.shown_models``)."""
        return [model for model in self._config.shown_models() if model["role"] == role]

    def tested(self) -> list[str]:
        """Those that are tested against the baselines: the main network, and the first of the primary
        contrast.
        """
        return list(dict.fromkeys([self.main_network, *(self._config.statistics.primary_contrast or ())[:1]]))

    def networks_compared(self) -> dict[str, str]:
        """Role of each network, the main network first."""
        order = sorted(self.networks, key=lambda name: name != self.main_network)
        return {name: self._config.models[name].role for name in order}

    # --------------------------------------------------------------------------------------- files

    @staticmethod
    def scores(model: str, name: str) -> str:
        """A model's scores of the set ``name``; of training patients the out-of-fold ones."""
        place = "out_of_fold" if name == TRAIN else f"scores/{name}"
        return f"results/models/{model}/{place}.csv"

    def scores_of(self, models: Sequence[str]) -> list[str]:
        """The scores of some models in every test set, a model's together."""
        return [self.scores(model, name) for model in models for name in self.test_sets]

    def masked_scores(self) -> list[str]:
        """The scores of films with parts covered, of the main network."""
        return [f"results/models/{self.main_network}/masked/{name}.csv" for name in self.masked_sets()]

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

    def weights_to_pack(self, wildcards: Wildcards) -> list[str]:
        """The weights of a network for its bundle. Raises ``StudyError`` for a name that is none."""
        if wildcards.model not in self.networks:
            raise StudyError(
                f"MODEL: the study has no network '{wildcards.model}'; its networks are"
                f" {', '.join(self.networks)}."
            )
        return self.trained_files("weights.pt", wildcards.model)

    def without_network(self) -> list[str]:
        """Models whose scores are there before any network is trained: neither they nor what they read is
        one. None of own tables.
        """
        if self._config.tables is not None:
            return []
        found: set[str] = set()
        for name in order_of(self._config.models, list(self.columns)):
            if name in self.tabular and found.issuperset(self._models_read(name)):
                found.add(name)
        return [name for name in self.tabular if name in found]

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

    def views(self, wildcards: Wildcards) -> str | list[str]:
        """Input function: the record of the views that a training draws from, where they are kept."""
        kept = self._config.models[wildcards.model].training.views > 0
        return f"state/cache/views/{wildcards.model}/views.json" if kept else []

    def views_mb(self, wildcards: Wildcards, input: Namedlist) -> int:
        """Space on the disk for a network's views, MB; 0 where the job alone can say it."""
        options = self._config.models[wildcards.model].training
        architecture = self._architecture(wildcards.model)
        films = Path(input.films).stat().st_size / (2 * architecture.side**2)
        numbers = architecture.view_numbers(options.trained_stages) or 0
        return math.ceil(2 * films * (1 + options.views) * numbers / 1e6)

    def with_views(self) -> str:
        """The networks whose films' views are kept, as a wildcard's pattern."""
        return _pattern([n for n in self.networks if self._config.models[n].training.views])

    def code_of_bundle(self, code: Callable[..., str]) -> Callable[[Wildcards], str]:
        """Params function: the hash of what makes a bundle of a network's kind."""
        return lambda wildcards: code("scripts/bundle/make_bundle.py", *self._code(wildcards))

    def _code(self, wildcards: Wildcards) -> list[str]:
        return code_of(self.kind(wildcards), self._architecture(wildcards.model))

    def _architecture(self, network: str) -> Any:
        model = self._config.models[network]
        return architecture_class(model.kind)(**model.geometry)

    def starts(self) -> dict[str, str]:
        """Models that start from a weights file, and the file."""
        found = {name: self._start(name) for name in self._config.models}
        return {name: path for name, path in found.items() if path is not None}

    def learning(self) -> dict[str, str]:
        """Models of which is told whether they learned, networks and those on embeddings: what each began
        from (``start`` of LEARNING).
        """
        found = {}
        for name, model in self._config.models.items():
            if name in self.networks:
                found[name] = model.init if model.init in ("random", "imagenet") else "file"
            elif model.kind == "features":
                found[name] = "embeddings"
        return found

    def trainings(self) -> list[tuple[str, str]]:
        """Every training: network and run."""
        return [(network, run) for network in self.networks for run in self.runs(network)]

    def training_settings(self, wildcards: Wildcards) -> str:
        """All settings that can change a training's numbers, as JSON for the command line."""
        return json.dumps(self._config.training_settings(wildcards.model), sort_keys=True)

    def kind(self, wildcards: Wildcards) -> str:
        """The kind of a model."""
        return self._config.models[wildcards.model].kind

    def code_of_network(self, code: Callable[..., str], script: str) -> Callable[[Wildcards], str]:
        """Params function: the hash of a rule's script and of the network's kind and trunk; others don't
        count.
        """
        return lambda wildcards: code(f"scripts/networks/{script}.py", *self._code(wildcards))

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
        architecture, options = self._architecture(wildcards.model), model.training
        return attempt * job_memory_mb(
            architecture, options.batch_size, options.precision, on_gpu, **memory_options(options)
        )

    def parameter_counts(self, wildcards: Wildcards) -> dict[str, int]:
        """Weights of each network, all that are learned."""
        return {name: self._architecture(name).parameter_count() for name in self.networks}

    def device_asked(self) -> str:
        """The device that a job of the networks is given: where a GPU is asked for, it doesn't go on silently
        on the CPU.
        """
        machine = self._config.networks
        return "cuda" if machine.gpus_per_fold > 0 and machine.device == "auto" else machine.device

    def masked_sets(self) -> list[str]:
        """The test sets whose films are scored with parts covered too."""
        return self.test_sets if self._config.networks.masks.sets == "all" else ["internal_test"]

    def code_of_embeddings(self, code: Callable[..., str]) -> Callable[[Wildcards], str]:
        """Params function: the hash of what embeds films, and of the trunk."""
        return lambda wildcards: code(
            "scripts/networks/embed_films.py", file_of(class_of_trunk(self.trunk(wildcards)))
        )

    def trunk(self, wildcards: Wildcards) -> str:
        """The trunk that embeds films for a model."""
        return self._config.models[wildcards.model].trunk

    def grid(self, wildcards: Wildcards) -> int:
        """Cells in a row and in a column of each film that is embedded for a model."""
        return self._config.models[wildcards.model].grid

    # ------------------------------------------------------------------------------------- tabular

    def _models_read(self, model: str) -> list[str]:
        return [name for name in self._config.models[model].reads if name not in self.columns]

    def scores_read(self, wildcards: Wildcards) -> list[str]:
        """Input function: the training patients' scores that a model is fitted to."""
        return [self.scores(model, TRAIN) for model in self._models_read(wildcards.model)]

    def embeddings(self, wildcards: Wildcards) -> str | list[str]:
        """Input function: the embeddings of the training films that a model is fitted to."""
        return self._embeddings(wildcards.model, TRAIN)

    def _embeddings(self, model: str, name: str) -> str | list[str]:
        entry = self._config.models[model]
        if getattr(entry, "trunk", None):
            return f"results/models/{model}/embeddings/{name}.csv"
        return getattr(entry, "embeddings", None) or []

    def networks_read(self, wildcards: Wildcards) -> list[str]:
        """Input function: the scores of a set by every network that a tabular model reads."""
        read = {name for model in self.tabular for name in self._models_read(model)}
        return [self.scores(name, wildcards.set) for name in self.networks if name in read]

    def all_embeddings(self, wildcards: Wildcards) -> list[str]:
        """Input function: the embeddings of a set for every model that has some, in the models' order."""
        return [path for name in self.tabular if (path := self._embeddings(name, wildcards.set))]

    def kinds_in_use(self) -> list[str]:
        """The modules of the tabular models' kinds."""
        kinds = sorted({self._config.models[name].kind for name in self.tabular})
        return [f"scripts/tabular/kinds/{kind}.py" for kind in kinds]

    def described(self) -> list[dict[str, Any]]:
        """What scoring needs to know of each tabular model, those first whose scores others read."""
        return [
            {
                "name": name,
                "kind": self._config.models[name].kind,
                "predictors": self._predictors(name),
                "embeddings": bool(self._embeddings(name, TRAIN)),
            }
            for name in order_of(self._config.models, list(self.columns))
            if name in self.tabular
        ]

    def given_embeddings(self) -> dict[str, str]:
        """Models whose embeddings the user gave, and the file."""
        found = {name: getattr(model, "embeddings", None) for name, model in self._config.models.items()}
        return {name: path for name, path in found.items() if path is not None}

    def predictors(self, wildcards: Wildcards) -> list[dict[str, Any]]:
        """The predictors of a model with their types, in its order."""
        return self._predictors(wildcards.model)

    def _predictors(self, model: str) -> list[dict[str, Any]]:
        names = self._config.models[model].reads
        return [self.columns.get(name, _SCORE) | {"name": name} for name in names]

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """The settings of a tabular model's fit."""
        left_out = NOT_SETTINGS | {"embeddings", "trunk", "init", "side", "grid"}
        model = plain(self._config.models[wildcards.model])
        return {name: value for name, value in model.items() if name not in left_out}


_SCORE = {"type": "score", "levels": []}
