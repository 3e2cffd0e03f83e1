"""Say what of this machine and this config a run would stumble over, and the line that fixes it: ``make
doctor``.

    python3 -m scripts.check.doctor [--configfile config/mine.yaml ...]

It needs Python alone, so that it can tell what is missing where nothing is set up yet; what it can't look at
without the Python environment it says. It changes nothing, reads no film's content, and prints nothing of a
patient and no path but those of the config. Last it times some steps of each network, about 20 s each.
"""

from __future__ import annotations

import argparse
import csv
import functools
import importlib.metadata
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scripts.common.errors import StudyError
from scripts.common.progress import random_weights
from scripts.common.standards import SHA256_LIST

if TYPE_CHECKING:
    from scripts.common.config import Config
    from scripts.common.config.models import Features, NetworkModel

ROOT = Path(__file__).resolve().parents[2]
GB = 10**9
ENVIRONMENT_GB, SIMULATED_GB = 9, 2
"""Space that the Python environment takes, and that a study of simulated centres of the shipped size
takes.
"""

OLDEST_PYTHON = (3, 11)
R_LINE = "apt-get install -y --no-install-recommends r-base-core r-cran-proc"
SLURM_PROFILE = Path("profiles/slurm/config.yaml")
FIRST_LOOK_SECONDS = 40
"""After how long the SLURM plugin first asks for a job's state, where the profile doesn't say."""

NO_CLUSTER = "Could not establish a configuration source"
"""What SLURM's commands say on a machine that belongs to no cluster."""

TIME_STEPS = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from scripts.networks.time_steps import main
sys.exit(main())
"""
"""Times a network's steps: the repository's root, then the arguments of the command."""

TIMED_SECONDS = 20
"""About how long a network is timed."""

LONG_HOURS = 3
"""Trainings of more hours on a CPU are worth another config."""

TRY_WEIGHTS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from scripts.common.errors import StudyError
from scripts.networks.kinds.registry import architecture_class, new_network
try:
    network = new_network(sys.argv[2], architecture_class(sys.argv[2])(**json.loads(sys.argv[3])))
    network.load_initial(Path(sys.argv[1]).read_bytes())
except StudyError as error:
    print(error)
"""
"""Prints why a weights file doesn't fit a network: its path, the kind, the architecture as JSON, the
repository's root.
"""


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes
    ----------
    about : what, in a word or two
    state : ``ok``, ``note`` (a run works, but) or ``fix`` (a run fails)
    said : what was found
    line : what to type or write, where something can be done
    """

    about: str
    state: str
    said: str
    line: str = ""


class Answer(NamedTuple):
    """What a command said: its exit status and its output; status 124 where it did not answer in time."""

    status: int
    text: str


def ask(*command: str, seconds: float = 30) -> Answer | None:
    """Run a command; None where there is no such program."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return Answer(124, "no answer")
    except OSError as error:
        return Answer(126, error.strerror or "")
    return Answer(done.returncode, done.stdout)


# ---------------------------------------------------------------------------------------------- this machine


def check_python() -> Iterator[Finding]:
    """The Python that runs, and whether the packages that a run needs have their pinned versions."""
    version = ".".join(map(str, sys.version_info[:3]))
    if tuple(sys.version_info[:2]) < OLDEST_PYTHON:
        yield Finding(
            "Python",
            "fix",
            f"{version}; 3.11 or newer is needed",
            "apt-get install -y python3 python3-venv   (Debian 12 or newer, Ubuntu 24.04)",
        )
        return
    import tomllib  # since 3.11

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    pins = dict(
        re.findall(
            r"(?m)^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "envs/requirements.txt").read_text(encoding="utf-8")
        )
    )
    missing, other = [], []
    for name in (re.match(r"[A-Za-z0-9._-]+", one)[0] for one in wanted):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if found.partition("+")[0] != pins.get(name.lower(), found):
            other.append(f"{name} {found} (pinned: {pins[name.lower()]})")
    if missing:
        yield Finding(
            "Python",
            "fix",
            f"{version}; {len(missing)} of {len(wanted)} packages are missing: {', '.join(missing)}",
            "make setup",
        )
    elif other:
        yield Finding(
            "Python", "note", f"{version}; other versions than pinned: {', '.join(other)}", "make setup"
        )
    else:
        yield Finding("Python", "ok", f"{version}, {len(wanted)} packages as pinned")


