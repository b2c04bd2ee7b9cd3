"""A records folder as a full run on a CPU leaves it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.core.record import Record
from bench.report.lookup import DeviceRecords, load
from tests.bench.report.records import full_set
from tests.kept import write_record

MakeDevice = Callable[[Sequence[Record]], DeviceRecords]


@pytest.fixture
def full_folder(tmp_path: Path) -> Path:
    """A folder that holds `full_set`."""
    for item in full_set():
        write_record(item, tmp_path / "records")
    return tmp_path / "records"


@pytest.fixture
def full_device(full_folder: Path) -> DeviceRecords:
    """The one device of `full_folder`."""
    return load(full_folder).devices[0]


@pytest.fixture
def make_device(tmp_path: Path) -> MakeDevice:
    """Records of one device -> what the tables and explanations are made from."""

    def make(records: Sequence[Record]) -> DeviceRecords:
        folder = tmp_path / "made"
        for item in records:
            write_record(item, folder)
        loaded = load(folder)
        assert loaded.left_out == ()
        return loaded.devices[0]

    return make
