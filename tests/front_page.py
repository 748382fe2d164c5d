"""A page with the front end in it, without Jupyter: a model that Python feeds, in a browser.

with front_page(browser, view) as shown:
    growing.hear(1)
    view.show(growing.session)
    shown.settle()
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Route

from nbstream import front
from nbstream.widgets.view import View

URL = "http://nbstream.test/"
ENTRIES = {
    "view.js": "export { attach, fromPage, mount, Store, table, transcript, waveform };",
    "inspector.js": "export { attach, fromPage, inspector, Player, SliceOutput, Store };",
}
INDEX = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Session</title>
<link rel="stylesheet" href="/view.css"><style>
html { color-scheme: light dark; }
body { margin: 12px; background: Canvas; font-family: sans-serif; }
</style></head><body><main><div id="place"></div></main><div style="height: 2000px"></div>
<script type="module">
import * as parts from "/view.js";

/** A widget's model, which has what Python puts into `said`. */
class Model {
  traits = {};
  listeners = {};
  get(name) { return this.traits[name]; }
  on(name, f) { (this.listeners[name] ??= []).push(f); }
  off(name, f) { this.listeners[name] = this.listeners[name].filter((g) => g !== f); }
  send(message) { window.ask(message); }
  say(name, ...given) { for (const f of [...(this.listeners[name] ?? [])]) f(...given); }
}

const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const withBytes = (sound) => sound && {
  ...sound, parts: sound.parts.map((part) => ({ ...part, columns: bytes(part.columns) })),
};

window.parts = parts;
window.model = new Model();
window.begin = async (state, only) => {
  model.traits = { state: { ...state, sound: withBytes(state.sound) }, delta: { seq: state.seq } };
  const place = document.querySelector("#place");
  if (only) {
    const store = new parts.Store();
    parts.attach(store, model);
    return parts[only](store, place);
  }
  const widget = await parts.default();
  await widget.initialize({ model });
  return widget.render({ model, el: place });
};
window.delta = (delta) => {
  model.traits.delta = { ...delta, sound: withBytes(delta.sound) };
  model.say("change:delta");
};
window.custom = (message, buffers) => model.say("msg:custom", message, buffers.map(bytes));
window.frames = 0;
const real = window.requestAnimationFrame.bind(window);
window.spent_ms = [];
window.requestAnimationFrame = (f) => real((at) => {
  window.frames++;
  const began = performance.now();
  f(at);
  window.spent_ms.push(performance.now() - began);
});
window.ready = true;
</script></body></html>"""


class FrontPage:
    """A page that shows a `View`; what it asks for is answered when it settles."""

    def __init__(self, page: Page, view: View) -> None:
        self.page = page
        self.view = view
        self.asked: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self._waiting: list[dict[str, Any]] = []
        page.set_default_timeout(20_000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.expose_function("ask", self._ask)
        page.route(f"{URL}**", self._serve)
        view.send = self._send
        self._to_say: list[tuple[str, list[Any]]] = []
        view.observe(self._new_delta, "delta")

    def begin(self, only: str = "") -> None:
        """Load the page, or load it again, with all that is there now; perhaps one part alone."""
        self._to_say.clear()
        self.page.goto(URL)
        self.page.wait_for_function("() => window.ready")
        state = coded(self.view.get_state()["state"])
        self.page.evaluate("async ([state, only]) => { await begin(state, only); }", [state, only])
        self.settle()

    def settle(self) -> None:
        """Until all that was said has been drawn, and all that was asked has been answered."""
        while True:
            said, self._to_say = self._to_say, []
            for name, given in said:
                self.page.evaluate(f"given => window.{name}(...given)", given)
            self.page.evaluate(
                "() => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))"
            )
            asked, self._waiting = self._waiting, []
            for content in asked:
                self.view._handle_custom_msg(content, [])
            if not self._to_say and not self._waiting:
                return

    def _ask(self, content: dict[str, Any]) -> None:
        self.asked.append(content)
        self._waiting.append(content)

    def _send(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        coded_buffers = [base64.b64encode(buffer).decode() for buffer in buffers or []]
        self._to_say.append(("custom", [content, coded_buffers]))

    def _new_delta(self, change: dict[str, Any]) -> None:
        self._to_say.append(("delta", [coded(change["new"])]))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(URL)
        entry = self.view.entry
        bodies = {
            "": ("text/html", INDEX),
            "view.js": ("text/javascript", f"{front.module(entry)}\n{ENTRIES[entry]}\n"),
            "view.css": ("text/css", front.style(entry)),
        }
        kind, body = bodies.get(path, ("text/plain", ""))
        route.fulfill(content_type=kind, body=body)


def coded(message: dict[str, Any]) -> dict[str, Any]:
    """A state or a delta with its bytes as base64, which can be put into a page."""
    if "sound" not in message:
        return message
    parts = [
        part | {"columns": base64.b64encode(part["columns"]).decode()}
        for part in message["sound"]["parts"]
    ]
    return message | {"sound": message["sound"] | {"parts": parts}}


@contextlib.contextmanager
def front_page(
    browser: Browser, view: View, *, width: int = 1300, height: int = 700, **options: Any
) -> Iterator[FrontPage]:
    """A page of that size that shows `view`; it must have nothing to complain of at the end."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    shown = FrontPage(context.new_page(), view)
    try:
        shown.begin()
        yield shown
        assert not shown.complaints, shown.complaints
    finally:
        context.close()