def check_r(config: Config | None) -> Iterator[Finding]:
    """R with pROC, for DeLong's test."""
    needed = config is None or config.statistics.engine == "r"
    state = "fix" if needed else "note"
    otherwise = (
        f"{R_LINE}   (Debian, Ubuntu; on a cluster: module load R), or statistics.engine: numpy in the config"
        if needed
        else ""
    )
    answer = ask(
        "Rscript",
        "-e",
        'cat("R", as.character(getRversion()), if (requireNamespace("pROC", quietly = TRUE)) "pROC" else "")',
    )
    if answer is None:
        yield Finding("R", state, "not installed", otherwise)
        return
    found = re.search(r"R (\d+)\.(\d+)\.\d+ ?(pROC)?", answer.text)
    if answer.status != 0 or found is None:
        yield Finding("R", state, f"Rscript ends with status {answer.status}", otherwise)
    elif (int(found[1]), int(found[2])) < (4, 1):
        yield Finding("R", state, f"{found[1]}.{found[2]}; 4.1 or newer is needed", otherwise)
    elif not found[3]:
        yield Finding(
            "R",
            state,
            "the package pROC is missing",
            'apt-get install -y r-cran-proc   (or in R: install.packages("pROC"))' if needed else "",
        )
    else:
        yield Finding("R", "ok", f"{found[0].removeprefix('R ').removesuffix(' pROC')} with pROC")


def check_git() -> Iterator[Finding]:
    """git, which tells the report the commit."""
    if ask("git", "--version") is None:
        yield Finding(
            "git", "note", "not installed: the report can't name the commit", "apt-get install -y git"
        )


def torch_sees() -> tuple[int, str] | None:
    """Number of GPUs that PyTorch can use and the CUDA that it was built for; None where PyTorch can't be
    asked.
    """
    answer = ask(
        sys.executable,
        "-c",
        "import torch; print(torch.cuda.device_count(), torch.version.cuda)",
        seconds=120,
    )
    found = re.search(r"(?m)^(\d+) (\S+)$", answer.text) if answer else None
    return (int(found[1]), found[2]) if answer and answer.status == 0 and found else None


def of_a_cluster() -> bool:
    """Whether this machine belongs to a SLURM cluster, whose nodes may have what it lacks."""
    answer = ask("sinfo", "--noheader", "--format=%P")
    return answer is not None and NO_CLUSTER not in answer.text


def networks_of(config: Config) -> dict[str, NetworkModel]:
    """The models that are networks, by name; none where a site only hands a centre over, or of own tables."""
    named = [] if config.handover is not None or config.tables is not None else config.networks_named
    return {name: config.models[name] for name in named}


def embedded_of(config: Config) -> dict[str, Features]:
    """The models on embeddings of films, likewise."""
    if config.handover is not None or config.tables is not None:
        return {}
    return {name: model for name, model in config.models.items() if model.kind == "features"}


def sides_of(config: Config) -> set[int]:
    """The sides in pixels of the films that models look at."""
    own = {model.side for model in embedded_of(config).values() if model.trunk is not None}
    return own | {model.film_side for model in networks_of(config).values()}


def on_gpu(config: Config) -> bool:
    """Whether the networks are trained on a GPU."""
    machine = config.networks
    asked = machine.device == "cuda" or (machine.gpus_per_fold > 0 and machine.device == "auto")
    return asked or (machine.device == "auto" and shutil.which("nvidia-smi") is not None)


def check_threads(config: Config | None) -> Iterator[Finding]:
    """Whether a fold would have more threads than this machine has cores."""
    cores = len(os.sched_getaffinity(0))
    on_cpu = config is not None and (config.networks.device == "cpu" or shutil.which("nvidia-smi") is None)
    if on_cpu and config.networks.cpu_threads > cores and not of_a_cluster():
        said = (
            f"networks.cpu_threads is {config.networks.cpu_threads}, but there are {cores}; on the CPU a fold"
            " is then many times slower"
        )
        yield Finding("Cores", "note", said, f"networks: {{cpu_threads: {cores}}}   in the config")


