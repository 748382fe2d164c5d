"""What can be chosen in a `Recorder`: where the sound comes from and where it goes.

What was chosen last time is chosen at first, unless the code says what to take.

Microphones are listed when they are asked for, never before: it starts PortAudio.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from nbstream import services, sources
from nbstream.errors import SourceError
from nbstream.services import Service
from nbstream.sources import BrowserMicrophone, Microphone, Source
from nbstream.widgets.remembered import remembered

KEY_NOTE: Final = (
    "The local recogniser needs no key. To use AssemblyAI, set "
    f"{services.KEY_VARIABLE} before you start Jupyter, or run nb.ask_key() in a cell."
)
_OF_PAGE: Final = "Browser: "
_LAST_TIME: Final = {
    "sample": "The sample is",
    "browser": "The browser's microphone is",
    "tab": "The browser's microphone and a tab are",
}
_NAMES: Final = {"assemblyai": "AssemblyAI", "local": "Local recogniser"}

Options = list[tuple[str, str]]  # (label, value), as pickers take them


class SourceChoice:
    """The sources of the picker.

    Parameters
    ----------
    source : str, Path or Source
        "auto" is what was chosen last time, if it is there, else the microphone where PyAudio
        finds one, else the sample; see `for_page`. The others as in `nbstream.sources.resolve`.

    Attributes
    ----------
    first : str
        The value that is chosen at first.
    note : str
        Which source "auto" has chosen, and why.

    Raises
    ------
    SourceError
        If `source` is nothing that can be recorded.

    """

    def __init__(self, source: str | os.PathLike[str] | Source) -> None:
        self.note = ""
        self._why_browser: str | None = None  # where it is for a page to decide
        self._microphones: dict[str, str] = {}  # value -> name
        self._inputs: dict[str, str] = {}  # of the page
        self._shares_tabs = False
        self._given: str | os.PathLike[str] | Source = "sample"
        self._given_label = ""
        if source == "auto":
            self.first = self._automatic()
        elif source in ("sample", "mic", "browser"):
            self.first = str(source)
        else:
            self._given, self.first = source, "given"
            self._given_label = sources.resolve(source).label

    @property
    def options(self) -> Options:
        """What can be chosen."""
        return [
            *([(self._given_label, "given")] if self._given_label else []),
            ("Sample", "sample"),
            ("Microphone", "mic"),
            *((f"Microphone: {name}", value) for value, name in self._microphones.items()),
            ("Browser microphone", "browser"),
            *((f"{_OF_PAGE}{name}", value) for value, name in self._inputs.items()),
            *([("Browser microphone and a tab", "tab")] if self._shares_tabs else []),
        ]

    def name_of(self, value: str) -> str:
        """What to remember of a choice: a microphone's number may be another's tomorrow."""
        label = next(label for label, v in self.options if v == value)
        return label if value.startswith(("mic:", "page:")) else value.replace("given", "")

    def make(self, value: str) -> Source:
        """The source that is chosen by `value`; a new one for each take, but for a given one."""
        if value in self._microphones:
            return Microphone(int(value.removeprefix("mic:")))
        if value in self._inputs or value == "tab":
            return BrowserMicrophone(self._inputs.get(value, ""), tab=value == "tab")
        return sources.resolve(self._given if value == "given" else value)

    def list_microphones(self) -> str:
        """Put each microphone among `options`. Returns why there is none, or nothing.

        The default microphone alone needs no second entry.
        """
        try:
            devices = sources.devices()
        except SourceError as error:
            return error.message
        found = {f"mic:{d.index}": str(d.name) for d in devices.itertuples()}
        if len(found) > 1:
            self._microphones = found
        return "" if found else "No microphone was found on the kernel's machine."

    def offer_inputs(self, names: Sequence[str], shares_tabs: bool, chosen: str) -> str:
        """Put what a page has among `options`.

        Parameters
        ----------
        names : sequence of str
            Of its microphones; empty while it may not know them, and then what was chosen the last
            time stays. The default microphone alone needs no second entry.
        shares_tabs : bool
            Whether it can share the sound of a tab.
        chosen : str
            The value that is chosen now.

        Returns
        -------
        str
            The value to be chosen: `chosen`, or another if the page has that no more; see `note`.

        """
        self._shares_tabs = shares_tabs
        if chosen == "tab" and not shares_tabs:
            self.note = "This browser does not give the sound of a tab; its microphone is chosen."
            chosen = "browser"
        if not names:
            return chosen
        wanted = self._inputs.get(chosen, "")
        self._inputs = {f"page:{name}": name for name in names if len(names) > 1 or name == wanted}
        if not wanted or wanted in names:
            return chosen
        self.note = f"{wanted} is not there any more; the browser's default microphone is chosen."
        return "browser"

    def for_page(self, is_here: bool) -> str | None:
        """What "auto" takes instead, now that a page shows the panel; None to leave it.

        Parameters
        ----------
        is_here : bool
            Whether the page is on the kernel's machine.

        """
        why, self._why_browser = self._why_browser, None
        if why is None or (self.first == "mic" and is_here):
            return None
        self.note = f"The browser's microphone is chosen: {why}"
        return "browser"

    def _automatic(self) -> str:
        wanted = remembered().get("source", "")
        if wanted in _LAST_TIME:
            self.note = f"{_LAST_TIME[wanted]} chosen, as last time."
            self._shares_tabs = wanted == "tab"
            return wanted
        if wanted.startswith(_OF_PAGE):
            name = wanted.removeprefix(_OF_PAGE)
            self.note = f"The browser's microphone {name} is chosen, as last time."
            self._inputs = {f"page:{name}": name}
            return f"page:{name}"
        why = self.list_microphones()
        if not why and wanted:
            found = next((v for _, v in self.options if self.name_of(v) == wanted), None)
            if found is not None:
                self.note = "The microphone is chosen, as last time."
                return found
        if why:
            self._why_browser = why if why.startswith("PyAudio") else why[:1].lower() + why[1:]
            self.note = f"The packaged sample is chosen: {self._why_browser}"
            return "sample"
        self._why_browser = "the notebook is open on another machine."
        self.note = "The microphone is chosen, since there is one."
        return "mic"


class ServiceChoice:
    """The services of the picker.

    Parameters
    ----------
    service : Service or str, optional
        "assemblyai", "local", or an object, which then takes its name's place. By default what
        was chosen last time, if it can be used, else AssemblyAI if there is a key, else the local
        recogniser.

    Attributes
    ----------
    options : list of (label, value)
    first : str
        The value that is chosen at first.

    Raises
    ------
    ParameterError
        If there is no such service.

    """

    def __init__(self, service: Service | str | None = None) -> None:
        has_key = services.found_key() is not None
        wanted = remembered().get("service") if service is None else None
        if wanted == "local" or (wanted == "assemblyai" and has_key):
            resolved = services.resolve(wanted)
        else:
            resolved = services.resolve(service)
        self._is_automatic = service is None
        self._given = None if service is None or isinstance(service, str) else resolved
        self.first = resolved.name
        names = dict(_NAMES)
        if self._given is not None:
            name = names.get(resolved.name, resolved.name)
            names[resolved.name] = f"{name} ({resolved.model})"
        self.options: Options = [(label, value) for value, label in names.items()]

    @property
    def note(self) -> str:
        """How to give a key, where one is missing and the person has not chosen a service."""
        return KEY_NOTE if self._is_automatic and services.found_key() is None else ""

    def make(self, value: str) -> Service:
        """The service that is chosen by `value`."""
        if self._given is not None and value == self._given.name:
            return self._given
        return services.resolve(value)
