"""`Session`: what a person holds, while it records and after it is opened again.

Everything it shows is derived from its folder by the same code in both cases. A live session has
a `Control` besides, which hands commands to the engine.

`base`: folder and turns. `tabled`: tables. `sounding`: samples and peaks. `timed`: timing and
pictures. `remarked`: annotations, corrections, error rates. `given`: export, packing, redaction.
`live`: commands and events while it records.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from nbstream.errors import StateError
from nbstream.session.base import Control, Fill
from nbstream.session.given import Given
from nbstream.session.live import Live, event_kind

__all__ = ["Control", "Fill", "Session", "event_kind"]


class Session(Given, Live):
    """One recording: its audio, its events and the tables made from them.

    Made by `nb.record`, by the `Recorder` widget, or by `nb.open`. As a context manager it ends
    the recording: a source that ends by itself is heard to its end, a microphone is stopped, and
    after an exception everything is stopped at once, with ``Terminate``.
    """

    # Makes an inspector, and shows a session with one; the package's, handed down as `Fill` is.
    viewer: ClassVar[Callable[[Session], Any] | None] = None
    shower: ClassVar[Callable[[Session], bool] | None] = None
    # Writes a page; likewise.
    sharer: ClassVar[Callable[..., Path] | None] = None

    def __repr__(self) -> str:
        finals, partials = self.turn_counts()
        minutes, seconds = divmod(int(self.duration_s), 60)
        return (
            f"<Session {self.state.upper()} {minutes}:{seconds:02d} | "
            f"{self._folder.sample_rate_hz} Hz | {finals} turns, {partials} partial | "
            f"{self.folder.name}>"
        )

    def inspect(self) -> Any:
        """An inspector, to listen, label and correct in a notebook: the last line of a cell.

        Returns
        -------
        Inspector
            A widget. `session` alone shows one as well, and a report that the saved notebook keeps.

        """
        if Session.viewer is None:
            raise StateError("there is no inspector here.", hint="import nbstream as nb first.")
        return Session.viewer(self)

    def share(
        self, path: str | Path, *, timing: bool = True, audio: bool = True, max_mb: float = 25
    ) -> Path:
        """Write one HTML file to hear, read and look at, without kernel, network or nbstream.

        The transcript as it was corrected, labels, notes, marks, waveform and compressed sound; a
        click on a word plays from there. It can be printed, and nothing in it can be edited. What
        others should not hear or read, take out first: see `redact`.

        Parameters
        ----------
        path : path
            Such as ``talk.html``; a file that is there is replaced.
        timing : bool
            Whether a table of latencies and rates is in it.
        audio : bool
            Whether the sound is in it: Ogg Opus, or Vorbis from ten minutes on, where soundfile is
            there; about 14 MB an hour of one channel.
        max_mb : float
            Largest file, in MB.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ParameterError
            If the file would be too large.
        StoreError
            If it can't be written.

        """
        if Session.sharer is None:
            raise StateError("no page can be made here.", hint="import nbstream as nb first.")
        return Session.sharer(self, path, timing=timing, audio=audio, max_mb=max_mb)

    def _ipython_display_(self) -> None:
        if Session.shower is None or not Session.shower(self):
            raise NotImplementedError  # IPython takes what follows.

    def _repr_html_(self) -> str:
        from nbstream.saved import report_html

        return report_html(self, sound=not self.is_live)
