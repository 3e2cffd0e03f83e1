"""What the jobs of making a bundle and scoring with one say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations


def exporting(networks: int) -> str:
    """The ONNX file is written."""
    return f"writing the ensemble of {networks} networks as ONNX"


def onnx_agrees(difference: float, films: int, allowed: float) -> str:
    """The ONNX file was checked."""
    return f"ONNX Runtime and PyTorch agree to {difference:.1g} over {films} films (allowed: {allowed:g})"


def made(fingerprint: str, networks: int, folder: object) -> str:
    """A bundle is written."""
    return f"bundle {fingerprint[:16]} of {networks} networks in {folder}"


def opened(fingerprint: str, version: str) -> str:
    """A bundle is read."""
    return f"bundle {fingerprint[:16]}, made by version {version}"


def synthetic() -> str:
    """The bundle was made of simulated films."""
    return "SYNTHETIC: this model was trained on simulated films. Its scores say nothing about patients."


def warned(warning: str) -> str:
    """The bundle's network did not plainly learn."""
    return f"WARNING: {warning}"


def another_version(version: str) -> str:
    """The bundle's maker read films by other code."""
    return (
        f"WARNING: another version of the software (or an edited one) than the {version} that made the bundle"
        " reads and scores these films. The self-check tests the networks, not the reading; take that version"
        " where numbers must agree."
    )


def self_check_passed(difference: float) -> str:
    """The networks give what they gave their maker."""
    return f"self-check passed (largest difference {difference:.1g})"


def scoring(files: int, networks: int, precision: str, at_once: int, device: str) -> str:
    """How a folder is scored."""
    return f"{files} files, {networks} networks, {precision}, {at_once} film(s) at once on {device}"


def interrupted() -> str:
    """The user stopped the scoring."""
    return (
        "stopped: no scores are written. The same command begins again; a large folder is best scored in"
        " parts."
    )


def scored(counts: dict[str, int], scores: object, private: object) -> str:
    """A folder is scored: files by status, and where the two tables lie."""
    said = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    return (
        f"{sum(counts.values())} files: {said}. Scores: {scores}. Which file each row is: {private}"
        " (private)."
    )
