"""JupyterLab in Chromium, for the tests that look at a screen: the views and the exercises as a reader meets them.

Without Chromium these tests are skipped; with REQUIRE_BROWSER=1, as CI sets it, that is a failure.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright import sync_api

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not CHROMIUM and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no Chromium: install Debian's package chromium.")
marks = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"  # test output, to be looked at; git ignores it
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"


@contextmanager
def chromium():
    """Chromium, without a window."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@contextmanager
def jupyterlab(home: Path):
    """JupyterLab in a folder of its own, and Chromium; gives open_(cells) -> page, once all cells run and `wait` is there."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folders = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={home}", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    env = os.environ | folders | {"IPYTHONDIR": str(home / "ipython")}
    settings = home / "CONFIG" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)  # without the question about news, which would lie over the page
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=env, stdout=-3, stderr=-3)
    try:
        with chromium() as browser:

            def open_(cells, wait=".ddpm-view canvas, .ddpm-view [role=alert]", above=False):
                for context in browser.contexts:  # the page before, with its kernel: it would keep half a gigabyte
                    context.pages[0].evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")
                    context.close()
                page, errors = browser.new_page(viewport={"width": 1280, "height": 1000}), []
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.errors = errors
                spec = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
                name = f"n{time.monotonic_ns()}"  # a workspace of its own: Lab would open the last one's tabs again
                nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), home / f"{name}.ipynb")
                for _ in range(120):
                    try:
                        page.goto(f"http://127.0.0.1:{port}/lab/workspaces/{name}/tree/{name}.ipynb")
                        break
                    except sync_api.Error:
                        time.sleep(0.5)
                widget = "jupyterapp.shell.currentWidget"
                page.wait_for_function(f"window.jupyterapp && {widget}?.context?.isReady && {widget}.sessionContext?.session")
                if above:  # only the cells above the last one: when it is run shall be seen
                    page.evaluate(f"({widget}.content.activeCellIndex = {len(cells) - 1}, 0)")
                    page.evaluate("jupyterapp.commands.execute('notebook:run-all-above')")
                    return page
                page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
                page.wait_for_selector(wait, state="attached", timeout=180_000)
                return page

            yield open_
    finally:
        server.terminate()
        server.wait(10)