def check_gpu(
    config: Config | None, usable: Callable[[], tuple[int, str] | None] = torch_sees
) -> Iterator[Finding]:
    """GPUs, their driver, and whether PyTorch can use them."""
    demanded = config is not None and config.networks.device == "cuda"
    asked = config is not None and config.networks.gpus_per_fold > 0
    wanted = demanded or (asked and config.networks.device != "cpu")
    answer = ask("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    gpus = (
        [line.split(", ") for line in answer.text.splitlines() if ", " in line]
        if answer and answer.status == 0
        else []
    )
    if answer is not None and not gpus:
        yield Finding(
            "GPU",
            "fix" if wanted else "note",
            "nvidia-smi finds no GPU, or no driver that works",
            "nvidia-smi   (and fix what it says; often: restart after an update of the driver)",
        )
        return
    if not gpus:
        if wanted and not of_a_cluster():
            keys = "networks.device: cuda" if demanded else "networks.gpus_per_fold: 1"
            yield Finding(
                "GPU",
                "fix",
                f"none here, but the config says {keys}",
                "networks: {device: auto, gpus_per_fold: 0}   in the config, or run on a machine with a GPU",
            )
        else:
            yield Finding("GPU", "ok", "none here" if wanted else "none; networks train on the CPU")
        return
    name, driver = f"{len(gpus)} x {gpus[0][0]}", gpus[0][-1].strip()
    seen = usable()
    if seen is None:
        yield Finding("GPU", "note", f"{name}, driver {driver}; PyTorch could not be asked", "make setup")
    elif seen[0] == 0:
        state = "fix" if wanted else "note"
        yield Finding(
            "GPU",
            state,
            f"{name}, but PyTorch can't use it: driver {driver} is too old for CUDA {seen[1]}, or"
            " CUDA_VISIBLE_DEVICES hides it",
            f"update the NVIDIA driver to one for CUDA {seen[1]}; see also: echo $CUDA_VISIBLE_DEVICES",
        )
    elif config is not None and config.networks.device == "cpu":
        yield Finding(
            "GPU",
            "note",
            f"{name}, unused: the config says networks.device: cpu",
            "networks: {device: auto, gpus_per_fold: 1}   in the config",
        )
    elif config is not None and not asked:
        yield Finding(
            "GPU",
            "note",
            f"{name}, driver {driver}; folds are not kept to as many as there are GPUs",
            "networks: {gpus_per_fold: 1}   in the config",
        )
    elif seen[0] > 1:
        yield Finding(
            "GPU",
            "ok",
            f"{name}, driver {driver}; the folds run side by side with",
            f"snakemake --cores all --resources gpu={seen[0]}",
        )
    else:
        yield Finding("GPU", "ok", f"{name}, driver {driver}")


def torch_has_bf16() -> bool | None:
    """Whether PyTorch computes in bf16 on this processor; None where it can't be asked."""
    answer = ask(
        sys.executable,
        "-c",
        "from scripts.networks.arithmetic import has_bf16; print(has_bf16())",
        seconds=120,
    )
    return answer.text.strip() == "True" if answer and answer.status == 0 else None


def check_bf16(
    config: Config | None, native: Callable[[], bool | None] = torch_has_bf16
) -> Iterator[Finding]:
    """Whether a study in bf16 would be computed on a processor that only imitates it."""
    if config is None:
        return
    wanted = {
        f"models.{name}.training.precision": "fp32"
        for name, model in networks_of(config).items()
        if model.training.precision == "bf16"
    }
    if config.networks.scoring.precision == "bf16":
        wanted["networks.scoring.precision"] = "trained"
    if wanted and not on_gpu(config) and native() is False:
        yield Finding(
            "bf16",
            "note",
            "this processor imitates it, about ten times slower than fp32",
            f"{', '.join(f'{key}: {value}' for key, value in wanted.items())}   in the config",
        )


def of_views(config: Config) -> int:
    """Bytes that the kept views of all networks take a film, where they are known."""
    from scripts.networks.kinds.registry import architecture_class

    total = 0
    for network in networks_of(config).values():
        views, trained = network.training.views, network.training.trained_stages
        if views:
            architecture = architecture_class(network.kind)(**network.geometry)
            total += 2 * (1 + views) * (architecture.view_numbers(trained) or 0)
    return total


def space_needed(config: Config | None) -> tuple[float, str]:
    """Bytes that a run is likely to write into this folder, and what the number counts.

    A real centre's films are kept twice, as de-identified DICOM and as PNG, and once more at each size that
    a model looks at, with two bytes a pixel; of a network with kept views what they take.
    """
    if config is None or config.synthetic:
        return SIMULATED_GB * GB, "a simulated study"
    from scripts.intake.listing import scan_folder

    n_films, n_bytes = 0, 0
    for center in config.running:
        if Path(center.films).is_dir():
            found = scan_folder(center.films)
            n_films, n_bytes = n_films + len(found), n_bytes + sum(one.size for one in found)
    cached = (sum(2 * side * side for side in sides_of(config)) + of_views(config)) * n_films
    return 2 * n_bytes + cached + GB, f"{n_films} films of {n_bytes / GB:.1f} GB in all"


