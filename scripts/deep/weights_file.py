"""The ImageNet weights file: where it lies, its checksum, its download."""

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
from scripts.deep import progress

IMAGENET = Path("weights/resnet18-f37072fd.pth")
"""torchvision's ResNet-18 (IMAGENET1K_V1); the name holds the first eight hex digits of the file's
SHA-256.
"""


def _by_hand(target: Path) -> str:
    return (
        f"Fetch torchvision's ResNet-18 file '{target.name}' on a machine with a network (its address: python"
        ' -c "from torchvision.models import ResNet18_Weights as w; print(w.IMAGENET1K_V1.url)") and put'
        f" it at '{target}', or set 'deep.init: random'."
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


def initial_content(init: str) -> bytes | None:
    """Content of the weights file that ``deep.init`` names; None for ``random``."""
    if init == "random":
        return None
    if init == "imagenet":
        return verified_content(IMAGENET)
    try:
        return Path(init).read_bytes()
    except OSError:
        raise StudyError(
            f"'deep.init' names the file '{init}', which is not there. Correct the path or set 'deep.init:"
            " random'."
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
