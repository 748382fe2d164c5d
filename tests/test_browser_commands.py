"""Stop, Mark, choices and edits while a cell runs, in JupyterLab, on both kinds of kernels."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Lab, Notebook, chromium
from tests.page_microphone import folders, new_folder, wait_until
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.browser

# Sockets that `window.blocked` names lead nowhere.
BLOCK = """() => {
    window.blocked = [];
    const Plain = window.WebSocket;
    window.WebSocket = class extends Plain {
        constructor(url, protocols) {
            const route = new URL(url).host !== location.host ? "direct" : "proxy";
            const is_ours = route === "direct" || url.includes("/proxy/");
            super(is_ours && blocked.includes(route) ? "ws://127.0.0.1:65530/" : url, protocols);
        }
    };
}"""
# Milliseconds from a press of the button until the state is `state`; null: `patience_ms` were over.
PRESS = """([button, state, patience_ms]) => new Promise(done => {
    const pressed_ms = performance.now();
    const end = (passed_ms) => { observer.disconnect(); done(passed_ms); };
    const observer = new MutationObserver(() => {
        if (document.querySelector(".nbs-state").textContent === state)
            end(performance.now() - pressed_ms);
    });
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
    setTimeout(() => end(null), patience_ms);
    document.querySelector(button).click();
})"""
PANEL = """
        import time
        import nbstream as nb
        from nbstream.widgets import commands
        from nbstream.widgets.inspector import Inspector
        service = nb.AssemblyAI(endpoint={url!r}, api_key="none")
        rec = nb.Recorder("sample", service, report=False)
        rec
        """
CUT = "commands._commands.cut()"
BUSY = "time.sleep(60)"
BUSY_AND_CUT = """
        for _ in range(600):
            commands._commands.cut()
            time.sleep(0.1)
        """
ROUTES = "print(commands._commands.routes)"
INSPECT = "Inspector(rec.session)"
CELLS = [PANEL, CUT, ROUTES, BUSY, BUSY_AND_CUT, INSPECT]
N_MARKS = 30
BLOCKED: dict[str, list[str]] = {
    "direct": [],
    "proxy": ["direct"],
    "control": ["direct", "proxy"],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def begin(notebook: Notebook, number: int) -> None:
    notebook.run(number, wait=False)
    expect(notebook.cell(number)).to_contain_text("[*]")


def interrupt(notebook: Notebook, number: int) -> None:
    """End that cell, which must be running still: nothing has waited for it."""
    expect(notebook.cell(number)).to_contain_text("[*]")
    notebook.command("notebook:interrupt-kernel")
    expect(notebook.cell(number)).not_to_contain_text("[*]")


def be_heard_by(notebook: Notebook, route: str) -> None:
    """Have all pages come by that route."""
    deadline_s = time.monotonic() + 30
    while True:
        notebook.run(2)
        if f"['{route}']" in notebook.output(2).inner_text():
            return
        assert time.monotonic() < deadline_s, notebook.output(2).inner_text()


def record(page: Page) -> None:
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Recording")


def annotations(folder: Path) -> list[dict[str, object]]:
    path = folder / "annotations.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("ipykernel", [7, 6])
def test_what_is_pressed_while_a_cell_runs_is_done_before_it_ends(
    server: Lab, browser: Browser, service: ScriptedServer, ipykernel: int
) -> None:
    """Stop by each route; marks while the line is cut again and again, each once; edits."""
    kernel = server.add_ipykernel_6() if ipykernel == 6 else "python3"
    cells = [PANEL.format(url=service.url), *CELLS[1:]]
    notebook = server.open(browser, f"commands-{ipykernel}.ipynb", cells, kernel=kernel)
    page = notebook.page
    page.evaluate(BLOCK)
    notebook.run(0)
    passed_ms = {}
    for route in BLOCKED if ipykernel == 7 else ("direct", "control"):
        blocked = BLOCKED[route]
        page.evaluate("names => { blocked = names; }", blocked)
        if blocked:
            notebook.run(1)
        be_heard_by(notebook, route)
        record(page)
        begin(notebook, 3)
        passed_ms[route] = page.evaluate(PRESS, ["button.nbs-record", "Stopped", 30_000])
        assert passed_ms[route] is not None
        interrupt(notebook, 3)
    print(json.dumps({"ipykernel": ipykernel, "press_to_stopped_ms": passed_ms}))

    page.evaluate("() => { blocked = []; }")
    before = folders(server)
    record(page)
    folder = new_folder(server, before)
    begin(notebook, 4)
    for _ in range(N_MARKS):
        page.get_by_role("button", name="Mark", exact=True).click()
        page.wait_for_timeout(50)
    wait_until(lambda: len(annotations(folder)) == N_MARKS, notebook)
    assert page.evaluate(PRESS, ["button.nbs-record", "Stopped", 30_000]) is not None
    interrupt(notebook, 4)
    assert N_MARKS == len(annotations(folder))

    notebook.run(5)
    panel = notebook.output(5).locator(".nbs-inspector")
    expect(panel).to_be_visible()
    begin(notebook, 3)
    panel.locator("canvas").first.click()
    panel.get_by_role("button", name="Mark", exact=True).click()
    wait_until(lambda: len(annotations(folder)) == N_MARKS + 1, notebook)
    interrupt(notebook, 3)


def test_two_windows_choose_while_a_cell_runs(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """What is chosen in one is shown in the other, there and back, and the kernel has it."""
    cells = [PANEL.format(url=service.url), BUSY, "print(rec._source.value)"]
    one = server.open(browser, "windows.ipynb", cells)
    one.run(0)
    one.command("docmanager:save")
    two = Notebook(one.page.context.new_page(), one.page.url)
    two.load()
    sources = [window.page.get_by_label("Source", exact=True) for window in (one, two)]
    expect(sources[1]).to_have_value("Sample")
    begin(one, 1)
    for mine, others in (sources, sources[::-1], sources):
        for name in ("Browser microphone", "Sample"):
            mine.select_option(name)
            expect(others).to_have_value(name)
    interrupt(one, 1)
    one.run(2)
    expect(one.output(2)).to_have_text("sample")
    assert one.complaints + two.complaints == []
