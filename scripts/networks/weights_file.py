"""Files of weights to start from: their checksum, their download."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.common.log import Log
from scripts.networks import progress


def _by_hand(target: Path) -> str:
    backbone = target.stem.rpartition("-")[0]
    return (
        f"Fetch torchvision's file '{target.name}' on a machine with a network (its address: python -c 'from"
        f' torchvision.models import get_model_weights; print(get_model_weights("{backbone}").IMAGENET1K_V1'
        f".url)') and put it at '{target}', or set the model's 'init' to 'random'."
    )


def named_checksum(path: Path) -> str:
    """The hex digits of a name such as ``resnet18-f37072fd.pth``."""
    return path.stem.rpartition("-")[2]


def verified_content(path: Path) -> bytes:
    """Content of a weights file whose name holds its checksum.

    ``StudyError`` when it is absent or another file.
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise StudyError(f"The ImageNet weights '{path}' are not there. {_by_hand(path)}") from None
    if not hashlib.sha256(content).hexdigest().startswith(named_checksum(path)):
        raise StudyError(
            f"'{path}' is cut or another file: its SHA-256 does not begin with its name's digits."
            f" {_by_hand(path)}"
        )
    return content


def initial_content(init: str, weights: Path | None, key: str) -> bytes | None:
    """Content of the weights file that a network starts from; None for ``random``.

    ``init`` is the setting, ``weights`` the file and ``key`` the setting's key of the config.
    """
    if init == "random":
        return None
    if weights is None:
        raise StudyError(f"{key} is '{init}', but no file was given. Pass it as --weights.")
    if init == "imagenet":
        return verified_content(weights)
    try:
        return weights.read_bytes()
    except OSError:
        raise StudyError(
            f"{key}: the file '{weights}' is not there. Correct the path or give 'random'."
        ) from None


def fetch_weights(url: str, target: Path, log: Log, timeout: float = 60.0) -> None:
    """Download ``url`` to ``target``, atomically, and only if its SHA-256 fits the target's name.

    Raises ``StudyError`` that says how to place the file by hand when there is no network or the file is
    wrong.
    """
    log.say(progress.downloading(target.name))
    with atomic_path(target) as part:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer, part.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise StudyError(
                f"The ImageNet weights could not be downloaded ({reason}). {_by_hand(target)}"
            ) from None
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        if not digest.hexdigest().startswith(named_checksum(target)):
            raise StudyError(
                f"The download of '{target.name}' is cut or another file (SHA-256 differs)."
                f" {_by_hand(target)}"
            )
    log.say(progress.downloaded(target, target.stat().st_size, digest.hexdigest()))
