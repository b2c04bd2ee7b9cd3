"""Download a public file into the cache: resumable, checked against its checksum, never half-written."""

import contextlib
import errno
import fcntl
import functools
import logging
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests
import urllib3
from requests.utils import get_environ_proxies
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.console import news
from models.errors import EsrError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0  # without a single byte
RETRIES = 4  # further tries after a cut-off; each continues where the last one stopped
RETRY_WAIT_S = 1.0
BAR_AFTER_S = 2.0
BLOCK = 16 * 1024  # bytes; a cut-off loses less than this

_TRANSIENT_STATUS = {429, 500, 502, 503, 504}
_reached: set[str] = set()
_unreachable: dict[str, str] = {}  # host -> reason, so that only the first of many downloads waits for a dead host


class ProgressBar:
    """Bytes done of `total` (None if unknown), drawn on stderr once the work has taken BAR_AFTER_S on a terminal."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._done = label, total, 0
        self._start = time.monotonic()
        self._drawn: tuple[Progress, TaskID] | None = None

    def advance(self, count: int) -> None:
        """Count `count` more bytes; negative when a download has to start over."""
        self._done += count
        if self._drawn is None and time.monotonic() - self._start > BAR_AFTER_S and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            progress = Progress(*columns, console=news(), transient=True)
            progress.start()
            self._drawn = progress, progress.add_task(self._label, total=self._total)
        if self._drawn:
            progress, task = self._drawn
            progress.update(task, completed=self._done)

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._drawn[0].stop()
            self._drawn = None


def download(
    url: str,
    target: Path,
    sha256: str | None,
    size: int | None = None,
    by_hand: str | None = None,
    bar: ProgressBar | None = None,
) -> Path:
    """Bring `url` to `target` and return `target`; nothing is transferred if it is there and its checksum matches.

    The data collect in `<target>.part`, which an interrupted download leaves behind and the next one continues. Only
    a file whose checksum matches gets the name `target`.

    Args:
        url: http or https address.
        target: path of the finished file; its folder is made.
        sha256: expected checksum; None accepts any content, but then nothing is resumed from an earlier call, since
            a mixture of two versions would go unnoticed.
        size: expected bytes, to refuse a wrong file or a full disk before the transfer.
        by_hand: where under --data-dir a user who has the file can put it; the target's name by default.
        bar: progress shared by several files; by default one of its own.

    Raises:
        EsrError: the host is unreachable (at once if it was before in this process), the file is not there, the
            transfer stalled or was cut off RETRIES times, the file is not the expected one, the disk is full.
    """
    pooch.get_logger().setLevel(logging.ERROR)  # what it says at INFO is for programmers
    part = target.with_name(target.name + ".part")
    cure = f"try again, or put the file by hand under --data-dir or $ESR_DATA as {by_hand or target.name}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        own_bar = ProgressBar(target.name, size)
        with _only_one_in(target.parent), contextlib.nullcontext(bar) if bar else own_bar as bar:
            if sha256 is None:
                part.unlink(missing_ok=True)
            downloader = _Downloader(part, size, bar)
            pooch.retrieve(url, sha256, fname=target.name, path=target.parent, downloader=downloader)
    except _TransferError as error:
        raise EsrError(f"cannot download {url} ({error}); {cure}") from None
    except ValueError:  # from pooch, which has deleted the data
        raise EsrError(f"{url} is not the expected file (its SHA-256 differs); {cure}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)  # a full disk hurts more than a second download
            raise EsrError(_disk_full(url, target.parent)) from None
        raise EsrError(
            f"cannot write {target} ({error.strerror}); set ESR_CACHE to a folder that can be written"
        ) from None
    return target


@contextlib.contextmanager
def _only_one_in(folder: Path) -> Iterator[None]:
    """Hold off other processes that download into `folder`: two of them would interleave in one .part file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock a folder
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class _TransferError(Exception):
    """Why a transfer failed, as the text between the brackets of the user's message."""