def check_disk(config: Config | None) -> Iterator[Finding]:
    """Free space in the folder that is worked in, and the permission to write there."""
    if not os.access(".", os.W_OK):
        yield Finding(
            "Disk", "fix", "this folder can't be written", "snakemake --directory <a folder of yours>"
        )
        return
    free = shutil.disk_usage(".").free
    try:
        needed, counted = space_needed(config)
    except StudyError as error:
        yield Finding("Disk", "fix", str(error))
        return
    if not (ROOT / ".venv").exists():
        needed, counted = needed + ENVIRONMENT_GB * GB, f"{counted} and the Python environment"
    said = f"{free / GB:.0f} GB free, about {needed / GB:.0f} needed ({counted})"
    if free < needed:
        done = (
            "; what earlier runs made counts among the free"
            if Path("results/predictions.csv").exists()
            else ""
        )
        yield Finding(
            "Disk",
            "note" if done else "fix",
            said + done,
            "free some space, or: snakemake --directory <a folder on a larger disk>",
        )
    else:
        yield Finding("Disk", "ok", said)


# ----------------------------------------------------------------------------------------------- the config


def read(files: list[str]) -> tuple[Config | None, list[Finding]]:
    """The config of ``files``, laid over each other, and what is wrong with it."""
    try:
        from scripts.common.config import read_config
        from scripts.common.config.files import laid_over, read_config_file
    except ImportError as error:
        return None, [
            Finding(
                "Config", "note", f"not looked at: the Python package {error.name} is missing", "make setup"
            )
        ]
    try:
        contents = {path: read_config_file(path) for path in files}
        config = read_config(functools.reduce(laid_over, contents.values()), contents)
    except StudyError as error:
        return None, [Finding("Config", "fix", str(error))]
    kind = "a simulated study" if config.synthetic else f"{len(config.centers)} centre(s)"
    return config, [Finding("Config", "ok", f"{', '.join(files)}: {kind}")]


def check_paths_and_key(config: Config, files: Sequence[str] = ("config.yaml",)) -> Iterator[Finding]:
    """Files and folders that the config of ``files`` names, the key, and whether results here were made under
    another one.
    """
    from scripts.common.config import check_paths
    from scripts.common.config.files import read_config_file
    from scripts.common.fonts import check_labels
    from scripts.common.key import open_key
    from scripts.common.key_record import refuse_another_key

    try:
        without_key = config.model_copy(update={"study": config.study.model_copy(update={"key_file": None})})
        check_paths(without_key, {path: read_config_file(path) for path in files if Path(path).is_file()})
        yield Finding("Paths", "ok", "all files and folders of the config are there")
    except StudyError as error:
        yield Finding("Paths", "fix", str(error), "correct the path in the config")
    try:
        check_labels(config.labels, config.study.language)
    except StudyError as error:
        yield Finding("Fonts", "fix", str(error))
    try:
        refuse_another_key(open_key(config.study.key_file, config.study.seed))
        yield Finding(
            "Key",
            "ok",
            "a file of yours alone" if config.study.key_file else "that of a simulated study; it is public",
        )
    except StudyError as error:
        yield Finding("Key", "fix", str(error))


def _embedding_rows(header: Sequence[str], rows: Iterator[list[str]]) -> tuple[int, int, int]:
    """The rows behind the ``header`` of a file of embeddings: all, those of an image that stood before, and
    those with a value that is no finite number.
    """
    at = header.index("image_id") if "image_id" in header else 0
    n, bad, seen = 0, 0, set()
    for row in filter(None, rows):
        n += 1
        seen.add(row[at].strip() if at < len(row) else "")
        bad += len(row) != len(header) or not all(map(_finite, (*row[:at], *row[at + 1 :])))
    return n, n - len(seen), bad


