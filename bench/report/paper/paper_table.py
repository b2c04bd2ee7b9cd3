"""A table of the paper as a section: published numbers beside measured ones, and the commands that fill empty cells."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bench.core.table import Column, Table, words
from bench.report.document import Data, Part, Section
from bench.report.lookup import DeviceRecords, needs_own_weights
from bench.report.paper import commands
from bench.report.paper.reproduction import Network, Quantity, Reproduction, compare_with_paper, reproduction_table

NOT_MEASURED = "not measured"
# Why a network's own column may stay empty whatever data there is.
NETWORK_NOTES = {
    "swinir_light": "SwinIR-light is scored only with its released weights "
    "(`002_lightweightSR_DIV2K_s64w8_SwinIR-S_x4.pth`): put the file into `PATH/weights` and add `--data-dir PATH`, "
    "or name it with `--weights FILE`.",
    "dvmsr_bi": "The bidirectional network's weights were not published: train it and name them with `--weights FILE`.",
}


@dataclass(frozen=True)
class PaperTable(Section):
    """A section on one table of the paper.

    Attributes:
        found: its numbers.
        short: the parts for the report where the whole is too long for it; () where it is not.
    """

    found: tuple[Reproduction, ...] = ()
    short: Sequence[Part] = ()


class Line(NamedTuple):
    """One row of a table: what its first column says, and its comparisons in the order of the columns."""

    name: str
    found: Sequence[Reproduction]


def paper_table(
    device: DeviceRecords,
    key: str,
    title: str,
    parts: Iterable[Part],
    found: Sequence[Reproduction],
    short: Sequence[Part] = (),
    wanted: Sequence[Reproduction] | None = None,
) -> PaperTable:
    """The section, whose CSV has a line a comparison. `wanted`: those whose cells should not stay empty; None: all."""
    kept = [part for part in parts if part]
    data = Data(reproduction_table(title, key, device, found))
    return PaperTable(
        key, title, [*kept, data], missing_lines(found if wanted is None else wanted), tuple(found), short
    )


def side_by_side(
    device: DeviceRecords, key: str, title: str, networks: Sequence[Network], quantities: Sequence[Quantity]
) -> PaperTable:
    """Quantities down, networks across: paper, measured and difference of each."""
    lines = [Line(q.name, [compare_with_paper(device, network, q) for network in networks]) for q in quantities]
    columns: list[Column[Line]] = [words("Quantity", lambda line: line.name)]
    columns.append(words("Unit", lambda line: line.found[0].quantity.unit))
    for i, network in enumerate(networks):
        columns += reproduction_columns(i, network.label)
    found = [one for line in lines for one in line.found]
    names: dict[str, list[str]] = {}
    for quantity in quantities:
        names.setdefault(quantity.convention, []).append(quantity.name)
    conventions = "\n".join(f"- {'; '.join(group)}: {convention}." for convention, group in names.items())
    intro = (
        f"Measured on {device.label}. The paper's times and memory are of another device: their differences compare "
        "devices as well as code."
    )
    table = Table.of(title, columns, lines, key)
    return paper_table(device, key, title, [intro, table, conventions], found)


def reproduction_columns(i: int, group: str) -> list[Column[Line]]:
    """Paper, measured and difference of a line's comparison number `i`, under the heading `group`."""

    def part(
        write: Callable[[Reproduction], str], read: Callable[[Reproduction], float | None], title: str
    ) -> Column[Line]:
        return Column(title, lambda line: read(line.found[i]), write=lambda line: write(line.found[i]), group=group)

    return [
        part(lambda c: c.paper_text, lambda c: c.paper, "Paper"),
        replace(part(measured_text, lambda c: c.measured, "Measured"), source=lambda line: line.found[i].file),
        part(lambda c: c.difference_text, lambda c: c.difference, "Difference"),
    ]


def measured_text(one: Reproduction) -> str:
    """The measured value as a cell; a row of the paper's that was not measured says so."""
    return one.measured_text if one.network.model else NOT_MEASURED


def missing_lines(found: Sequence[Reproduction]) -> list[str]:
    """The empty measured cells, each with the command that fills it; nothing where none is empty."""
    empty: dict[str, list[Reproduction]] = {}
    for one in found:
        if one.measured is None and one.network.model:
            # Networks share a command, but for those that need a weights file of the user's.
            model = one.network.model if needs_own_weights(one.network.model) else ""
            empty.setdefault(commands.fill([replace(one.query, model=model)]), []).append(one)
    lines = []
    for group in empty.values():
        names = "; ".join(dict.fromkeys(one.quantity.name for one in group))
        labels = ", ".join(dict.fromkeys(one.network.label for one in group))
        queries = [one.query for one in group]
        lines.append(f"- {labels}: {names}: `{commands.fill(queries)}`{commands.remark(queries[0])}")
    unscored = {c.network.model for c in found if c.measured is None and c.quantity.figure.startswith("quality.")}
    lines += [f"- {note}" for model, note in NETWORK_NOTES.items() if model in unscored]
    return lines
