"""The whole ``config.yaml``, and what must fit between its sections."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import Field, field_validator, model_validator

from scripts.common.config.centers import Center, with_sources
from scripts.common.config.cohort import Cohort
from scripts.common.config.intake import Intake
from scripts.common.config.models import (
    AnyModel,
    NetworkModel,
    check_names,
    like_others,
    order_of,
    shipped_models,
)
from scripts.common.config.networks import Networks
from scripts.common.config.own_tables import OwnTables
from scripts.common.config.report import Report
from scripts.common.config.section import Section
from scripts.common.config.shown_names import (
    refuse_alike,
    words_beside_centers,
    words_beside_models,
    words_beside_predictors,
)
from scripts.common.config.source_tables import PredictorColumn
from scripts.common.config.statistics import Statistics
from scripts.common.config.study import Study
from scripts.common.predictors import NUMBER, Predictor
from scripts.common.vocabulary import CLINICAL, DEVELOPMENT, EXTERNAL, INTERNAL_TEST


class Config(Section):
    """The whole ``config.yaml``."""

    study: Study = Field(default_factory=Study, description="The study as a whole.")
    centers: list[Center] = Field(
        [], description="The centres: exactly one development centre, any number of external ones."
    )
    intake: Intake = Field(
        default_factory=Intake, description="De-identification, conversion and exposure screening."
    )
    cohort: Cohort = Field(default_factory=Cohort, description="Selection, label and split.")
    networks: Networks = Field(
        default_factory=Networks, description="Where networks are trained, how they score, maps and masks."
    )
    models: dict[str, AnyModel] = Field(
        default_factory=shipped_models,
        description=(
            "The models, by name, in the order of tables and figures: any number of any kind. `<name>: null`"
            " takes a model away that another file gives."
        ),
    )
    statistics: Statistics = Field(default_factory=Statistics, description="Tables, tests and figures.")
    report: Report = Field(default_factory=Report, description="The report.")
    handover: str | None = Field(
        None,
        description=(
            "For a site whose films stay in the house: the centre whose intake is run, alone, and handed over"
            " as a de-identified folder. `make handover CENTER=<name>` sets it. No development centre is"
            " needed then."
        ),
    )

    tables: OwnTables | None = Field(
        None,
        description=(
            "Statistics from tables of scores that were made elsewhere (`make statistics`,"
            " docs/own_tables.md). No centre is needed then, and nothing but statistics is made."
        ),
    )

    @property
    def labels(self) -> dict[str, str]:
        """The names that figures show and the config gives, by their keys."""
        shown = {f"centers[{c.name}].label": c.label for c in self.centers if c.label}
        shown |= self._predictor_words()
        if self.tables is None:
            language = self.study.language
            shown |= {f"models.{name}.label": m.shown(name, language) for name, m in self.models.items()}
        else:
            shown |= {f"tables.labels.{key}": label for key, label in self.tables.labels.items()}
            shown |= {
                f"tables.{kind}: '{name}'": name
                for kind in ("models", "sets", "centers")
                for name in getattr(self.tables, kind)
                if name not in self.tables.labels
            }
        return shown

    def _predictor_words(self) -> dict[str, str]:
        """What tables show of the predictors (label, unit, levels), by their keys."""
        return {
            f"centers[{one.centers[0]}].patients.predictors.{name}": " ".join(
                (one.label, one.unit or "", *one.levels)
            )
            for name, one in self.predictors.items()
        }

    def _check_names(self) -> None:
        """Names reach Snakemake's parameters, where braces mean a wildcard and angle brackets in a path a
        variable.
        """
        named = {f"centers[{c.name}].label": c.label for c in self.centers if c.label}
        named |= {
            f"models.{n}.label": f"{m.label.en} {m.label.zh}" for n, m in self.models.items() if m.label
        }
        named |= self._predictor_words()
        named |= {"statistics.prevalences: label": " ".join(one.label for one in self.statistics.prevalences)}
        if self.tables is not None:
            named |= {f"tables.labels.{key}": f"{key} {label}" for key, label in self.tables.labels.items()}
        for where, name in named.items():
            if set(name) & set("{}"):
                raise ValueError(f"{where}: '{name}' holds a brace; write it without {{ and }}")

    @model_validator(mode="after")
    def _centres(self) -> Config:
        self._check_names()
        if self.tables is not None:
            if self.centers:
                raise ValueError(
                    "tables: this section belongs to `make statistics` (docs/own_tables.md), which writes"
                    " into a folder of its own; a study with centres has none"
                )
            return self
        if not self.centers:
            raise ValueError("centers: give at least one centre")
        if self.handover is None:
            self._check_models()
        names = [c.name for c in self.centers]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"centers: the name '{twice[0]}' is used twice; every centre needs its own")
        if self.handover is not None:
            self._check_handover(names)
        shown = [c.label or c.name for c in self.running]
        refuse_alike("centers", "centres", shown, words_beside_centers(self.study.language))
        developers = [c.name for c in self.centers if c.role == DEVELOPMENT]
        if len(developers) > 1:
            found = " and ".join(f"'{d}'" for d in developers)
            raise ValueError(f"centers: exactly one centre must have the role 'development'; found {found}")
        if not developers and self.handover is None:
            raise ValueError(
                "centers: exactly one centre must have the role 'development'; found none (a site that only"
                " hands a centre over runs 'make handover CENTER=<name>', or writes 'handover: <name>')"
            )
        self._check_predictors()
        if self.study.key_file is None and any(c.simulate is None for c in self.centers):
            raise ValueError(
                "study.key_file: a study of real patients needs a key; run 'make key' once and write "
                "'key_file: private/study.key' under 'study'"
            )
        return self

    def _check_models(self) -> None:
        """Refuse models that can't be told apart, that read what isn't there, or that the study names but
        doesn't have (``ValueError``).
        """
        check_names(self.models)
        if not self.models:
            raise ValueError(
                "models: every model is taken away; give one with the role main, and a network (kind hybrid)"
            )
        self._check_trained()
        order_of(self.models, list(self.predictor_types))
        main, networks = self.with_role("main"), self.networks_named
        shared = next((name for name in self.predictors if name in self.models), None)
        if shared is not None:
            raise ValueError(
                f"models.{shared}: a patient table maps a predictor of this name too; give one of them"
                " another name"
            )
        if not main:
            raise ValueError("models: none has the role 'main'; Table 2 and the figures need one")
        named = next((name for name in self.with_role("ablation") if name not in networks), None)
        if named is not None:
            raise ValueError(
                f"models.{named}.role: an ablation is a network; give '{named}' the role baseline or main"
            )
        if not networks:
            raise ValueError("models: none is a network; heat maps, masks and bundle need one (kind hybrid)")
        if self.main_network not in networks or self.models[self.main_network].role != "main":
            raise ValueError(
                f"study.main_network: '{self.main_network}' is no main network of the study; the networks"
                f" are {', '.join(networks)}"
            )
        language = self.study.language
        shown = {name: model.shown(name, language) for name, model in self.models.items()}
        osta = [shown[name] for name, model in self.models.items() if model.kind == "osta"]
        refuse_alike("models", "models", list(shown.values()), words_beside_models(language, osta))
        self.networks.masks.check_side(self.models[self.main_network].film_side)
        self._check_contrast(main)
        for name in self.statistics.figures.colors:
            if name not in self.models:
                near = difflib.get_close_matches(name.lower(), self.models, n=1)
                advice = f"did you mean '{near[0]}'?" if near else f"the models are {', '.join(self.models)}"
                raise ValueError(f"statistics.figures.colors: there is no model '{name}'; {advice}")

    def _check_trained(self) -> None:
        """Refuse a model on a predictor that nobody who trains has a value of (``ValueError``)."""
        for model, entry in self.models.items():
            for name in entry.reads:
                if name in self.predictors and name not in self.predictor_types:
                    (center, *_) = self.predictors[name].centers
                    raise ValueError(
                        f"models.{model}.predictors: '{name}' is a predictor of centre '{center}' and not of"
                        " the development centre, whose patients the model is fitted to; map it under"
                        " 'patients.predictors' there too, or take it out"
                    )

    def _check_contrast(self, main: list[str]) -> None:
        """Refuse a main comparison that isn't of two main models (``ValueError``)."""
        contrast = self.statistics.primary_contrast
        if contrast is None:
            if len(main) > 1:
                raise ValueError(
                    "statistics.primary_contrast: the study declares its main comparison, two of its main"
                    f" models, such as [{main[-1]}, {main[0]}]"
                )
            return
        unknown = [name for name in contrast if name not in main]
        if unknown or len(set(contrast)) < 2:
            said = f"there is no main model '{unknown[0]}'" if unknown else "it names one model twice"
            give = f"give two of {', '.join(main)}" if len(main) > 1 else "write null where there is one"
            raise ValueError(f"statistics.primary_contrast: {said}; {give}")

    def _check_handover(self, names: list[str]) -> None:
        """Refuse a hand-over of a centre that isn't there or has nothing to hand over (``ValueError``)."""
        if self.handover not in names:
            near = difflib.get_close_matches(str(self.handover), names, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"the config has: {', '.join(names)}"
            raise ValueError(f"handover: there is no centre '{self.handover}' ({advice})")
        center = self.center(self.handover)
        kind = "is simulated" if center.simulate else "was handed over itself" if center.deidentified else ""
        if kind:
            raise ValueError(
                f"handover: centre '{center.name}' {kind}; only a site's own films and tables are handed over"
            )

    @field_validator("models", mode="before")
    @classmethod
    def _taken_away(cls, given: Any) -> Any:
        """Leave out the models that a file laid over another one takes away, and resolve ``like``."""
        if isinstance(given, dict):
            return like_others({name: entry for name, entry in given.items() if entry is not None})
        return given

    def with_role(self, role: str) -> list[str]:
        """Names of the models with a role, in the config's order."""
        return [name for name, model in self.models.items() if model.role == role]

    @property
    def networks_named(self) -> list[str]:
        """Names of the models that are networks, in the config's order."""
        return [name for name, model in self.models.items() if isinstance(model, NetworkModel)]

    @property
    def from_random_weights(self) -> list[str]:
        """Networks of a study of real films that start from random weights and so learn little of them."""
        networks = [] if self.synthetic else self.networks_named
        return [name for name in networks if self.models[name].init == "random"]

    @property
    def main_network(self) -> str:
        """The network that maps, masks, audit and bundle look at."""
        if self.study.main_network is not None:
            return self.study.main_network
        networks = self.networks_named
        return next((name for name in networks if self.models[name].role == "main"), networks[0])

    def training_settings(self, network: str) -> dict[str, Any]:
        """All settings that can change the numbers of a network's trainings, as ``train_fold`` takes them."""
        model = self.models[network]
        return {
            "seed": self.study.seed,
            "init": model.init,
            "cpu_threads": self.networks.cpu_threads,
            "architecture": model.geometry,
            # a kind without local heads has no weight of their loss
            "training": {"local_weight": 0.0, **model.training.model_dump(mode="json")},
            "augmentation": model.augmentation.model_dump(mode="json"),
        }

    @property
    def predictor_types(self) -> dict[str, dict[str, Any]]:
        """The columns of the cohort that a model can predict from: their ``type`` (number, sex, yes_no,
        category) and a category's ``levels``. Those that only other centres have are none: nobody who trains
        has a value of them.
        """
        own = {name: {"type": "sex" if name == "sex" else NUMBER, "levels": []} for name in CLINICAL}
        trained = [name for c in self.centers if c.role == DEVELOPMENT for name in self.predictors_of(c.name)]
        further = {
            name: {"type": one.type, "levels": list(one.levels)}
            for name, one in self.predictors.items()
            if name in trained
        }
        return own | further

    def shown_models(self) -> list[dict[str, Any]]:
        """The models as scripts are told of them: name, label, role, kind, whether it is a network, and what
        it reads.
        """
        if self.tables is not None:
            return [
                {"name": name, "label": self.tables.labels.get(name, name), "role": "main", "kind": "given"}
                | {"network": False, "predictors": []}
                for name in self.tables.models
            ]
        return [
            {
                "name": name,
                "label": model.shown(name, self.study.language),
                "role": model.role,
                "kind": model.kind,
                "network": isinstance(model, NetworkModel),
                "predictors": list(model.reads),
            }
            for name, model in self.models.items()
        ]

    @property
    def running(self) -> list[Center]:
        """The centres whose intake this run does: all, or the one that is handed over."""
        return self.centers if self.handover is None else [self.center(self.handover)]

    @property
    def development(self) -> Center:
        """The centre that trains."""
        return next(c for c in self.centers if c.role == DEVELOPMENT)

    @property
    def external(self) -> list[Center]:
        """The external centres, in the order of the config."""
        return [c for c in self.centers if c.role == EXTERNAL]

    @property
    def test_sets(self) -> list[str]:
        """``internal_test`` and the external centres' names; of own tables their sets."""
        if self.tables is not None:
            return self.tables.sets
        return [INTERNAL_TEST, *(c.name for c in self.external)]

    @property
    def synthetic(self) -> bool:
        """True when any centre is simulated: then every figure, table and report says so."""
        if self.tables is not None:
            return self.tables.synthetic
        return any(c.simulate is not None for c in self.centers)

    def center(self, name: str) -> Center:
        """The centre called ``name``."""
        return next(c for c in self.centers if c.name == name)

    @property
    def predictors(self) -> dict[str, Predictor]:
        """The predictors that the centres' patient tables map, by name, in the config's order, those of the
        development centre first.
        """
        found: dict[str, Predictor] = {}
        for name, by_center in self._predictor_columns().items():
            first = next(iter(by_center.values()))
            label = next((one.label for one in by_center.values() if one.label is not None), None)
            shown = name if label is None else getattr(label, self.study.language)
            found[name] = Predictor(name, first.type, first.levels, first.unit, shown, tuple(by_center))
        return found

    def predictors_of(self, center: str) -> dict[str, str]:
        """Names and types of the predictors that stand in a centre's part of the cohort: the development
        centre's and its own; of a centre that was handed over all that the study knows.

        So a predictor that another centre brings changes nothing that is trained.
        """
        entry = self.center(center)
        return {
            name: one.type
            for name, one in self.predictors.items()
            if entry.deidentified is not None or {center, self.development.name} & {*one.centers}
        }

    def _predictor_columns(self) -> dict[str, dict[str, PredictorColumn]]:
        """Each predictor's columns by centre, the development centre first: no other changes its order."""
        found: dict[str, dict[str, PredictorColumn]] = {}
        for center in map(with_sources, sorted(self.centers, key=lambda c: c.role != DEVELOPMENT)):
            for name, one in center.patients.predictors.items() if center.patients else ():
                found.setdefault(name, {})[center.name] = one
        return found

    def _check_predictors(self) -> None:
        """Refuse a predictor that is not the same in two centres, and two that look the same
        (``ValueError``).
        """
        for name, by_center in self._predictor_columns().items():
            (first, one), *others = by_center.items()
            for center, other in others:
                for what in ("type", "levels", "unit"):
                    mine, theirs = getattr(one, what), getattr(other, what)
                    if mine != theirs and not (what == "levels" and set(mine) == set(theirs)):
                        raise ValueError(
                            f"centers[{center}].patients.predictors.{name}.{what}: it must be as in centre"
                            f" '{first}', since a predictor is the same in all centres; make them alike, or"
                            " give this one another name"
                        )
        titles = [one.title for one in self.predictors.values()]
        refuse_alike(
            "patients.predictors", "predictors", titles, words_beside_predictors(self.study.language)
        )