def _finite(text: str) -> bool:
    """Whether a cell holds a number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def check_models(config: Config) -> Iterator[Finding]:
    """The models that a run makes, and the embeddings that the user brings."""
    if config.handover is not None or config.tables is not None:
        return
    networks, told = networks_of(config), []
    for name, model in config.models.items():
        trainings = f", {config.cohort.folds * model.seeds} trainings" if name in networks else ""
        told.append(f"{name} ({model.kind}{trainings})")
    yield Finding("Models", "ok", ", ".join(told))
    if config.from_random_weights:
        yield Finding("Models", "note", random_weights(config.from_random_weights))
    for name, model in embedded_of(config).items():
        if model.embeddings is None or not Path(model.embeddings).is_file():
            continue  # an absent file is a fault of the paths
        where = f"models.{name}.embeddings"
        try:
            with Path(model.embeddings).open(encoding="utf-8-sig", newline="") as stream:
                rows = csv.reader(stream)
                header = [column.strip() for column in next(rows, [])]
                n, twice, bad = _embedding_rows(header, rows)
        except (OSError, UnicodeDecodeError, csv.Error):
            yield Finding("Models", "fix", f"{where}: '{model.embeddings}' is no CSV in UTF-8")
            continue
        if "image_id" not in header or len(header) < 2 or n == 0:
            yield Finding(
                "Models",
                "fix",
                f"{where}: '{model.embeddings}' needs the column 'image_id', a column per number behind it"
                " and a row per film",
            )
        elif twice or bad:
            yield Finding(
                "Models",
                "fix",
                f"{where}: '{model.embeddings}' holds {twice} image(s) twice, and values that are missing or"
                f" no numbers in {bad} of {n} rows",
                "give one row per image id, with a number in every column",
            )
        else:
            yield Finding("Models", "ok", f"{where}: {n} films, {len(header) - 1} numbers each")


def check_memory(config: Config) -> Iterator[Finding]:
    """What a training of each network holds in memory, against what this machine has."""
    from scripts.networks.kinds.registry import architecture_class
    from scripts.networks.machine.memory import main_memory, memory_options, training_memory

    place = "cuda" if on_gpu(config) else "cpu"
    there = main_memory() if place == "cpu" and not of_a_cluster() else None
    at_once = max(1, len(os.sched_getaffinity(0)) // config.networks.cpu_threads)
    for name, model in networks_of(config).items():
        training = model.training
        need = training_memory(
            architecture_class(model.kind)(**model.geometry),
            training.batch_size,
            training.precision,
            place,
            **memory_options(training),
        )
        of = "GPU memory" if place == "cuda" else "memory"
        said = f"models.{name}: a training takes about {need.likely / GB:.1f} GB of {of}"
        if there is None:
            yield Finding("Memory", "ok", said)
            continue
        free, total = there
        together = min(at_once, config.cohort.folds * model.seeds)
        if together > 1:
            said += f", {together} at a time {together * need.likely / GB:.1f} GB"
        said += f"; {free / GB:.1f} GB of {total / GB:.1f} are free"
        state = "fix" if need.least > total else "note" if together * need.likely > free else "ok"
        line = ""
        if state == "fix" or need.likely > free:
            line = f"a smaller models.{name}.training.batch_size   in the config"
        elif state == "note":
            line = f"snakemake --cores {config.networks.cpu_threads}   (fewer trainings at a time)"
        yield Finding("Memory", state, said, line)


def check_training(config: Config) -> Iterator[Finding]:
    """How long the trainings of each network will take here, from a few steps with films that are made up."""
    networks = networks_of(config)
    if not networks:
        return
    if of_a_cluster():
        said = "not timed here: it runs on the cluster's nodes, and says in its log after its first steps"
        yield Finding("Training", "ok", said)
        return
    from scripts.check.training_times import arguments, described, read_timed, training_patients

    patients, cores = training_patients(config), len(os.sched_getaffinity(0))
    busy = ", which other work uses too" if os.getloadavg()[0] > cores / 2 else ""
    machine = config.networks
    device = "cuda" if machine.gpus_per_fold > 0 and machine.device == "auto" else machine.device
    for name in networks:
        given = (*arguments(config, name), "--device", device, "--seconds", str(TIMED_SECONDS))
        answer = ask(sys.executable, "-c", TIME_STEPS, str(ROOT), *given, seconds=300)
        timed = read_timed(answer.text) if answer is not None and answer.status == 0 else None
        if timed is None:
            reason = (answer.text.strip().splitlines() or [""])[-1] if answer else "no Python"
            yield Finding("Training", "note", f"models.{name}: not timed: {reason}")
            continue
        seconds, said = described(config, name, timed, patients, cores, busy)
        long = timed["device"] == "cpu" and seconds > LONG_HOURS * 3600
        line = "--configfile config/real_cpu.yaml   (a network for a CPU), or a machine with a GPU"
        yield Finding("Training", "note" if long else "ok", said, line if long else "")


def check_weights(config: Config) -> Iterator[Finding]:
    """The files of weights that networks and embeddings start from."""
    from scripts.common.weights_files import PACKAGED, imagenet_path
    from scripts.networks.weights_file import verified_content

    networks = networks_of(config)
    trunks = {name: model for name, model in embedded_of(config).items() if model.trunk is not None}
    fetched = {m.trunk_name for m in (*networks.values(), *trunks.values()) if m.init == "imagenet"}
    for trunk in sorted(fetched):
        path = Path(imagenet_path(trunk))
        if not path.is_file() and path.name in PACKAGED:
            said = f"'{path}' comes out of the Python environment when a run wants it"
            yield Finding("Weights", "ok", said)
            continue
        if not path.is_file():
            yield Finding(
                "Weights",
                "note",
                f"'{path}' is not there; a run fetches it where there is a network",
                f"snakemake {path} --cores 1   (on a cluster: on the login node, before the run)",
            )
            continue
        try:
            verified_content(path)
            yield Finding("Weights", "ok", f"{path}, checksum right")
        except StudyError as error:
            yield Finding("Weights", "fix", str(error), f"rm {path} && snakemake {path} --cores 1")
    for name, model in networks.items():
        if model.init in ("random", "imagenet") or not Path(model.init).is_file():
            continue  # an absent file is a fault of the paths
        given = (model.init, model.kind, json.dumps(model.geometry), str(ROOT))
        answer = ask(sys.executable, "-c", TRY_WEIGHTS, *given, seconds=120)
        where = f"models.{name}.init"
        if answer is None or answer.status != 0:
            yield Finding(
                "Weights",
                "note",
                f"PyTorch could not be asked whether the file of '{where}' fits",
                "make setup",
            )
        elif answer.text.strip():
            yield Finding("Weights", "fix", f"{where}: {answer.text.strip()}")
        else:
            yield Finding("Weights", "ok", f"the file of '{where}' fits the network")


def check_left_over(config: Config) -> Iterator[Finding]:
    """What version 0.1.0 left here, and models that were taken away: nobody reads it, and nothing deletes
    it.
    """
    from scripts.common.vocabulary import FORMER_FOLDERS

    former = [Path(name) for name in FORMER_FOLDERS if Path(name).is_dir()]
    caches = sorted(Path("state/cache").glob("*/"))
    former += [path for path in caches if not path.name.isdecimal() and path.name != "views"]
    if former:
        yield Finding(
            "Leftover",
            "note",
            "of version 0.1.0, no longer used (the finished trainings are in state/store):"
            f" {', '.join(map(str, former))}",
            f"rm -r {' '.join(map(str, former))}   (once this version has run to its end)",
        )
    if Path("results/bundle", SHA256_LIST).is_file():
        yield Finding(
            "Leftover",
            "note",
            "results/bundle is a bundle of version 0.1.0; it still scores, and 'make bundle' needs its place",
            "mv results/bundle <a folder outside of results>",
        )
    gone = [path for path in sorted(Path("results/models").glob("*/")) if path.name not in config.models]
    kept = [name for name, network in networks_of(config).items() if network.training.views]
    gone += [path for path in sorted(Path("state/cache/views").glob("*/")) if path.name not in kept]
    if gone:
        yield Finding(
            "Leftover",
            "note",
            "of models that the config doesn't have, or views that it doesn't ask for:"
            f" {', '.join(map(str, gone))}",
            f"rm -r {' '.join(map(str, gone))}",
        )


# ------------------------------------------------------------------------------------------------------ SLURM


class Profile(NamedTuple):
    """What of the SLURM profile is looked at: partitions by where they are named, how states are asked, first
    look in seconds.
    """

    partitions: dict[str, str]
    status_command: str
    first_look: float
    asks_gres: bool


def read_profile(path: Path) -> Profile | None:
    """The profile, or None where it can't be read without the Python environment or isn't there."""
    try:
        from scripts.common.config.files import read_config_file
    except ImportError:
        return None
    try:
        raw = read_config_file(path)
    except StudyError:
        return None
    default = raw.get("default-resources") or {}
    if isinstance(default, list):
        default = dict(one.split("=", 1) for one in default)
    named = {"default-resources": default, **(raw.get("set-resources") or {})}
    partitions = {
        where: str(given["slurm_partition"]) for where, given in named.items() if given.get("slurm_partition")
    }
    gres = any("gres" in given or "--gres" in str(given.get("slurm_extra", "")) for given in named.values())
    first = raw.get("slurm-init-seconds-before-status-checks", FIRST_LOOK_SECONDS)
    return Profile(partitions, str(raw.get("slurm-status-command", "sacct")), float(first), gres)


def check_slurm(config: Config | None, profile: Profile | None) -> Iterator[Finding]:
    """The cluster's partitions, GPUs and accounting, against the profile. Nothing where there is no SLURM."""
    answer = ask("sinfo", "--noheader", "--format=%P|%a|%G")
    if answer is None:
        return
    rows = (
        [line.split("|") for line in answer.text.splitlines() if line.count("|") == 2]
        if answer.status == 0
        else []
    )
    if NO_CLUSTER in answer.text:
        yield Finding(
            "SLURM",
            "note",
            "installed, but this machine belongs to no cluster; runs on this machine alone need none",
        )
        return
    if not rows:
        yield Finding(
            "SLURM",
            "fix",
            "sinfo gets no answer from the controller",
            "sinfo   (and ask the cluster's administrators; on a machine of your own: systemctl start"
            " slurmctld slurmd)",
        )
        return
    up = {name.rstrip("*") for name, available, _ in rows if available == "up"}
    default = [name.rstrip("*") for name, _, _ in rows if name.endswith("*")]
    yield Finding("SLURM", "ok", f"partitions: {', '.join(sorted(up)) or 'none is up'}")
    if profile is None:
        yield Finding("SLURM", "note", f"'{SLURM_PROFILE}' could not be read", "make setup")
        return
    for where, name in profile.partitions.items():
        for one in name.split(","):
            if one not in up:
                yield Finding(
                    "SLURM",
                    "fix",
                    f"{where} names the partition '{one}', which is not there or not up",
                    f"slurm_partition: {(default or sorted(up) or ['<name>'])[0]}   under {where} in"
                    f" {SLURM_PROFILE}",
                )
    if not default and "default-resources" not in profile.partitions:
        yield Finding(
            "SLURM",
            "fix",
            "the cluster has no default partition and the profile names none",
            f"slurm_partition: {(sorted(up) or ['<name>'])[0]}   under default-resources in {SLURM_PROFILE}",
        )
    if config is not None and config.networks.gpus_per_fold > 0:
        with_gpu = sorted(
            {name.rstrip("*") for name, available, gres in rows if available == "up" and "gpu" in gres}
        )
        folds_go_to = (
            profile.partitions.get("train_fold")
            or profile.partitions.get("default-resources")
            or ",".join(default)
        ).split(",")
        if not with_gpu:
            yield Finding(
                "SLURM",
                "fix",
                "no partition offers a GPU (GRES gpu), but the config says networks.gpus_per_fold: 1",
                "networks: {gpus_per_fold: 0}   in the config, or ask the administrators for the GRES",
            )
        elif not set(folds_go_to) & set(with_gpu):
            yield Finding(
                "SLURM",
                "fix",
                f"the folds go to the partition '{','.join(folds_go_to)}', which has no GPU",
                f"train_fold: {{slurm_partition: {with_gpu[0]}}}   under set-resources in {SLURM_PROFILE};"
                " also score_images, score_masked, explain_gradcam",
            )
        else:
            how = "--gres, as the profile says" if profile.asks_gres else "--gpus"
            yield Finding("SLURM", "ok", f"GPUs in {', '.join(with_gpu)}, asked for by {how}")
    yield from check_accounting(profile)


