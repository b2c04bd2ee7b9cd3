"""Every kind of record: where it lies below a folder of results, and what reads it. A new study adds its line here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.core.record import Record
from bench.core.record_file import read_as
from bench.core.training_record import FILE, TrainingRecord
from bench.studies.accuracy.accuracy_record import AccuracyRecord
from bench.studies.attribution.attribution_record import FIELD, LAM, FieldRecord, LamRecord
from bench.studies.challenge.team_record import TeamRecord
from bench.studies.comparison.comparison_record import ComparisonRecord
from bench.studies.crops.crops_record import CROP, CropRecord
from bench.studies.roofline.roofline_record import RooflineRecord
from bench.studies.scaling.scaling_record import ScalingRecord
from bench.studies.scan.scan_record import ScanRecord
from bench.studies.step.step_record import StepRecord
from models.errors import EsrError

KINDS: dict[type[Any], str] = {
    Record: "records/**/*.json",
    ComparisonRecord: "comparisons/*.json",
    TeamRecord: "ntire*/records/*.json",
    ScanRecord: "scan/*.json",
    AccuracyRecord: "accuracy/*.json",
    StepRecord: "step/*.json",
    ScalingRecord: "scaling/*.json",
    RooflineRecord: "roofline/*.json",
    LamRecord: f"attribution/{LAM}__*.json",
    FieldRecord: f"attribution/{FIELD}__*.json",
    CropRecord: f"crops/{CROP}__*.json",
    TrainingRecord: f"training/*/{FILE}",  # where its run is, under the run's name
}


def read_all(results: Path, kind: type[Any], refuse: Callable[[Path, EsrError], None]) -> Iterator[tuple[Path, Any]]:
    """Every record of `kind` below the folder `results`, with its file; `refuse` hears of files that are none."""
    for path in sorted(p for p in results.glob(KINDS[kind]) if not p.name.startswith(".")):
        try:
            record = read_as(kind, path)
        except EsrError as error:
            refuse(path, error)
        else:
            yield path, record
