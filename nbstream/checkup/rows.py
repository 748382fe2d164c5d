"""Facts -> rows and a verdict. Pure."""

from __future__ import annotations

from typing import Final

from nbstream.audio import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from nbstream.checkup.facts import Facts, Problem, Row, State
from nbstream.checkup.recent import recent_rows
from nbstream.checkup.routes import route_rows, taken

SOFTWARE: Final = "Software"
RECORDING: Final = "Recording"
SERVICE: Final = "Service"
LEAST_MINUTES: Final = 1
FEW_MINUTES: Final = 60
# What an extra is for -> what it brings.
EXTRAS: Final = {
    "audio": ("FLAC, OGG, MP3 and other sample rates", ("soundfile", "soxr")),
    "formats": (
        "TextGrids, subtitles, Parquet, FLAC",
        ("praatio", "pyarrow", "pysubs2", "soundfile"),
    ),
    "wer": ("error rates", ("jiwer",)),
}


def rows(facts: Facts) -> list[Row]:
    """What to show, in order."""
    return [
        *_software(facts),
        _folder(facts),
        _microphone(facts),
        _extras(facts),
        *_service(facts),
        *route_rows(facts),
        *recent_rows(facts),
    ]


def obstacles(facts: Facts) -> list[str]:
    """Why nothing can be recorded here; empty if something can."""
    found = []
    if facts.folder_problem or _minutes(facts) < LEAST_MINUTES:
        found.append("recordings can't be written")
    if not _has_assemblyai(facts) and facts.local_problem:
        why = "no way to AssemblyAI" if facts.key else "no key"
        found.append(f"there is no service: {why}, no local recogniser")
    return found


def verdict(facts: Facts) -> str:
    """One sentence."""
    if found := obstacles(facts):
        return f"Recording is not possible here: {'; '.join(found)}."
    sources = ["a kernel's microphone"] if facts.microphones else []
    if taken(facts, is_here=True):
        sources.append("a browser's microphone")
    sources += ["files", "the sample"]
    services = ["AssemblyAI"] if _has_assemblyai(facts) else []
    services += [] if facts.local_problem else ["the local recogniser"]
    return f"Recording is possible: {_listed(sources)}, with {' or '.join(services)}."


def _software(facts: Facts) -> list[Row]:
    def installed(*names: str) -> str:
        return ", ".join(f"{n} {facts.versions[n]}" for n in names if n in facts.versions)

    found = [
        Row(SOFTWARE, "Python", "ok", facts.python),
        Row(SOFTWARE, "nbstream", "ok", installed("nbstream") or "from its source"),
    ]
    widgets = installed("anywidget", "ipywidgets")
    if lacking := [n for n in ("anywidget", "ipywidgets") if n not in facts.versions]:
        todo = f"pip install {' '.join(lacking)}"
        missing = f"{_listed(lacking)} not installed; there are no panels"
        found.append(Row(SOFTWARE, "widgets", "missing", missing, todo))
    else:
        found.append(Row(SOFTWARE, "widgets", "ok", widgets))
    jupyter = installed("jupyterlab", "notebook", "jupyter-server")
    found.append(
        Row(SOFTWARE, "Jupyter", "ok", jupyter)
        if jupyter
        else Row(SOFTWARE, "Jupyter", "note", "not in this Python; it may run from another one")
    )
    return [*found, _kernel(facts, installed("ipykernel"))]


def _kernel(facts: Facts, ipykernel: str) -> Row:
    if facts.kernel is None:
        about = f"a terminal; {ipykernel} is installed" if ipykernel else "a terminal; no ipykernel"
        todo = "In a notebook, nb.doctor() looks at its kernel."
        return Row(SOFTWARE, "kernel", "note", about, todo)
    front_end = f" in {facts.kernel.front_end}" if facts.kernel.front_end else ""
    if facts.kernel.has_subshells:
        return Row(SOFTWARE, "kernel", "ok", f"{ipykernel}{front_end}, with subshells")
    return Row(
        SOFTWARE,
        "kernel",
        "note",
        f"{ipykernel}{front_end}, without subshells: widgets wait while a cell runs, and so does "
        "Stop where the page is heard through the widget",
        "pip install -U 'ipykernel>=7' in the kernel's environment",
    )


