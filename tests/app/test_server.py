"""Who is let in, and what is there for them."""

import contextlib
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lseg_cli.app.options import AppOptions
from lseg_cli.app.server import address_of, listen
from lseg_cli.errors import LsegError
from tests.app.conftest import GRADIOS_WARNINGS, Served, opened
from tests.command_line import lseg

pytestmark = GRADIOS_WARNINGS


def ask(address: str, path: str, form: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    request = urllib.request.Request(address.rstrip("/") + path, form, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_browsers_are_told_to_load_nothing_from_elsewhere(served: Served) -> None:
    status, headers, page = ask(served.address, "/")
    assert status == 200
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";")}
    assert policy["default-src"] == ["'self'"]
    for sources in policy.values():
        assert all(source in ("'self'", "'none'", "data:", "blob:") or "unsafe" in source for source in sources)
    assert b"fonts.googleapis" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/x",
        "/gradio_api/file=https://example.org/",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://example.org/",
        "/gradio_api/stream/x",
        "/gradio_api/runs",
        "/gradio_api/vibe-code",
        "/gradio_api/deep_link",
        "/monitoring/summary",
        "/docs",
        "/openapi.json",
        "/assets/../../../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/__init__.py",
    ],
)
def test_nothing_else_is_there(served: Served, path: str) -> None:
    status, _, body = ask(served.address, path)
    assert status in (403, 404)
    assert b"root:" not in body


def test_files_of_the_folder_are_not_served_as_they_are(served: Served) -> None:
    for path in (served.folder / "photos" / "0.jpg", Path(__file__), Path.cwd() / "pyproject.toml"):
        assert ask(served.address, f"/gradio_api/file={path}")[0] == 403


def test_another_sites_name_leads_nowhere(served: Served) -> None:
    assert ask(served.address, "/", Host="evil.example")[0] == 421
    assert ask(served.address, "/", Host="evil.example:7860")[0] == 421
    assert ask(served.address, "/", Host="localhost:7860")[0] == 200


def test_another_site_cannot_use_the_page(served: Served) -> None:
    assert ask(served.address, "/config", Origin="https://evil.example")[0] == 403
    assert ask(served.address, "/config", Origin="null")[0] == 403
    assert ask(served.address, "/config", Origin=served.address.rstrip("/"))[0] == 200


def test_a_file_of_this_machine_cannot_be_sent_as_a_picture(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes((served.folder / "photos" / "0.jpg").read_bytes())
    (tmp_path / "link.png").symlink_to(secret)
    for path in (str(secret), "/etc/passwd", str(tmp_path / "link.png"), f"{tmp_path}/uploads/../secret.png"):
        with pytest.raises(LsegError, match="did not come through this page"):
            served.bench.uploaded(path)
    assert secret.exists()


def test_who_has_no_password_gets_nothing(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(start)
    with opened(AppOptions(paths=("photos",), port=0, auth="ann:secret")) as served:
        assert b"auth_required" in ask(served.address, "/")[2]
        for path in ("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x", "/gradio_api/file=x"):
            assert ask(served.address, path)[0] == 401, path
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert ask(served.address, "/login", b"username=ann&password=wrong", **form)[0] == 400
        _, headers, _ = ask(served.address, "/login", b"username=ann&password=secret", **form)
        cookie = headers["set-cookie"].partition(";")[0]
        assert ask(served.address, "/config", Cookie=cookie)[0] == 200


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_the_command_serves_the_page_until_it_is_interrupted(start: Path) -> None:
    pytest.importorskip("gradio", reason="needs the gradio package (the extra app)")
    command = [sys.executable, "-W", "ignore", "-m", "lseg_cli", "app", "photos", "--port", "0", "--no-open"]
    with subprocess.Popen(command, cwd=start, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = line.split()[4]
        assert line == f"The page is at {address} - Ctrl-C ends it.\n"
        while True:
            with contextlib.suppress(urllib.error.URLError):
                assert ask(address, "/config")[0] == 200
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(LsegError, match=r"cannot listen on 127\.0\.0\.1, port \d+ \(.+\); give another"):
            listen(AppOptions(port=other.getsockname()[1]))


def test_a_port_that_is_free_is_found() -> None:
    with listen(AppOptions(port=0)) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener, "0.0.0.0") == f"http://127.0.0.1:{port}/"
        assert address_of(listener, "::") == f"http://[::1]:{port}/"


def test_other_hosts_need_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("app", "--host", "0.0.0.0", "--no-open") == 2
    assert "give --auth USER:PASSWORD" in capsys.readouterr().err


def test_without_gradio_a_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lseg_cli.extras.find_spec", lambda _: None)
    assert lseg("app", "--no-open") == 6
    assert capsys.readouterr().err.strip() == (
        "lseg: lseg app needs the package gradio, which is not installed: pip install 'lseg-cli[app]'."
    )