def check_accounting(profile: Profile) -> Iterator[Finding]:
    """Whether the way in which the profile asks for the state of jobs works on this cluster."""
    settings = ask("scontrol", "show", "config")
    if settings is None or settings.status != 0:
        yield Finding("SLURM", "note", "scontrol does not tell the cluster's settings")
        return
    found = dict(re.findall(r"(?m)^(\w+)\s*=\s*(.*?)\s*$", settings.text))
    accounting = found.get("AccountingStorageType", "")
    keeps = not accounting.endswith("none") and accounting not in ("", "(null)")
    remembered = int(re.match(r"\d*", found.get("MinJobAge", ""))[0] or 0)
    if profile.status_command == "sacct" and not keeps:
        yield Finding(
            "SLURM",
            "fix",
            "accounting is off, and the profile asks sacct for the state of jobs: Snakemake would wait for"
            " ever",
            f"slurm-status-command: squeue   in {SLURM_PROFILE}",
        )
    elif profile.status_command == "squeue" and remembered < 3 * profile.first_look:
        line = (
            "slurm-status-command: sacct"
            if keeps
            else f"slurm-init-seconds-before-status-checks: {max(1, remembered // 3)}"
        )
        yield Finding(
            "SLURM",
            "fix",
            f"SLURM forgets ended jobs after {remembered} s (MinJobAge), and squeue is asked first after"
            f" {profile.first_look:.0f} s",
            f"{line}   in {SLURM_PROFILE}",
        )
    else:
        yield Finding(
            "SLURM",
            "ok",
            f"accounting {'on' if keeps else 'off'}, states of jobs by {profile.status_command}",
        )


