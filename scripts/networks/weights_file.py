"""Files of weights to start from: their checksum, and where they come from."""

from __future__ import annotations

import hashlib
import http.client
import importlib.resources
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.common.log import Log
from scripts.common.weights_files import PACKAGED
from scripts.networks import progress


def _backbone(file: str) -> str:
    """torchvision's name of the backbone of a file such as ``resnet18-f37072fd.pth``."""
    return file.rpartition("-")[0]


def _by_hand(target: Path) -> str:
    if target.name in PACKAGED:
        return (
            f"Install the package that holds it ('make setup', or pip install"
            f" {PACKAGED[target.name].requirement}), delete '{target}' where it is there, and run again."
        )
    backbone = _backbone(target.name)
    return (
        f"Fetch torchvision's file '{target.name}' on a machine with a network (its address: python -c 'from"
        f' torchvision.models import get_model_weights; print(get_model_weights("{backbone}").IMAGENET1K_V1'
        f".url)') and put it at '{target}', or set the model's 'init' to 'random'."
    )


def is_right(path: Path, digest: str) -> bool:
    """Whether a fetched file has the SHA-256 that is known of it: all of it, or the digits in its name."""
    packaged = PACKAGED.get(path.name)
    if packaged is not None:
        return digest == packaged.sha256
    return digest.startswith(path.stem.rpartition("-")[2])


def verified_content(path: Path) -> bytes:
    """Content of a file of IMAGENET.

    ``StudyError`` when it is absent or another file.
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise StudyError(f"The ImageNet weights '{path}' are not there. {_by_hand(path)}") from None
    if not is_right(path, hashlib.sha256(content).hexdigest()):
        raise StudyError(
            f"'{path}' is cut or another file: its SHA-256 is not the known one. {_by_hand(path)}"
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


def address_of(file: str) -> str:
    """Where a file of IMAGENET comes from: torchvision's address, or that of a file in an installed package.

    ``StudyError`` where that package is not installed or lacks the file.
    """
    if file not in PACKAGED:
        from torchvision.models import get_model_weights

        return get_model_weights(_backbone(file)).IMAGENET1K_V1.url
    packaged = PACKAGED[file]
    try:
        path = Path(str(importlib.resources.files(packaged.module) / packaged.path))
    except ModuleNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise StudyError(
            f"The ImageNet weights '{file}' are not there: the package '{packaged.requirement}' is not"
            f" installed, or is another one. {_by_hand(Path(file))}"
        )
    return path.resolve().as_uri()


def fetch_weights(url: str, target: Path, log: Log, timeout: float = 60.0) -> None:
    """Take ``url`` over to ``target``, atomically, and only if its SHA-256 is the one known of the target.

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
                f"The ImageNet weights '{target.name}' could not be fetched ({reason}). {_by_hand(target)}"
            ) from None
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        if not is_right(target, digest.hexdigest()):
            raise StudyError(
                f"What was fetched as '{target.name}' is cut or another file (SHA-256 differs)."
                f" {_by_hand(target)}"
            )
    log.say(progress.downloaded(target, target.stat().st_size, digest.hexdigest()))
