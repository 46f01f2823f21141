"""Only regular files are opened, and no more is read than was allowed."""

import errno
import os
import socket
from pathlib import Path

import pytest

from lseg_cli.files import open_regular, read_regular


def test_a_file_and_a_link_to_it_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"sky\r\n")
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_regular(path, 100) == read_regular(str(link), 5) == b"sky\r\n"


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="it is a named pipe, not a file") as caught:
        open_regular(path)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_behind_a_link_is_refused(tmp_path: Path, device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"this system has no {device}")
    link = tmp_path / "a.png"
    link.symlink_to(device)
    with pytest.raises(OSError, match="it is a device, not a file"):
        open_regular(link)


def test_a_folder_and_a_socket_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket may be no longer than 107 bytes
    with pytest.raises(OSError, match="it is a folder, not a file"):
        open_regular(tmp_path)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("s")
        with pytest.raises(OSError, match="it is a socket, not a file"):
            open_regular("s")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gif"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)
    with pytest.raises(OSError, match=r"it has 50,000.0 MB; at most 64.0 MB are read") as caught:
        open_regular(path, 64_000_000)
    assert caught.value.errno == errno.EFBIG


def test_a_file_that_says_it_is_empty_is_read_up_to_the_limit() -> None:
    path = Path("/proc/self/status")  # of 0 bytes, says the system
    if not path.exists():
        pytest.skip("this system has no /proc")
    assert read_regular(path, 100_000).startswith(b"Name:")
    with pytest.raises(OSError, match=r"at most 0\.0 MB are read"):
        read_regular(path, 10)