def check_tables(config: Config) -> Iterator[Finding]:
    """What `make check-data` would refuse in the tables of the centres with data of their own; their films
    are not looked at.
    """
    own = [center for center in config.running if center.patients is not None and center.dxa is not None]
    if not own:
        return
    try:
        from scripts.check.predictor_values import described_predictors, medians_side_by_side
        from scripts.check.table_faults import read_tables
    except ImportError as error:
        yield Finding(
            "tables", "note", f"not looked at: the Python package '{error.name}' is missing", "make setup"
        )
        return
    faults, medians, predictors = [], [], config.predictors
    for center in own:
        readings, found = read_tables(center, config.intake.frontal_view.model_dump())
        faults += found
        if "patients" in readings:
            lines, middle = described_predictors(readings["patients"].cells, center.name, predictors)
            medians.append((center.name, middle))
            for name, line in zip(predictors, lines, strict=True):
                state = "ok" if name in center.patients.predictors else "note"
                yield Finding("predictors", state, f"{center.name}: {line}")
    lines, hints = medians_side_by_side(medians, predictors)
    yield from (Finding("predictors", "ok", line) for line in lines)
    yield from (Finding("predictors", "note", hint) for hint in hints)
    yield from (Finding("tables", "fix", said) for said in faults)
    if not faults:
        yield Finding(
            "tables", "ok", "they can be read; 'make check-data' says what they and the films will give"
        )


