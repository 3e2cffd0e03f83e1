"""Which breakdowns of a set may be shown beside each other without a small cell coming back by subtraction.

A *unit* is what is shown or hidden as one: the levels of a subgroup variable, one sensitivity analysis, the
patients from an age on, the makers. Its *parts* are groups of patients of a set, each with its number of
patients by class and, per model, the four cells of a confusion matrix. Sizes and cells are judged apart: a
unit may show sizes and AUC and hide all that counts a model's errors.

A unit is shown where none of these is small: a cell of a part; what the set has more than the parts together
(or than the one part); what a part has more or less than a part of another unit of its *family* that is
shown. Units of one family hold parts that lie within each other: DXA intervals and the analyses within one
and three months, ages from 65 and from the age of a population. Units are judged one after the other in a
fixed order, each against those shown before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Row = dict[str, str]
Table = list[Row]
Cells = tuple[int, ...]


def whole(text: str) -> int | None:
    """The whole number in a cell, None where there is none."""
    text = text.strip()
    return int(float(text)) if text else None


@dataclass(frozen=True)
class Breakdown:
    """How the rows of a table are parts of a set.

    ``unit`` names the unit of a row, empty where the row is no part; ``level`` names the part. ``family``
    gives a unit's family.
    ``partition``: the parts of a unit don't overlap. ``unions``: by unit, the sets of levels that lie within
    parts of another unit of the family, beside all levels together.
    """

    unit: Callable[[Row], str]
    level: Callable[[Row], str]
    family: Callable[[str], str]
    partition: bool = False
    unions: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)


@dataclass
class Unit:
    """A unit of one set: sizes (OP, non-OP) by level and cells (TP, FN, FP, TN) by model and level."""

    of_set: str
    name: str
    family: str
    partition: bool
    unions: tuple[tuple[str, ...], ...]
    sizes: dict[str, Cells] = field(default_factory=dict)
    cells: dict[str, dict[str, Cells]] = field(default_factory=dict)

    def compared(self, counts: Mapping[str, Cells]) -> list[Cells]:
        """What is held against other units of the family: the unions, and all parts together."""
        every = tuple(counts)
        return [
            total(counts[level] for level in union)
            for union in (*self.unions, every)
            if set(union) <= set(counts)
        ]


def total(cells: Iterable[Cells]) -> Cells:
    """Sums of cells, place by place."""
    return tuple(map(sum, zip(*cells, strict=True)))


def less(one: Cells, other: Cells) -> Cells:
    """Absolute differences, place by place."""
    return tuple(abs(a - b) for a, b in zip(one, other, strict=True))


def cells_of(row: Row) -> Cells | None:
    """TP, FN, FP, TN of a row with ``n``, ``n_pos``, ``sensitivity`` and ``specificity``; None where they
    can't be counted back.
    """
    n, n_pos = whole(row.get("n", "")), whole(row.get("n_pos", ""))
    if n is None or n_pos is None:
        return None
    rates = []
    for metric, of in (("sensitivity", n_pos), ("specificity", n - n_pos)):
        if row.get(metric, "") == "" and of:
            return None
        rates.append(round(float(row[metric]) * of) if of else 0)
    return rates[0], n_pos - rates[0], n - n_pos - rates[1], rates[1]


def units_of(tables: Mapping[str, Table], breakdowns: Mapping[str, Breakdown]) -> list[Unit]:
    """The units of all tables that have a breakdown, those with most patients first within a table."""
    found: list[Unit] = []
    for name, rows in tables.items():
        if name not in breakdowns:
            continue
        how, own = breakdowns[name], {}
        for row in rows:
            unit, of_set = how.unit(row), row["set"]
            if not unit:
                continue
            one = own.setdefault(
                (of_set, unit), Unit(of_set, unit, how.family(unit), how.partition, how.unions.get(unit, ()))
            )
            n, n_pos = whole(row["n"]), whole(row["n_pos"])
            one.sizes[how.level(row)] = (n_pos, n - n_pos)
            cells = cells_of(row)
            if cells is not None:
                one.cells.setdefault(row["model"], {})[how.level(row)] = cells
        found += sorted(
            own.values(), key=lambda one: (-sum(map(sum, one.sizes.values())), one.of_set, one.name)
        )
    return found


@dataclass(frozen=True)
class Decisions:
    """What is hidden: ``closed`` units (set, unit); ``outcomes`` of further ones (set, unit, model)."""

    closed: frozenset[tuple[str, str]] = frozenset()
    outcomes: frozenset[tuple[str, str, str]] = frozenset()


def decide(
    units: Iterable[Unit],
    sizes: Mapping[str, tuple[int, int]],
    outcomes: Mapping[tuple[str, str], Cells],
    small: Callable[..., bool],
    closed_sets: Iterable[str],
) -> Decisions:
    """Judge the units in their order.

    ``sizes`` holds patients and patients with osteoporosis by set, ``outcomes`` the four cells by set and
    model. A unit whose set, or the cells of whose set, are not known is hidden.
    """
    units = list(units)
    closed: set[tuple[str, str]] = set()
    for unit in units:
        n, n_pos = sizes.get(unit.of_set, (0, 0))
        of_set = (n_pos, n - n_pos)
        if (
            unit.of_set in closed_sets
            or unit.of_set not in sizes
            or not _fine(unit, unit.sizes, of_set, small)
        ):
            closed.add((unit.of_set, unit.name))
    told = _told(units, lambda unit: unit.sizes, lambda unit: (unit.of_set, unit.name) in closed, small)
    closed |= {(unit.of_set, unit.name) for unit in told}
    hidden: set[tuple[str, str, str]] = set()
    for model in sorted({model for unit in units for model in unit.cells}):
        own = [unit for unit in units if model in unit.cells and (unit.of_set, unit.name) not in closed]
        bad = set()
        for unit in own:
            of_set = outcomes.get((unit.of_set, model))
            if (
                of_set is None
                or len(unit.cells[model]) < len(unit.sizes)
                or not _fine(unit, unit.cells[model], of_set, small)
            ):
                bad.add((unit.of_set, unit.name))
        refused = _told(
            own,
            lambda unit, m=model: unit.cells[m],
            lambda unit, bad=bad: (unit.of_set, unit.name) in bad,
            small,
        )
        hidden |= {(*place, model) for place in bad} | {(unit.of_set, unit.name, model) for unit in refused}
    return Decisions(frozenset(closed), frozenset(hidden))


def _fine(unit: Unit, counts: Mapping[str, Cells], of_set: Cells, small: Callable[..., bool]) -> bool:
    """Whether no part, and nothing that the set has beyond the parts, is small."""
    rest = [total(counts.values())] if unit.partition else list(counts.values())
    seen = [*counts.values(), *(less(of_set, part) for part in rest)]
    return not any(small(*cells, sum(cells)) for cells in seen)


def _told(
    units: Iterable[Unit],
    counts: Callable[[Unit], Mapping[str, Cells]],
    hidden: Callable[[Unit], bool],
    small: Callable[..., bool],
) -> list[Unit]:
    """The units that differ by few from one of their family and set told before."""
    told: dict[tuple[str, str], list[Cells]] = {}
    refused = []
    for unit in units:
        if hidden(unit):
            continue
        before = told.setdefault((unit.of_set, unit.family), [])
        mine = unit.compared(counts(unit))
        if any(small(*less(a, b)) for a in mine for b in before):
            refused.append(unit)
        else:
            before += mine
    return refused
