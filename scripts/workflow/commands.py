"""With which Python the commands and scripts of the rules run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, MutableMapping
from pathlib import Path

_CONTAINER = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
"""What Apptainer and Singularity set inside a container."""


def command_prefix(python: str | Path, root: str | Path, environment: Mapping[str, str]) -> str:
    """What stands before every command of a job, for Snakemake's ``shell.prefix``.

    ``scripts`` is found also under ``--directory``, and ``python`` is

    - that of the conda environment which was activated for the job (``--sdm conda``), also where conda has
      put it behind other folders of PATH, as it does where Snakemake runs in a virtual environment on top of
      a conda environment;
    - that of the container which was started for the job (``--sdm apptainer``);
    - else the one that runs Snakemake.

    Parameters
    ----------
    python : the Python that runs Snakemake.
    root : the folder that holds ``scripts``.
    environment : Snakemake's own; an environment or container in which it runs itself is none of the job's.
    """
    conda = shlex.quote(environment.get("CONDA_PREFIX", ""))
    container = shlex.quote("".join(environment.get(name, "") for name in _CONTAINER))
    text = (
        "set -euo pipefail; "
        f'if [ -n "${{CONDA_PREFIX-}}" ] && [ "$CONDA_PREFIX" != {conda} ]; then '
        'PATH="$CONDA_PREFIX/bin:$PATH"; '
        f'elif [ "{"".join(f"${{{name}-}}" for name in _CONTAINER)}" = {container} ]; then '
        f"PATH={shlex.quote(str(Path(python).parent))}:$PATH; fi; "
        f"export PATH PYTHONPATH={shlex.quote(str(root))}; "
    )
    return text.replace("{", "{{").replace("}", "}}")  # Snakemake formats it


def prepare_conda(root: str | Path, environment: MutableMapping[str, str]) -> None:
    """Tell ``envs/osteocxr.post-deploy.sh`` where the pinned requirements lie: Snakemake runs a copy of it in
    another folder.
    """
    environment["OSTEOCXR_ENVS"] = str(Path(root) / "envs")
