"""The appendix: every record that the page rests on, with its settings and its environment."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bench.core.identity import slug
from bench.core.record import OpCount, Record, Vanished
from bench.core.table import Column, Table, words
from bench.core.wording import without_paths
from bench.report.lookup import DeviceRecords
from bench.report.studies.load import Studies
from bench.report.studies.roofline import layer_table
from bench.report.summary import flat, network_label, settings_label
from bench.report.web.images import record_images
from bench.studies.roofline.roofline_record import RooflineRecord

DIGITS = 6  # of a number
OMITTED = ("schema", "lr_png", "sr_png", "hr_png")  # fields of studies that are no settings
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Shown:
    """One record: what it is called, its facts under headings, and its longer tables."""

    file: str
    anchor: str
    title: str
    facts: tuple[tuple[str, Facts], ...]
    tables: tuple[Table, ...] = ()


def anchors(device: DeviceRecords, studies: Studies) -> dict[str, str]:
    """File of every record of the device -> its place in the page; no two of a page are the same."""
    files = [m.file for m in device.measured]
    return {file: f"{device.slug}-{slug(file)}-{i}" for i, file in enumerate([*files, *studies.records])}


def entries(device: DeviceRecords, studies: Studies, places: Mapping[str, str]) -> list[Shown]:
    """The networks' records, then the studies'."""
    found = [_network(m.file, m.record, places[m.file]) for m in device.measured]
    for file, record in studies.records.items():
        settings = getattr(record, "settings", None)
        about = dataclasses.asdict(settings) if settings else {}
        holder: Any = getattr(record, "network", None)
        holder = holder if hasattr(holder, "environment") else record  # of attributions and crops, their network
        parts = {**vars(holder), **vars(record)}
        about |= {k: v for k, v in parts.items() if isinstance(v, str | int | float) and k not in OMITTED}
        about |= getattr(record, "config", {})
        for part in (getattr(record, name, None) for name in ("place", "conditions")):
            about |= dataclasses.asdict(part) if part else {}
        facts = (("Settings", _facts(about)), ("Environment", _facts(holder.environment)))
        tables = (layer_table(record, len(record.layers)),) if isinstance(record, RooflineRecord) else ()
        found.append(Shown(file, places[file], file.split("/")[0], facts, tables))
    return found


def _network(file: str, record: Record, anchor: str) -> Shown:
    made = {"created": record.created, **record.provenance}
    facts = [
        ("Settings", _facts({"model": record.model, "options": record.options, **dataclasses.asdict(record.settings)})),
        ("Weights", _facts(dataclasses.asdict(record.weights))),
        ("Measured", _facts(made)),
    ]
    if record.source:
        facts.append(("Source", _facts(dataclasses.asdict(record.source))))
    if r := record.runtime:
        samples = {"cold (ms)": r.cold_ms, "warm-up (ms)": r.warmup_ms, "samples (ms)": r.samples_ms}
        facts.append(("Time", _facts({**samples, "in turn with": r.interleaved_with, "cut short": r.interrupted})))
    facts.append(("Environment", _facts(record.environment)))
    title = f"{network_label(record)}: {settings_label(record)}"
    return Shown(file, anchor, title, tuple(facts), (*_counted(record), *record_images(record)))


OPERATORS: tuple[Column[OpCount], ...] = (
    words("Operator", lambda op: op.op),
    Column("Calls", lambda op: op.calls),
    Column("MACs", lambda op: op.macs),
    Column("FLOPs", lambda op: op.flops),
)
VANISHED: tuple[Column[Vanished], ...] = (
    words("What", lambda v: v.what),
    words("Module", lambda v: v.module or "itself"),
    words("Operators", lambda v: ", ".join(v.ops)),
    Column("Missing", lambda v: v.missing),
    Column("Share (%)", lambda v: 100 * v.share, decimals=2),
)


def _counted(record: Record) -> list[Table]:
    """Operators, and what is in no published count."""
    c = record.complexity
    if c is None:
        return []
    tables = [Table.of("Operators", OPERATORS, c.ops), Table.of("In no published count", VANISHED, c.vanished)]
    return [table for table in tables if table.rows or table.title == "Operators"]


def _facts(data: Mapping[str, Any]) -> Facts:
    """Nested data as name and text; what is empty is left out."""
    return tuple((key, _text(value)) for key, value in flat(data).items() if value not in ("", [], {}))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return format(Decimal(f"{value:.{DIGITS}g}"), ",f")  # never "1.34e8"
    return without_paths(str(value))
