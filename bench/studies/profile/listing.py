"""What there is to measure: the networks with the figures of the committed records, the data sets and the scans."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.core.record import Record
from bench.core.record_file import read_record
from bench.core.statistics import quality_means
from bench.core.table import Column, Table, words
from bench.data.datasets import list_datasets
from models import get_spec, list_models
from models.errors import EsrError
from models.scan import BACKENDS
from models.spec import ModelSpec
from models.weights import find_weights

REPORTS = Path(__file__).resolve().parents[3] / "reports"
QUICK_SET = "Set5"


@dataclass(frozen=True)
class Listed:
    """A network of the registry, and its committed record; None where there is none."""

    name: str
    spec: ModelSpec
    record: Record | None

    def count(self, field: str) -> int | None:
        """A field of its complexity."""
        return getattr(self.record.complexity, field) if self.record and self.record.complexity else None

    @property
    def psnr(self) -> float | None:
        """Of luma on the quick set, in dB."""
        found = [q for q in self.record.quality if q.dataset == QUICK_SET] if self.record else []
        return quality_means(found[0].images).psnr_y if found else None

    @property
    def weights(self) -> str:
        """Where its weights are."""
        weights = self.spec.weights
        if weights is None:
            bare = self.count("parameters") == 0
            return "none needed" if bare else "bring yours" if self.spec.no_weights else "none published"
        try:
            find_weights(weights, allow_download=False)
        except EsrError:
            return "to be downloaded"
        return "here"


def network_table() -> Table:
    """A row a network, in the registry's order; counts are as published, at 256x256."""
    records = committed()
    columns: list[Column[Listed]] = [
        words("name", lambda n: n.name),
        words("network", lambda n: n.spec.display_name),
        Column("parameters", lambda n: n.count("parameters")),
        Column("FLOPs [G]", lambda n: n.count("flops_published"), "", 2, 1e-9),
        Column(f"{QUICK_SET} Y [dB]", lambda n: n.psnr, decimals=3),
        words("weights", lambda n: n.weights),
    ]
    listed = [Listed(name, get_spec(name), records.get(name)) for name in list_models()]
    return Table.of("Networks; --model NAME", columns, listed)


@cache
def committed() -> dict[str, Record]:
    """Network -> its committed record at 256x256 without options, the one with most data sets."""
    found: dict[str, Record] = {}
    for path in sorted(REPORTS.glob("*/records/*.json")):
        try:
            record = read_record(path)
        except EsrError:
            continue
        settings = record.settings
        if record.options or record.source or (settings.height, settings.width) != (256, 256):
            continue
        if record.weights.status == "custom" or not record.complexity:
            continue
        old = found.get(record.model)
        if old is None or len(record.quality) > len(old.quality):
            found[record.model] = record
    return found


def other_lines() -> list[str]:
    """Data sets and scan backends."""
    width = max(map(len, BACKENDS))
    lines = ["data sets (--data):", f"  {', '.join(list_datasets())}", "scan backends (--backend):"]
    return lines + [
        f"  {name:<{width}}  {backend.summary}{'' if backend.available() else ' (not installed)'}"
        for name, backend in BACKENDS.items()
    ]
