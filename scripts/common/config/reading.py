"""Turn YAML into a ``Config``, or refuse it in sentences that a person can act on."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from scripts.common.config.files import file_of, in_order_of_files, replaced_centers
from scripts.common.config.models import KINDS
from scripts.common.config.upgrade import moved_keys
from scripts.common.config.whole import Config
from scripts.common.errors import StudyError


def _place(location: tuple[Any, ...]) -> tuple[Any, ...]:
    """A pydantic error's location as keys of the config: of a model without its kind."""
    kind = len(location) > 2 and location[0] == "models" and location[2] in KINDS
    return (*location[:2], *location[3:]) if kind else location


def _model_at(path: tuple[Any, ...], raw: Any) -> type[BaseModel] | None:
    """The section class that stands at a place of the config."""
    current: Any = Config
    if len(path) > 1 and path[0] == "models":
        current, path = KINDS.get((raw["models"][path[1]] or {}).get("kind")), path[2:]
    of_mapping = False
    for part in path:
        if isinstance(part, int) or of_mapping:  # an entry of a list or of a mapping of sections
            of_mapping = False
            continue
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return None
        field = current.model_fields.get(part) or next(
            (f for f in current.model_fields.values() if f.alias == part), None
        )
        if field is None:
            return None
        current, of_mapping = _section_of(field.annotation), get_origin(field.annotation) is dict
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type):
        return annotation
    for inner in get_args(annotation):
        found = _section_of(inner)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return get_origin(annotation)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _where(location: tuple[Any, ...], raw: Any) -> str:
    """``centers[external_1].patients.path`` for ``("centers", 1, "patients", "path")``."""
    text, at = "", raw
    for part in location:
        if isinstance(part, int):
            entry = at[part] if isinstance(at, list) and part < len(at) else None
            name = entry.get("name") if isinstance(entry, dict) else None
            text += f"[{name if isinstance(name, str) else part + 1}]"
            at = entry
        else:
            text += f".{part}" if text else str(part)
            at = at.get(part) if isinstance(at, dict) else None
    return text


def ended(text: str) -> str:
    """The sentence with a full stop, unless it is a question."""
    return text if text.endswith("?") else text + "."


SECTION = "a section of keys, each with its value, indented below it"


def _shown(value: Any) -> str:
    """A value as a sentence quotes it."""
    plain = isinstance(value, str | int | float | bool | type(None))
    return repr(value) if plain else f"a {type(value).__name__}"


def _sentence(error: Any, raw: Any) -> str:
    location = _place(tuple(error["loc"]))
    where = _where(location, raw)
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        model = _model_at(location[:-1], raw)
        keys = _keys(model) if model else []
        near = difflib.get_close_matches(str(location[-1]), keys, n=1, cutoff=0.5)
        advice = f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(keys)}."
        return f"{where}: there is no such key; {advice}"
    if kind == "missing" and isinstance(location[-1], int):
        return f"{_where(location[:-1], raw)}: its entry {location[-1] + 1} is needed and is not given."
    if kind == "missing":
        return f"{where}: this key is needed and is not given."
    if kind == "too_short":
        return f"{where}: there are {context['actual_length']} entries; give {context['min_length']} or more."
    if kind == "union_tag_not_found" and not isinstance(value, dict):
        return f"{where}: {_shown(value)} does not fit; it should be {SECTION}."
    if kind == "union_tag_not_found":
        return f"{where}.kind: this key is needed and is not given; kinds are {', '.join(KINDS)}."
    if kind == "union_tag_invalid":
        near = difflib.get_close_matches(str(context["tag"]), KINDS, n=1)
        advice = f" Did you mean '{near[0]}'?" if near else ""
        return f"{where}.kind: '{context['tag']}' is no kind of model; use {', '.join(KINDS)}.{advice}"
    if kind == "literal_error":
        near = difflib.get_close_matches(
            str(value), re.findall(r"'([^']*)'", context.get("expected", "")), n=1
        )
        advice = f" Did you mean '{near[0]}'?" if near else ""
        return f"{where}: {value!r} is not allowed; use {context.get('expected')}.{advice}"
    if kind == "value_error":
        text = str(context.get("error", error["msg"]))
        if not where or text.startswith(f"{where}."):
            return ended(text)
        return ended(f"{where}: {text}" if not isinstance(value, str) else f"{where}: '{value}': {text}")
    if kind == "string_type" and isinstance(value, int | float):
        where = _where(location[:-2], raw) if location[-1] == "[key]" else where
        return (
            f"{where}: {value!r} stands without quotes and is read as a number or a yes/no; write '{value}'"
            " in quotes."
        )
    said = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        said = SECTION
    return f"{where}: {_shown(value)} does not fit; it should be {said}."


def refuse(faults: list[tuple[tuple[Any, ...], str]], files: dict[str, dict[str, Any]]) -> None:
    """Raise ``StudyError`` with all faults (place and sentence), each with the file in which it stands; none,
    no error.
    """
    sentences = list(dict.fromkeys(f"{file_of(place, files)}: {sentence}" for place, sentence in faults))
    if len(sentences) == 1:
        raise StudyError(sentences[0])
    if sentences:
        raise StudyError(f"The config has {len(sentences)} faults:\n  - " + "\n  - ".join(sentences))


def read_config(raw: dict[str, Any], files: dict[str, dict[str, Any]] | None = None) -> Config:
    """Turn the merged YAML into a ``Config``; refuse it with one sentence per fault (``StudyError``).

    ``files`` are the contents of the files that were merged, by name and in their order, to say in which a
    fault stands.
    """
    replaced = replaced_centers(files or {})
    if replaced is not None:
        refuse([(("centers",), replaced)], files or {})
    refuse(moved_keys(raw), files or {})
    if isinstance(raw.get("models"), dict):
        raw = {**raw, "models": in_order_of_files(raw["models"], files or {})}
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        found = [(_place(tuple(e["loc"])), _sentence(e, raw)) for e in error.errors()]
    # a fault of the config as a whole names its key in its first words
    faults = [(place or tuple(said.partition(":")[0].split(".")), said) for place, said in found]
    refuse(faults, files or {})
    raise AssertionError("a refused config has faults")
