"""The page on the network: on this machine alone unless told otherwise, and with nothing from anywhere else.

Gradio serves many things that this page has no use for; what is not on the list below is not there.
"""

import os
import re
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lseg_cli.app.options import AppOptions
from lseg_cli.app.workbench import UPLOADS, Workbench
from lseg_cli.errors import LsegError
from lseg_cli.extras import require

if TYPE_CHECKING:
    import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_UPLOAD_BYTES = 100 * 2**20
_GRACE_S = 3  # for what is under way when the server ends
_PAGES = re.compile(
    r"/(?:|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|login|logout|assets/.*|static/.*|svelte/.*"
    r"|gradio_api/(?:info|app_id|startup-events|login_check|heartbeat/\w+|queue/(?:join|data)|cancel|reset"
    r"|upload|upload_progress|file=(?!\w+:).*))/?"
)
_HEADERS = [
    (
        b"content-security-policy",
        # Gradio makes functions of the scripts of its HTML components.
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' blob:; "
        b"worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Doorman:
    """Lets in who asks this host for what belongs to the page; tells browsers to load nothing from elsewhere."""

    def __init__(self, inner: Application, hosts: frozenset[str] | None) -> None:
        """Before an application.

        Args:
            inner: the application.
            hosts: names by which the page may be asked for, so that no other site's name can lead to this machine;
                None: any.
        """
        self._inner = inner
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._inner(scope, receive, send)
            return
        if not self._knows(_header(scope, b"host")):
            await _refuse(send, 421, b"This page is not served under this name.")
        elif (origin := _header(scope, b"origin")) and not self._knows(origin.partition("://")[2]):
            await _refuse(send, 403, b"Another site cannot use this page.")
        elif not _PAGES.fullmatch(scope["path"]):
            await _refuse(send, 404, b"There is nothing here.")
        else:
            await self._inner(scope, receive, _with_headers(send))

    def _knows(self, host: str) -> bool:
        """Whether a host, with or without a port, is one of ours."""
        name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
        return self._hosts is None or name.lower() in self._hosts


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder of the page's own for whatever comes and goes while it runs; Gradio is told to use it, and no network.

    Gradio reads these variables when it is imported or when a page is made.
    """
    with tempfile.TemporaryDirectory(prefix="lseg-app-", ignore_cleanup_errors=True) as name:
        settings = {
            "GRADIO_TEMP_DIR": str(Path(name) / UPLOADS),
            "GRADIO_CACHE_DIR": str(Path(name) / "cache"),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        before = {key: os.environ.get(key) for key in settings}
        os.environ.update(settings)
        try:
            yield Path(name)
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value


def make_application(bench: Workbench) -> Application:
    """The page as an ASGI application.

    Raises:
        MissingError: Gradio is not installed.
    """
    require("app", "lseg app")
    import gradio  # noqa: PLC0415  seconds, and an extra
    from fastapi import FastAPI  # noqa: PLC0415  comes with Gradio

    from lseg_cli.app.page import make_page, page_style  # noqa: PLC0415  they import Gradio

    options = bench.options
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gradio.mount_gradio_app(
        api,
        make_page(bench),
        path="/",
        server_name=options.host,
        server_port=options.port,
        footer_links=[],
        run_history=False,
        auth=options.user,
        show_error=False,
        max_file_size=MOST_UPLOAD_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        **page_style(),
    )
    hosts = {"localhost", "127.0.0.1", "[::1]", options.host.lower(), f"[{options.host.lower()}]"}
    return Doorman(api, frozenset(hosts) if options.is_local else None)


def listen(options: AppOptions) -> socket.socket:
    """A socket that listens where the options say.

    Raises:
        LsegError: the port is taken, or the host is not this machine's.
    """
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((options.host, options.port))
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LsegError(
            f"The page cannot listen on {options.host}, port {options.port} ({reason}); give another --host or --port."
        ) from error
    return listener


def make_server(bench: Workbench) -> "uvicorn.Server":
    """The page of a workbench, ready to run on a socket.

    Raises:
        MissingError: Gradio is not installed.
    """
    application = make_application(bench)
    import uvicorn  # noqa: PLC0415  comes with Gradio

    config = uvicorn.Config(
        application,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


def serve(options: AppOptions, ready: Callable[[str, Workbench], None]) -> None:
    """Serve the page until a signal comes.

    Args:
        options: of the app.
        ready: is called with the page's address when it can be opened.

    Raises:
        LsegError: something that was given cannot be used, or the port is taken.
        MissingError: Gradio is not installed.
    """
    options.check()
    require("app", "lseg app")
    with workplace() as folder, listen(options) as listener:
        bench = Workbench(options, folder)
        server = make_server(bench)
        try:
            ready(address_of(listener, options.host), bench)
            server.run(sockets=[listener])
        finally:
            bench.close()


def address_of(listener: socket.socket, host: str) -> str:
    """The page's address for a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"


def _header(scope: Scope, wanted: bytes) -> str:
    """Of a request; '' where there is none."""
    return next((value for name, value in scope["headers"] if name == wanted), b"").decode("latin-1")


def _with_headers(send: Send) -> Send:
    async def send_more(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await send(message)

    return send_more


async def _refuse(send: Send, code: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": text})
