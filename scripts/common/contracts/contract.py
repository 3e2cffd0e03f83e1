"""What a table of the study is: where it lies, what a row is, its columns, and what each of them tells of
patients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

TYPES = ("text", "int", "float", "date")
"""Types of columns: ``int`` may be missing, ``date`` is ISO text."""

TELLS = MappingProxyType(
    {
        "key": "names the row",
        "setting": "was fixed before, and follows from none of the row's patients",
        "size": "how many patients the row is about, or how many of them have osteoporosis",
        "count": "how many people, films or rows have something in common",
        "cell": "a cell of a model's confusion matrix",
        "of_positives": "follows from a model's true positives and false negatives",
        "of_negatives": "follows from a model's true negatives and false positives",
        "of_both": "follows from all four cells",
        "estimate": "computed from all patients of the row",
        "mean": "mean and spread of a group",
        "note": "says how the row was computed, or why a cell is empty",
        "unhidden": "may tell of few patients, and no rule hides them: differences of models, prose",
        "person": "tells of one patient or one film",
    }
)
"""What a column may tell. ``make share`` hides cells by it (``scripts/share/suppression.py``)."""

OUTCOMES = ("cell", "of_positives", "of_negatives", "of_both")
"""What counts a model's errors, or follows from them."""

ROW_NAMES = ("key", "setting")
"""What stays even in a row of which nothing is told."""


@dataclass(frozen=True)
class Column:
    """A column: its type (TYPES), what it tells of patients (TELLS), and its meaning in a line.

    Raises ``ValueError`` for a type, or something told, that is not known: what nobody has judged is not
    declared, and so not shared."""

    name: str
    type: str
    tells: str
    meaning: str

    def __post_init__(self) -> None:
        for value, known, what in ((self.type, TYPES, "type"), (self.tells, TELLS, "tells")):
            if value not in known:
                raise ValueError(f"column '{self.name}': {what} must be one of {', '.join(known)}: '{value}'")
        if not self.meaning:
            raise ValueError(f"column '{self.name}': say what it means")


@dataclass(frozen=True, eq=False)
class Contract(Mapping[str, str]):
    """A table; as a mapping, each of its columns with its type, in their order.

    ``path`` is a pattern from the root of the study (``{center}`` stands for a name), or several, joined by
    spaces; empty for a table that is never written. ``row`` says what a row is. ``columns`` always stand in
    it, ``optional`` ones in some files, and ``others`` stands for any number of further columns. ``row_key``
    names a row: the columns that tell ``key``, where none are given. ``promised`` are the columns that other
    programs may rely on.

    Raises ``ValueError`` where a name stands twice, or ``row_key`` or ``promised`` name no column."""

    path: str
    row: str
    columns: tuple[Column, ...]
    optional: tuple[Column, ...] = ()
    others: Column | None = None
    row_key: tuple[str, ...] = ()
    promised: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in (*self.columns, *self.optional)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{self.path}: declared twice: {', '.join(sorted(twice))}")
        if not self.row_key:
            object.__setattr__(self, "row_key", self.that_tell("key"))
        if absent := {*self.row_key, *self.promised} - set(names):
            raise ValueError(f"{self.path}: no such column: {', '.join(sorted(absent))}")

    def __getitem__(self, name: str) -> str:
        for column in self.columns:
            if column.name == name:
                return column.type
        raise KeyError(f"{self.path} has no column '{name}'")

    def __iter__(self) -> Iterator[str]:
        return (column.name for column in self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def whole(self) -> Contract:
        """The table with its optional columns, which then always stand in it."""
        return replace(self, columns=(*self.columns, *self.optional), optional=())

    @property
    def shareable(self) -> bool:
        """Whether every column tells something that can be hidden where it is of few patients."""
        return not any(
            c.tells in ("person", "unhidden") for c in (*self.columns, *self.optional, self.others) if c
        )

    def that_tell(self, *told: str) -> tuple[str, ...]:
        """Names of the columns that tell one of ``told``."""
        return tuple(c.name for c in (*self.columns, *self.optional) if c.tells in told)

    def knows(self, name: str) -> bool:
        """Whether a file may have the column ``name``."""
        return self.others is not None or any(c.name == name for c in (*self.columns, *self.optional))

    def only(self, *names: str) -> dict[str, str]:
        """The columns ``names`` with their types, for a reader that needs no others."""
        return {name: self[name] for name in names}

    def at(self, path: str, *more: Column, row: str | None = None) -> Contract:
        """The contract of another file with these columns and ``more`` behind them."""
        return replace(self, path=path, row=row or self.row, columns=(*self.columns, *more))

    def is_of(self, path: str) -> bool:
        """Whether the file at ``path``, from the root of the study, is one of this table."""
        return any(matches(pattern, path) for pattern in self.path.split())


def matches(pattern: str, path: str) -> bool:
    """Whether ``path`` is one of ``pattern``, in which a name in braces stands for any name in a path."""
    parts = (re.escape(part) for part in re.split(r"\{\w+\}", pattern))
    return re.fullmatch("[^/]+".join(parts), path) is not None


def key(name: str, meaning: str, type: str = "text") -> Column:
    """A column that names the row."""
    return Column(name, type, "key", meaning)


def setting(name: str, meaning: str, type: str = "text") -> Column:
    """A column with what was fixed before."""
    return Column(name, type, "setting", meaning)


def size(name: str, meaning: str) -> Column:
    """A column with the number of the row's patients, or of those with osteoporosis."""
    return Column(name, "int", "size", meaning)


def sizes() -> tuple[Column, Column]:
    """The numbers that almost every table has."""
    return size("n", "patients"), size("n_pos", "patients with osteoporosis")


def count(name: str, meaning: str) -> Column:
    """A column with a number of people, films or rows."""
    return Column(name, "int", "count", meaning)


def estimate(name: str, meaning: str, type: str = "float") -> Column:
    """A column with what was computed from all patients of the row."""
    return Column(name, type, "estimate", meaning)


def note(name: str, meaning: str) -> Column:
    """A column that says how the row was computed."""
    return Column(name, "text", "note", meaning)


def unhidden(name: str, meaning: str, type: str = "float") -> Column:
    """A column that may tell of few patients, and that no rule hides."""
    return Column(name, type, "unhidden", meaning)


def person(name: str, meaning: str, type: str = "text") -> Column:
    """A column about one patient or one film."""
    return Column(name, type, "person", meaning)


def interval(name: str, meaning: str, tells: str = "estimate") -> tuple[Column, Column, Column]:
    """An estimate and the ends of its interval."""
    return (
        Column(name, "float", tells, meaning),
        Column(f"{name}_low", "float", tells, f"lower end of the interval of {name}"),
        Column(f"{name}_high", "float", tells, f"upper end of the interval of {name}"),
    )


def method(name: str, tells: str = "estimate") -> Column:
    """How the interval of ``name`` was computed; it tells what ``name`` does, as it says where that is 0."""
    return Column(f"{name}_ci_method", "text", tells, f"method of the interval of {name}, or why it has none")


def with_interval(name: str) -> tuple[str, ...]:
    """The columns of an estimate, its interval and the interval's method."""
    return (name, f"{name}_low", f"{name}_high", f"{name}_ci_method")