class _Downloader:
    """What `pooch.retrieve` calls to fill a temporary file, which it then verifies and renames."""

    def __init__(self, part: Path, size: int | None, bar: ProgressBar) -> None:
        self._part, self._size, self._bar = part, size, bar

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        os.unlink(output_file)  # pooch's placeholder would stay behind if this process were killed
        with contextlib.suppress(FileNotFoundError):
            self._bar.advance(self._part.stat().st_size)
        for retries_left in reversed(range(RETRIES + 1)):
            _check_reachable(url)
            before = _size_of(self._part)
            try:
                _fetch_rest(url, self._part, self._size, self._bar)
                break
            except requests.RequestException as error:
                reason, transient = _explain(error, url, progressed=_size_of(self._part) > before)
                if not transient or not retries_left:
                    raise _TransferError(reason) from None
            time.sleep(RETRY_WAIT_S)
        os.replace(self._part, output_file)


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_rest(url: str, part: Path, size: int | None, bar: ProgressBar) -> None:
    """One request that continues `part` to its end. Raises requests.RequestException with `part` kept."""
    have = _size_of(part)
    if have and have == size:
        return
    # Compressed transfer would make byte ranges and lengths meaningless.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    with _session().get(url, headers=headers, stream=True, timeout=timeout) as response:
        status, content_range = response.status_code, response.headers.get("Content-Range", "")
        if have and status == 416 and content_range == f"bytes */{have}":
            return  # complete, only never verified
        if not (have and status == 416):
            response.raise_for_status()
        resumed = have > 0 and status == 206 and content_range.startswith(f"bytes {have}-")
        if have and not resumed:  # the server ignores ranges, or what we have is no beginning of what it has
            bar.advance(-have)
            part.unlink()
            if status != 200:
                _fetch_rest(url, part, size, bar)
                return
            have = 0

        length = response.headers.get("Content-Length")
        total = have + int(length) if length and "Content-Encoding" not in response.headers else size
        if size is not None and total != size:
            part.unlink(missing_ok=True)
            raise _TransferError(f"not the expected file: {total} bytes instead of {size}")
        if total is not None and shutil.disk_usage(part.parent).free < total - have:
            raise EsrError(_disk_full(url, part.parent))
        with part.open("ab" if resumed else "wb") as file:
            for block in response.iter_content(BLOCK):
                file.write(block)
                bar.advance(len(block))
    if total is not None and _size_of(part) < total:
        raise requests.ConnectionError("closed early")


@functools.cache
def _session() -> requests.Session:
    return requests.Session()  # keeps the connection open between the files of a set


def _check_reachable(url: str) -> None:
    """Fail within CONNECT_TIMEOUT_S if the host cannot be connected to, and at once if that is already known.

    Done apart from the request because neither a name look-up nor a walk through a host's many addresses obeys the
    connect timeout of requests. A proxy, where one is set, does both for us.
    """
    host = urlsplit(url)
    if host.netloc not in _reached | _unreachable.keys() and not get_environ_proxies(url):
        failure = [f"no answer within {CONNECT_TIMEOUT_S:.0f} s"]

        def connect() -> None:
            try:
                port = host.port or (443 if host.scheme == "https" else 80)
                socket.create_connection((host.hostname or "", port), timeout=CONNECT_TIMEOUT_S / 2).close()
                failure.clear()
            except OSError as error:
                failure[:] = [error.strerror or str(error)]

        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        thread.join(CONNECT_TIMEOUT_S)
        if failure:
            _unreachable[host.netloc] = failure[0]
        else:
            _reached.add(host.netloc)
    if host.netloc in _unreachable:
        raise _TransferError(f"{host.netloc} is unreachable: {_unreachable[host.netloc]}")


def _explain(error: requests.RequestException, url: str, progressed: bool) -> tuple[str, bool]:
    """The reason in a user's words, and whether another try may help."""
    cause = error.args[0] if error.args else None
    cause = getattr(cause, "reason", cause)  # urllib3's error inside its "max retries" wrapper
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return f"the server answers {status} {error.response.reason}", status in _TRANSIENT_STATUS
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate cannot be verified", False
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError) or (
        isinstance(cause, urllib3.exceptions.NewConnectionError)
    ):
        host = urlsplit(url).netloc
        _unreachable[host] = "no connection"
        return f"{host} is unreachable: no connection", False
    if isinstance(error, requests.ReadTimeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return f"stalled: no data for {READ_TIMEOUT_S:g} s", progressed
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection was cut off", True
    return str(error), False


def _disk_full(url: str, folder: Path) -> str:
    free = shutil.disk_usage(folder).free / 1e6
    return f"no room for {url}: {free:.0f} MB free in {folder}; free some or set ESR_CACHE to a folder on another disk"