def _folder(facts: Facts) -> Row:
    name = "folder"
    if facts.folder_problem:
        message, hint = facts.folder_problem
        return Row(RECORDING, name, "missing", message, hint)
    if facts.free_bytes is None:
        return Row(RECORDING, name, "note", f"{facts.folder}; free space is not known")
    minutes = _minutes(facts)
    room = f"{facts.free_bytes / 1e9:.1f} GB free, {_length(minutes)} of sound a channel"
    found = f"{facts.folder} can be written; {room}"
    if minutes < LEAST_MINUTES:
        return Row(RECORDING, name, "missing", f"{facts.folder} is full", "Make room.")
    if minutes < FEW_MINUTES:
        return Row(RECORDING, name, "note", found, "Make room, or record into another folder.")
    return Row(RECORDING, name, "ok", found)


def _microphone(facts: Facts) -> Row:
    name = "microphone"
    if facts.microphones:
        return Row(RECORDING, name, "ok", "on this machine: " + ", ".join(facts.microphones))
    message, hint = facts.microphone_problem or Problem(
        "this machine has no audio input",
        'A browser can lend its own: nb.Recorder("browser") in a notebook.',
    )
    return Row(RECORDING, name, "missing", message, hint)


def _extras(facts: Facts) -> Row:
    lacking = {
        extra: purpose
        for extra, (purpose, packages) in EXTRAS.items()
        if any(package not in facts.versions for package in packages)
    }
    if not lacking:
        return Row(RECORDING, "files", "ok", "WAV, FLAC, OGG, MP3; all exports; error rates")
    purposes = "; ".join(f"for {what}: the extra {extra}" for extra, what in lacking.items())
    install = f"pip install 'nbstream[{','.join(lacking)}]'"
    return Row(RECORDING, "files", "note", f"WAV. Not installed {purposes}", install)


def _service(facts: Facts) -> list[Row]:
    found = [_key(facts)]
    if facts.network or facts.network_problem:
        message, hint = facts.network_problem
        state: State = "ok" if not message else "note" if facts.network else "missing"
        about = "; ".join(filter(None, (message, facts.network)))
        found.append(Row(SERVICE, "network", state, about, hint))
    if facts.local_problem:
        message, hint = facts.local_problem
        state = "note" if _has_assemblyai(facts) else "missing"
        return [*found, Row(SERVICE, "recogniser", state, message, hint)]
    about = facts.trial or f"installed, weights found in {facts.weights}"
    return [*found, Row(SERVICE, "recogniser", "ok", about)]


def _key(facts: Facts) -> Row:
    if facts.key == "unusable":
        found = "there is one, but it holds characters no key has"
        return Row(SERVICE, "key", "missing", found, facts.key_hint)
    if facts.key:
        where = {
            "environment": "found in the environment (ASSEMBLYAI_API_KEY)",
            "asked": "given to nb.ask_key() in this kernel",
        }
        return Row(SERVICE, "key", "ok", f"{where[facts.key]}; not shown, not tried")
    state: State = "missing" if facts.local_problem else "note"
    return Row(SERVICE, "key", state, "none, so AssemblyAI can't be used", facts.key_hint)


def _has_assemblyai(facts: Facts) -> bool:
    is_cut_off = facts.network_problem and not facts.network
    return facts.key in ("environment", "asked") and not is_cut_off


def _minutes(facts: Facts) -> float:
    if facts.free_bytes is None:
        return float("inf")
    return facts.free_bytes / (BYTES_PER_SAMPLE * SAMPLE_RATE_HZ) / 60


def _length(minutes: float) -> str:
    return f"{minutes:,.0f} min" if minutes < 600 else f"{minutes / 60:,.0f} h"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
