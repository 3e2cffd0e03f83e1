"""The YAML files of a study's config: read safely, laid over each other, and which of them says what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import StudyError

SHIPPED = Path(__file__).resolve().parents[3] / "config"
SHIPPED_NAMES = ("paper.yaml", "tiny.yaml", "example_real.yaml")
"""The files of ``config/`` that hold centres."""

NETWORK = "config/real_cpu.yaml or config/real_gpu.yaml"
"""The files with a network alone, for any study."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key may stand only once in its section (YAML 1.2, 3.2.1.3); PyYAML would take the
    last one.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if (
                isinstance(key, yaml.ScalarNode)
                and key.value != "<<"
                and first.setdefault(key.value, line) != line
            ):
                raise _Twice(key.value, first[key.value], line)
        return super().construct_mapping(node, deep)


class _Twice(Exception):
    """A key that stands twice: its name and both lines."""


def read_config_file(path: str | Path) -> dict[str, Any]:
    """The keys of one YAML file; an empty file has none. Raises ``StudyError`` with the line at fault."""
    try:
        raw = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise StudyError(f"'{path}' can't be opened ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise StudyError(f"'{path}' is no UTF-8 text; save it as UTF-8.") from None
    except _Twice as twice:
        key, one, other = twice.args
        raise StudyError(
            f"'{path}': the key '{key}' stands twice, in lines {one} and {other}; only one can count."
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" near line {mark.line + 1}" if mark else ""
        raise StudyError(
            f"'{path}' is no valid YAML{line}; check the indents there (spaces, no tabs), the colons and the"
            " quotes."
        ) from None
    if raw is not None and not isinstance(raw, dict):
        raise StudyError(f"'{path}' holds no keys; it should look like config.yaml.")
    return raw or {}


def laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below`` as Snakemake does it: dicts merge, all else replaces."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = (
            laid_over(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
        )
    return merged


def in_order_of_files(models: Mapping[str, Any], files: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """``models`` in the order in which the files, by name and in their order, first name them.

    Snakemake's own merge puts those of the files that count last first.
    """
    given = [raw.get("models") for raw in files.values()]
    order = dict.fromkeys(name for one in given if isinstance(one, Mapping) for name in one)
    return {name: models[name] for name in (*order, *models) if name in models}


def _centers(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The centres of one file that can be read as such."""
    given = raw.get("centers")
    return [entry for entry in given if isinstance(entry, Mapping)] if isinstance(given, list) else []


def _is_shipped(path: str) -> bool:
    """Whether a file is one of the software's own, in ``config/``: settings or patterns, no study of a
    user.
    """
    return Path(path).resolve() in {(SHIPPED / name).resolve() for name in SHIPPED_NAMES}


def replaced_centers(files: Mapping[str, dict[str, Any]]) -> str | None:
    """The sentence that refuses a file whose centres would replace a study's real ones; None where none does.

    ``files`` are the contents by name, in the order in which they are laid over each other; a list replaces a
    list. Real centres may replace simulated ones, and a user's own file other real ones. Simulated centres,
    and those of a file of the software's own, replace no real ones.
    """
    with_centers = [name for name, raw in files.items() if _centers(raw)]
    real = [name for name in with_centers if any("simulate" not in entry for entry in _centers(files[name]))]
    if not with_centers or not real or real[0] == with_centers[-1]:
        return None
    last = with_centers[-1]
    simulated = all("simulate" in entry for entry in _centers(files[last]))
    if not simulated and not _is_shipped(last):
        return None
    kind = "simulated centres" if simulated else "example centres"
    return (
        f"centers: the {kind} of this file would replace the real ones of '{real[0]}'. Leave the file out, or"
        f" lay over a copy of it without 'centers' (a network alone is in {NETWORK})."
    )


def _reaches(raw: Any, location: tuple[Any, ...]) -> bool:
    for part in location:
        if (
            isinstance(raw, dict)
            and part in raw
            or isinstance(raw, list)
            and isinstance(part, int)
            and part < len(raw)
        ):
            raw = raw[part]
        else:
            return False
    return True


def file_of(location: tuple[Any, ...], files: Mapping[str, dict[str, Any]]) -> str:
    """The file that decides what stands at a place of the config: the last one that has it, or the nearest
    place around it.

    ``files`` are the contents by name, in the order in which they are laid over each other. What none of them
    has is missing from the first one, the study's own.
    """
    for length in range(len(location), 0, -1):
        holders = [name for name, raw in files.items() if _reaches(raw, location[:length])]
        if holders:
            return holders[-1]
    return next(iter(files), "config.yaml")
