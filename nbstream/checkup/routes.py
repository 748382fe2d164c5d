"""By which routes a page's microphone can be heard here, and which would be taken. Pure.

The order is the one in which a page tries them, see ``front/routes.js``.
"""

from __future__ import annotations

from typing import Final

from nbstream.checkup.facts import Facts, Row, Server
from nbstream.sources import pagestates

ROUTES: Final = "Routes of the browser's microphone, in the order in which they are tried"
TAKEN: Final = "The route that would be taken"
WORDS: Final = {"control": "by the control channel"} | pagestates.ROUTES
_INSTALL: Final = (
    "If pages come from elsewhere: pip install jupyter-server-proxy in the environment of the "
    "Jupyter server, which need not be the kernel's; then start the server again."
)


def route_rows(facts: Facts) -> list[Row]:
    """Whether each route can be had, and what a page would take."""
    if _has_no_page(facts):
        found = "it looks as if this runs in VS Code, whose notebooks give a page no microphone"
        todo = 'Use source="mic", or open the notebook in a browser.'
        return [Row(ROUTES, "all", "missing", found, todo)]
    routes = (_direct(facts), _proxy(facts), _control(facts), _comm(facts))
    return [*routes, *_pages(facts)]


def asked_servers(facts: Facts) -> tuple[Server, ...]:
    """The kernel's own server if it is known, else all that run here."""
    ours = tuple(server for server in facts.servers if server.is_ours)
    return ours or facts.servers


def taken(facts: Facts, *, is_here: bool) -> list[str]:
    """Routes that a page would take: the first, or more where it depends on what is not known."""
    if _has_no_page(facts):
        return []
    if is_here and not facts.loopback_problem:
        return ["direct"]
    found = []
    if not facts.loopback_problem:
        has = [server.has_proxy for server in asked_servers(facts)] or [None]
        if all(has):
            return ["proxy"]
        if any(one is not False for one in has):
            found.append("proxy")
    if _has_control(facts):
        return [*found, "control"]
    return [*found, "comm"] if _has_comm(facts) else found


def _direct(facts: Facts) -> Row:
    if facts.loopback_problem:
        hint = "Allow programs to listen on 127.0.0.1; a sandbox or a firewall forbids it."
        found = f"no port can be opened on 127.0.0.1: {facts.loopback_problem}"
        return Row(ROUTES, "direct", "missing", found, hint)
    found = "a port on 127.0.0.1 can be opened and reached, by pages at localhost on this machine"
    return Row(ROUTES, "direct", "ok", found)


def _proxy(facts: Facts) -> Row:
    name = "proxy"
    if facts.loopback_problem:
        return Row(ROUTES, name, "missing", "it leads to a port on 127.0.0.1, see above")
    servers = asked_servers(facts)
    if not servers:
        version = facts.versions.get("jupyter-server-proxy")
        here = f"this Python has it ({version})" if version else "this Python does not have it"
        found = f"no running Jupyter server was found to ask for jupyter-server-proxy; {here}"
        return Row(ROUTES, name, "note", found, "It counts what the server has. " + _INSTALL)
    words = {True: "has", False: "does not have", None: "does not tell whether it has"}
    said = "; ".join(f"{s.url} {words[s.has_proxy]} jupyter-server-proxy" for s in servers)
    if not any(server.is_ours for server in servers):
        said += ". " + ("Which server a notebook has is not known here")
    if all(server.has_proxy for server in servers):
        return Row(ROUTES, name, "ok", said)
    if all(server.has_proxy is False for server in servers):
        return Row(ROUTES, name, "missing", said, _INSTALL)
    return Row(ROUTES, name, "note", said, _INSTALL)


def _control(facts: Facts) -> Row:
    name = "control"
    if name not in facts.known_routes:
        return Row(ROUTES, name, "note", "not used by this version")
    if not _has_control(facts):
        return Row(ROUTES, name, "missing", "the kernel takes no messages of ours there")
    about = "the kernel's control channel takes messages while a cell runs"
    return Row(ROUTES, name, "ok", about if facts.kernel else f"{about} (ipykernel installed here)")


def _comm(facts: Facts) -> Row:
    name = "comm"
    if not _has_comm(facts):
        found = "it needs a notebook's kernel with anywidget"
        return Row(ROUTES, name, "missing", found, "pip install ipykernel anywidget")
    if facts.kernel.has_subshells if facts.kernel else _is_at_least_7(facts):
        found = "the widget's messages; answered while a cell runs, where the front end asks for it"
        return Row(ROUTES, name, "ok", found + " (JupyterLab 4.4, Notebook 7.4)")
    found = "the widget's messages wait while a cell runs; all sound comes, but late"
    todo = "pip install -U 'ipykernel>=7', or one of the routes above"
    return Row(ROUTES, name, "note", found, todo)


def _pages(facts: Facts) -> list[Row]:
    here, elsewhere = taken(facts, is_here=True), taken(facts, is_here=False)
    first = "; the first that is tried can be had" if here == ["direct"] else ""
    found = [_page(facts, "page on this machine", here, first)]
    secure = "127.0.0.1 is its own machine, and its browser gives a microphone to https pages only"
    todo = ""
    if any(not s.is_loopback and not s.is_secure for s in asked_servers(facts)) and not _hub(facts):
        todo = (
            "Serve Jupyter by https, or tunnel it: ssh -L 8888:localhost:8888 HOST, and open "
            "http://localhost:8888."
        )
    row = _page(facts, "page elsewhere", elsewhere, f"; {secure}")
    if todo and row.state != "missing":
        row = Row(row.group, row.name, "note", row.found, f"{row.todo} {todo}".strip())
    tunnel = _page(facts, "page by a tunnel", elsewhere)
    if here == ["direct"] and tunnel.state != "missing":
        said = f"directly is tried, and not reached; then {tunnel.found}"
        tunnel = Row(tunnel.group, tunnel.name, tunnel.state, said)
    return [*found, row, tunnel]


def _page(facts: Facts, name: str, routes: list[str], more: str = "") -> Row:
    if not routes:
        todo = "See the routes above; nb.Microphone and files need none."
        return Row(TAKEN, name, "missing", "none", todo)
    found = WORDS[routes[0]]
    if routes[1:]:
        found += f" if its server has jupyter-server-proxy, else {WORDS[routes[1]]}"
    waits = "comm" in routes and _comm(facts).state != "ok"
    late = "; late while a cell runs" if waits and routes == ["comm"] else ""
    return Row(TAKEN, name, "note" if waits else "ok", found + late + more)


def _has_control(facts: Facts) -> bool:
    if "control" not in facts.known_routes:
        return False
    return facts.kernel.has_control if facts.kernel else "ipykernel" in facts.versions


def _has_comm(facts: Facts) -> bool:
    has_kernel = facts.kernel is not None or "ipykernel" in facts.versions
    return has_kernel and "anywidget" in facts.versions


def _is_at_least_7(facts: Facts) -> bool:
    major = facts.versions.get("ipykernel", "").partition(".")[0]
    return major.isdigit() and int(major) >= 7


def _has_no_page(facts: Facts) -> bool:
    return facts.kernel is not None and facts.kernel.front_end == "VS Code"


def _hub(facts: Facts) -> bool:
    return facts.kernel is not None and facts.kernel.front_end == "JupyterHub"
