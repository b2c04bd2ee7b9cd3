"""Whether a run is the same as an earlier one, and whether that one is finished already."""

import os
from pathlib import Path
from typing import Any

from bench.core.record import Source
from bench.core.record_file import read_as
from bench.core.training_record import FILE, TrainingRecord
from bench.networks.external.own import without_folders
from models.cache import sha256_of
from models.errors import EsrError
from train.config import INCIDENTAL, Config
from train.store import resolve_names


def computed(config: dict[str, Any]) -> dict[str, Any]:
    """Of a configuration as plain data, the settings that decide what a run computes."""
    kept = {k: v for k, v in named_safely(config).items() if k not in INCIDENTAL}
    data = {k: v for k, v in config["data"].items() if k != "workers"}
    return {**kept, "data": {**data, "hr": resolve_names(data["hr"])}}


def named_safely(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration as plain data, with networks of the user's own named without the folders of this machine."""
    networks = {k: config[k] for k in ("model", "teacher") if config.get(k)}
    return {**config, **{k: {**network, "name": without_folders(network["name"])} for k, network in networks.items()}}


def finished_record(config: Config) -> TrainingRecord | None:
    """The record of this very run, if it was trained to its end and its network is there as it was exported."""
    try:
        record = read_as(TrainingRecord, config.folder / FILE)
    except EsrError:
        return None
    export = record.export
    if not (record.finished and export and computed(record.config) == computed(config.to_plain())):
        return None
    if record.source and not _is_code_of(record.source, config.model.name):
        return None
    path = config.folder / export.file
    return record if path.is_file() and sha256_of(path) == export.sha256 else None


def _is_code_of(source: Source, name: str) -> bool:
    """Whether the file that a network is named by is still the one that was trained."""
    file = Path(name.partition(".py:")[0] + ".py")
    return source.kind != "Python file" or (file.is_file() and sha256_of(file) == source.sha256)


def is_first_process() -> bool:
    """Whether this process is the only one, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"
