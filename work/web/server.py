"""Starting and stopping the page: one host and port, private files, nothing sent anywhere, nothing kept."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from work.configs.web_options import WebOptions
from work.errors import UserError
from work.web.private import make_private_folder

if TYPE_CHECKING:
    from work.web.page import Page

LOOPBACK = ("127.0.0.1", "localhost")
SPARE = 16  # threads of Gradio beside those that wait
SWEEP = 15  # seconds between two looks for files that belong to nobody


def serve(options: WebOptions) -> int:
    """Open the page and wait for Ctrl-C or SIGTERM; all files are deleted then. The exit code.

    Raises:
        UserError: Gradio is missing, the port is taken, or the model cannot be loaded.
    """
    root = make_private_folder()
    try:
        return _serve(options, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _serve(options: WebOptions, root: Path) -> int:
    _check_address(options.host, options.port)
    print("starting the page", flush=True)
    _prepare_gradio(root)
    from work.web.page import Page
    from work.web.worker import Worker

    stop, worker = threading.Event(), Worker(options.max_waiting)

    def stop_soon(*_: object) -> None:
        if not stop.is_set():  # while networks are loaded or fetched, it takes until that is done
            print("stopping; uploads and results are deleted", flush=True)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_soon)
    page = Page(options, root, worker)
    blocks = page.blocks
    try:
        _launch(page, options)
        print(f"open http://{_shown(options.host)}:{options.port} (Ctrl-C ends it)", flush=True)
        while not stop.wait(SWEEP):
            page.sessions.sweep()
        return 0
    finally:
        blocks.close(verbose=False)
        worker.close()


def _check_address(host: str, port: int) -> None:
    """Raise UserError, before anything is loaded, if nothing can listen there."""
    if ":" in host:
        raise UserError(f"--host {host}: only names and IPv4 addresses are supported")
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise UserError(f"--host {host}: there is no such address ({error.strerror})") from error
    try:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((address, port))
    except OSError as error:
        here = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
        typed = host if here == "--host" else port
        raise UserError(
            f"{here} {typed}: cannot listen on {host}:{port} ({error.strerror}); type another one"
        ) from error


def _prepare_gradio(root: Path) -> None:
    """Import Gradio, told beforehand where its files go and that it reports nothing."""
    os.environ.update(
        GRADIO_TEMP_DIR=str(root),
        GRADIO_ANALYTICS_ENABLED="False",
        HF_HUB_DISABLE_TELEMETRY="1",
        GRADIO_SSR_MODE="False",
    )
    # Gradio sends itself a request to see whether it is up; a proxy would answer instead.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), *LOOPBACK]))
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the web page needs Gradio ({error}): {sys.executable} -m pip install -r requirements-web.txt"
        ) from error
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its requests to itself


def _launch(page: Page, options: WebOptions) -> None:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from work.web.gate import Gate

    layers = [Middleware(Gate, handlers=page.handlers(), root=page.root, limit=page.largest_upload)]
    if options.host in LOOPBACK:  # other names for this machine come from DNS rebinding
        layers.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK)))
    try:
        # Whoever waits does so in our own queue, which says how long it is: Gradio's lets all of them through.
        page.blocks.queue(max_size=4 * options.max_waiting, api_open=False).launch(
            max_threads=options.max_waiting + SPARE,
            server_name=options.host,
            server_port=options.port,
            share=False,
            show_api=False,
            quiet=True,
            prevent_thread_lock=True,
            enable_monitoring=False,
            app_kwargs={"middleware": layers},
        )
    except OSError as error:
        raise UserError(
            f"--port {options.port}: cannot listen on {options.host}:{options.port}; "
            "type another one"
        ) from error


def _shown(host: str) -> str:
    return LOOPBACK[0] if host == "0.0.0.0" else host
