"""Downloads from a server on this machine that behaves well, badly and not at all."""

import errno
import hashlib
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models import download as module
from models.cache import cache_dir, sha256_of
from models.download import ProgressBar, download
from models.errors import EsrError

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WRONG = b"<html>please log in</html>"


class Handler(BaseHTTPRequestHandler):
    """/good and /norange serve CONTENT; /cut sends 100,000 bytes a request, /stall sends some and hangs, and so on."""

    server: "Server"

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        self.server.requests.append((kind, self.headers.get("Range")))
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if kind == "404":
            self.send_error(404)
        elif kind == "busy" and len(self.server.requests) == 1:
            self.send_error(503)
        elif kind == "wrong":
            self.send_body(WRONG, 0, ranges=False)
        elif kind == "same-size":
            self.send_body(bytes(len(CONTENT)), 0, ranges=False)
        elif kind in ("norange", "norange-cut"):
            first = kind == "norange-cut" and len(self.server.requests) == 1
            self.send_body(CONTENT, 0, ranges=False, limit=100_000 if first else None)
        elif kind == "nolength":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        elif start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            limit = {"cut": 100_000, "stall": 50_000, "drop": 0}.get(kind)
            self.send_body(CONTENT, start, ranges=True, limit=limit)
            if kind == "stall":
                self.server.released.wait(20)

    def send_body(self, body: bytes, start: int, ranges: bool, limit: int | None = None) -> None:
        self.send_response(206 if ranges and start else 200)
        if ranges and start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][:limit])
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "RETRY_WAIT_S", 0.01)
    monkeypatch.setattr(module, "_reached", set())
    monkeypatch.setattr(module, "_unreachable", {})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.bin"


def files_beside(target: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in target.parent.iterdir()}


def fails(url: str, target: Path, sha256: str | None = SHA256, size: int | None = None) -> str:
    """The text of the error, which must be one line that names the address."""
    with pytest.raises(EsrError) as caught:
        download(url, target, sha256, size)
    text = str(caught.value)
    assert "\n" not in text
    assert url in text
    assert not target.exists()
    return text


def test_good(server: Server, target: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert download(f"{server.url}/good", target, SHA256, len(CONTENT)) == target
    assert files_beside(target) == {"file.bin": len(CONTENT)}
    assert sha256_of(target) == SHA256
    assert capfd.readouterr() == ("", "")  # neither pooch nor a bar
    download(f"{server.url}/good", target, SHA256)
    assert len(server.requests) == 1  # the second call found it


@pytest.mark.parametrize("kind", ["good", "norange", "nolength"])
@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("have", [0, 1, 123_456, len(CONTENT)])
def test_continues_what_was_left(server: Server, target: Path, kind: str, size: int | None, have: int) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT[:have])
    download(f"{server.url}/{kind}", target, SHA256, size)
    assert target.read_bytes() == CONTENT
    assert files_beside(target) == {"file.bin": len(CONTENT)}
    complete = have == len(CONTENT) == size
    assert server.requests == ([] if complete else [(kind, f"bytes={have}-" if have else None)])


def test_left_over_longer_than_the_file_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT + b"more")
    download(f"{server.url}/good", target, SHA256)
    assert target.read_bytes() == CONTENT


def test_left_over_is_not_trusted_without_a_checksum(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(b"older version")
    download(f"{server.url}/good", target, None)
    assert target.read_bytes() == CONTENT


def test_cut_off_is_resumed(server: Server, target: Path) -> None:
    download(f"{server.url}/cut", target, SHA256, len(CONTENT))
    assert target.read_bytes() == CONTENT
    starts = [int((asked or "bytes=0-")[6:-1]) for _, asked in server.requests]
    assert len(starts) >= 3
    assert starts == sorted(set(starts))  # each try began further on


def test_cut_off_without_ranges_starts_over(server: Server, target: Path) -> None:
    download(f"{server.url}/norange-cut", target, SHA256, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_cut_off_for_good(server: Server, target: Path) -> None:
    assert "cut off" in fails(f"{server.url}/drop", target)
    assert len(server.requests) == 1 + module.RETRIES


def test_busy_server_is_asked_again(server: Server, target: Path) -> None:
    download(f"{server.url}/busy", target, SHA256)
    assert len(server.requests) == 2


def test_not_found(server: Server, target: Path) -> None:
    text = fails(f"{server.url}/404", target)
    assert "404" in text
    assert "--data-dir or $ESR_DATA" in text
    assert files_beside(target) == {}
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("kind", ["wrong", "same-size"])
def test_wrong_file(server: Server, target: Path, kind: str, size: int | None) -> None:
    assert "not the expected file" in fails(f"{server.url}/{kind}", target, size=size)
    assert files_beside(target) == {}


def test_stall(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(module, "READ_TIMEOUT_S", 0.3)
        assert "stalled" in fails(f"{server.url}/stall", target)
    left = files_beside(target)
    assert list(left) == ["file.bin.part"]
    assert CONTENT.startswith(target.with_name("file.bin.part").read_bytes())
    download(f"{server.url}/good", target, SHA256)  # the next try continues
    assert server.requests[-1] == ("good", f"bytes={left['file.bin.part']}-")
    assert target.read_bytes() == CONTENT


def test_refused_connection_fails_at_once_afterwards(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
    assert "unreachable" in fails(url, target)
    monkeypatch.setattr(socket, "create_connection", None)  # whoever tried to connect would fail otherwise
    assert "unreachable" in fails(url, target)
    assert files_beside(target) == {}


def test_silent_host_costs_one_connect_timeout(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over, tried = threading.Event(), []

    def connect(address: tuple[str, int], **_: object) -> socket.socket:
        tried.append(address)
        over.wait()
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.3)
    for name in ("one", "two", "three"):
        assert "unreachable" in fails(f"http://127.0.0.1:9/{name}", target)
    over.set()
    assert tried == [("127.0.0.1", 9)]


def test_unknown_host(target: Path) -> None:
    assert "unreachable" in fails("http://nowhere.invalid/file", target)


def test_no_room(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    text = fails(f"{server.url}/good", target)
    assert "no room" in text
    assert "ESR_CACHE" in text


def test_disk_fills_up(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ProgressBar, "advance", full)  # called after each write
    assert "no room" in fails(f"{server.url}/good", target)
    assert files_beside(target) == {}


def test_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EsrError, match=r"cannot write .* set ESR_CACHE"):
        download(f"{server.url}/good", tmp_path / "file" / "x", SHA256)


def test_two_at_once_transfer_once(server: Server, target: Path) -> None:
    threads = [threading.Thread(target=download, args=(f"{server.url}/cut", target, SHA256)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert sum(asked is None for _, asked in server.requests) == 1


def test_bar_appears_only_on_a_terminal_after_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def drawn() -> str:
        with ProgressBar("Set5", 100) as bar:
            bar.advance(50)
        return capsys.readouterr().err

    assert drawn() == ""
    monkeypatch.setattr(module, "BAR_AFTER_S", -1)
    assert drawn() == ""  # not a terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "Set5" in drawn()


def test_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ESR_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("ESR_CACHE")
    assert cache_dir().name == "esr-bench"
