"""What the rules ask of the networks: what a training starts from, its settings, memory and device."""

from __future__ import annotations

import json

from snakemake.io import ancient

from scripts.common.config import Config
from scripts.deep.kinds.registry import HYBRID, architecture_class
from scripts.deep.memory_estimate import job_memory_mb
from scripts.workflow.params import plain


def initial_weights(config: Config) -> str | list[str]:
    """The weights file that training starts from; the ImageNet file's content is fixed by its checksum."""
    if config.deep.init == "random":
        return []
    return ancient("weights/resnet18-f37072fd.pth") if config.deep.init == "imagenet" else config.deep.init


def training_settings(config: Config) -> str:
    """All settings that can change a fold's numbers, as JSON for the command line."""
    settings = {
        "seed": config.study.seed,
        "init": config.deep.init,
        "cpu_threads": config.deep.cpu_threads,
        "architecture": plain(config.deep.architecture),
        "training": plain(config.deep.training),
        "augmentation": plain(config.deep.augmentation),
    }
    return json.dumps(settings, sort_keys=True)


def training_memory_mb(config: Config) -> int:
    """Main memory of a fold's job, by the count with which the job itself warns before its first step."""
    training = config.deep.training
    on_gpu = config.deep.gpus_per_fold > 0 and config.deep.device != "cpu"
    architecture = architecture_class(HYBRID)(**plain(config.deep.architecture))
    return job_memory_mb(architecture, training.batch_size, training.precision, on_gpu)


def device_asked(config: Config) -> str:
    """The device that a job of the network is given: where a GPU is asked for, it doesn't go on silently on
    the CPU.
    """
    on_gpu = config.deep.gpus_per_fold > 0 and config.deep.device == "auto"
    return "cuda" if on_gpu else config.deep.device