# ------------------------------------------------------------------------------------------------------------


def examine(files: list[str]) -> Iterator[Finding]:
    """All that is looked at, in the order in which it is to be fixed."""
    yield from check_python()
    config, findings = read(files)
    yield from findings
    if config is not None:
        yield from check_paths_and_key(config, files)
        yield from check_tables(config)
        yield from check_models(config)
        yield from check_weights(config)
        yield from check_left_over(config)
    yield from check_r(config)
    yield from check_git()
    yield from check_disk(config)
    yield from check_threads(config)
    yield from check_gpu(config)
    yield from check_bf16(config)
    if config is not None:
        yield from check_memory(config)
        yield from check_training(config)
    yield from check_slurm(
        config, read_profile(SLURM_PROFILE if SLURM_PROFILE.is_file() else ROOT / SLURM_PROFILE)
    )


def described(found: Finding) -> str:
    """A finding as text: a line, and one more for what fixes it."""
    first, *rest = found.said.splitlines() or [""]
    state = "TO FIX" if found.state == "fix" else found.state
    lines = [f"{state:<6} {found.about:<8} {first}", *(f"{'':16}{line}" for line in rest)]
    return "\n".join([*lines, f"{'':16}-> {found.line}"] if found.line else lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; 1 where something must be fixed before a run."""
    parser = argparse.ArgumentParser(
        description="What of this machine and this config a run would stumble over."
    )
    parser.add_argument("--configfile", nargs="+", action="extend", default=[], help="laid over config.yaml")
    chosen = parser.parse_args(arguments)
    faults = 0
    own_tables = False
    for found in examine(["config.yaml", *chosen.configfile]):
        print(described(found), flush=True)
        faults += found.state == "fix"
        own_tables |= found.about == "tables"
    if faults:
        print(f"\n{faults} thing(s) to fix before a run: see the lines 'TO FIX' above.")
    elif own_tables:
        print(
            "\nMachine, config and tables are fit for a run. 'make check-data' says whether the films and"
            " tables together are."
        )
    else:
        print("\nA run can start.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
