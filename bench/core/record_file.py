"""A record <-> one JSON file, checked field by field."""

import contextlib
import dataclasses
import json
import os
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from bench.core.identity import Kept
from bench.core.migration import upgraded
from bench.core.record import Record
from models.errors import EsrError
from models.files import read_regular


def write_bytes(path: Path, data: bytes) -> None:
    """Write `path` whole or not at all: beside the target first, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise EsrError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_files(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Write each of `files` (name -> content) into `folder`, whole or not at all; their names."""
    for name, data in files.items():
        write_bytes(folder / name, data)
    return list(files)


def to_json(record: Any) -> str:
    """A record (any dataclass) as indented JSON. NaN and infinities have no JSON form and are refused."""
    return json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False) + "\n"


T = TypeVar("T")
MOST_BYTES = 64 * 2**20  # of a record; the largest of this project's have one
MOST_ITEMS, MOST_CHARACTERS = 100_000, 20_000  # of a list, and of a text in it
PICTURE = re.compile(r"[A-Za-z0-9+/]+=*")  # base64, which may be as long as the file


def read_record(path: Path) -> Record:
    """Read a record back. Raises EsrError for a file that is no record, is cut short, or has another schema."""
    return read_as(Record, path)


def read_as(kind: type[T], path: Path) -> T:
    """Read a file that holds one `kind`, of this version or an earlier one. Raises EsrError for any other."""
    try:
        data = json.loads(read_regular(path, MOST_BYTES, "record"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise EsrError(f"{path} is not a complete JSON record ({error}); delete it and measure again") from None
    schema = next(field.default for field in dataclasses.fields(kind) if field.name == "schema")  # type: ignore[arg-type]
    if isinstance(data, dict):
        data = upgraded(kind.__name__, data)
    if not isinstance(data, dict) or data.get("schema") != schema:
        found = data.get("schema") if isinstance(data, dict) else None
        raise EsrError(f"{path} has record schema {found}, this version reads {schema}; measure again")
    try:
        record = from_plain(kind, data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EsrError(f"{path} does not fit record schema {schema} ({error}); measure again") from None
    try:
        if isinstance(record, Kept):
            record.check()
    except (OSError, ValueError, SyntaxError) as error:
        raise EsrError(f"{path} is damaged ({error}); delete it and measure again") from None
    return record


def from_plain(kind: type[T], data: Any) -> T:
    """Rebuild the dataclass `kind` from JSON data, checking names and the types of what it finds."""
    hints = typing.get_type_hints(kind)
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__} is {type(data).__name__}, not an object")
    unknown = set(data) - {field.name for field in dataclasses.fields(typing.cast(Any, kind))}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r} in {kind.__name__}")
    return kind(**{name: _convert(hints[name], value, name) for name, value in data.items()})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _check_plain(value: Any, name: str) -> None:
    """A value as JSON brings it is one that a table can hold: no bomb, no half of a character."""
    if isinstance(value, str):
        value.encode()  # a UnicodeEncodeError is a ValueError
        if len(value) > MOST_CHARACTERS and not PICTURE.fullmatch(value):
            raise ValueError(f"{name} has {len(value)} characters")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{name} is an integer of more than 63 bits")
    elif isinstance(value, list | dict):
        if len(value) > MOST_ITEMS:
            raise ValueError(f"{name} has {len(value)} entries")
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_plain(item, name)


def _convert(hint: Any, value: Any, name: str) -> Any:
    _check_plain(value, name)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, name)
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type[Any], hint), value)
    if origin is list and isinstance(value, list):
        return [_convert(arguments[0], item, name) for item in value]
    if origin is Literal and value in arguments:
        return value
    if hint is Any or (origin is dict and isinstance(value, dict)):
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name} is {value!r}, which is not {hint}")
