"""The appendix: every record that the page rests on, with its settings and its environment."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.identity import slug
from bench.record import Record
from bench.report import markup
from bench.report.lookup import DeviceRecords
from bench.report.roofline import layer_cells
from bench.report.studies import Studies
from bench.report.summary import flat, network_label, settings_label
from bench.report.web.grid import Grid, plain
from bench.report.web.images import record_images
from bench.studies.roofline.record import RooflineRecord
from bench.training_record import FILE

OMITTED = ("schema", "lr_png", "sr_png", "hr_png")  # fields of studies that are no settings
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """One record: what it is called, its facts under headings, and its longer tables."""

    file: str
    anchor: str
    title: str
    facts: tuple[tuple[str, Facts], ...]
    tables: tuple[Grid, ...] = ()


def anchors(device: DeviceRecords, studies: Studies) -> dict[str, str]:
    """File of every record of the device -> its place in the page; no two of a page are the same."""
    files = [m.file for m in device.measured]
    return {file: f"{device.slug}-{slug(file)}-{i}" for i, file in enumerate([*files, *_study_records(studies)])}


def entries(device: DeviceRecords, studies: Studies, places: Mapping[str, str]) -> list[Entry]:
    """The networks' records, then the studies'."""
    found = [_network(m.file, m.record, places[m.file]) for m in device.measured]
    for file, record in _study_records(studies).items():
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
        tables = (_layers(record),) if isinstance(record, RooflineRecord) else ()
        found.append(Entry(file, places[file], file.split("/")[0], facts, tables))
    return found


def _study_records(studies: Studies) -> dict[str, Any]:
    """Path beside the records -> record, whose kinds share no more than an environment."""
    records: dict[str, Any] = {f"scan/{r.file_name}": r for r in studies.scans}
    records |= {f"accuracy/{r.file_name}": r for r in studies.accuracies}
    records |= {f"step/{r.file_name}": r for r in studies.steps}
    records |= {f"scaling/{r.file_name}": r for r in studies.scalings}
    records |= {f"attribution/{r.file_name}": r for r in studies.lams}
    records |= {f"attribution/{r.file_name}": r for r in studies.fields}
    records |= {f"roofline/{r.file_name}": r for r in studies.roofs}
    records |= {f"crops/{r.file_name}": r for r in studies.crops}
    records |= {f"{c.folder}/records/{t.file_name}": t for c in studies.challenges for t in c.teams}
    return records | {f"training/{r.name}/{FILE}": r for r in studies.trainings}


def _network(file: str, record: Record, anchor: str) -> Entry:
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
    return Entry(file, anchor, title, tuple(facts), (*_counted(record), *record_images(record)))


def _layers(record: RooflineRecord) -> Grid:
    """Every operator of every module, the slowest first."""
    headers, rows = layer_cells(record, len(record.layers))
    return Grid("Layers", tuple(headers), tuple(map(plain, rows)), 3)


def _counted(record: Record) -> list[Grid]:
    """Operators, and what is in no published count."""
    c = record.complexity
    if c is None:
        return []
    rows = tuple(plain([op.op, f"{op.calls:,}", f"{op.macs:,}", f"{op.flops:,}"]) for op in c.ops)
    grids = [Grid("Operators", ("Operator", "Calls", "MACs", "FLOPs"), rows)]
    if c.vanished:
        headers = ("What", "Module", "Operators", "Missing", "Share (%)")
        lost = [
            plain([v.what, v.module or "itself", ", ".join(v.ops), f"{v.missing:,}", f"{100 * v.share:.2f}"])
            for v in c.vanished
        ]
        grids.append(Grid("In no published count", headers, tuple(lost), 3))
    return grids


def _facts(data: Mapping[str, Any]) -> Facts:
    """Nested data as name and text; what is empty is left out."""
    return tuple((key, _text(value)) for key, value in flat(data).items() if value not in ("", [], {}))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return markup.without_paths(str(value))
