"""`Session`: what a person holds, while it records and after it is opened again.

Everything it shows is derived from its folder by the same code in both cases. A live session has
a `Control` besides, which hands commands to the engine.

Threads: one lock guards the fold of the events and the peaks, which catch up with the folder when
somebody asks. It is not held while calling out.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream import accuracy, audio, protocol, tables
from nbstream import events as ev
from nbstream.errors import ParameterError, StateError
from nbstream.notes import Notes, from_table
from nbstream.pack import pack
from nbstream.redact import Wanted, redact
from nbstream.store import Damage, Folder
from nbstream.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbstream.services import Service

_READ_FRAMES = 60 * audio.SAMPLE_RATE_HZ


class Control(Protocol):
    """The engine, as a session sees it."""

    def stop(self, *, wait: bool = True, timeout_s: float = 20) -> None:
        """End the recording."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end."""

    def leave(self, error: BaseException | None) -> None:
        """End it as a context manager does."""

    def send(self, text: str) -> None:
        """Send a control message."""

    def pause(self) -> None:
        """Stand still."""

    def resume(self) -> None:
        """Go on."""

    def call_on(self, kind: type[ev.Event], handler: Callable[[Any], object]) -> None:
        """Call `handler` with each event of `kind`."""

    def now_s(self) -> float:
        """Seconds since the session began."""


# Fills the gaps of a folder; the engine's, handed down so that imports point down.
Fill = Callable[["Folder", "Session", "Service | str | None"], float]


class Session:
    """One recording: its audio, its events and the tables made from them.

    Made by `nb.record`, by the `Recorder` widget, or by `nb.open`. As a context manager it ends
    the recording: a source that ends by itself is heard to its end, a microphone is stopped, and
    after an exception everything is stopped at once, with ``Terminate``.
    """

    def __init__(
        self, folder: Folder, control: Control | None = None, *, fill: Fill | None = None
    ) -> None:
        self._folder = folder
        self._control = control
        self._fill = fill
        self._lock = threading.Lock()  # guards the three below
        self._fold = tables.Fold(folder.sample_rate_hz, folder.speakers)
        self._peaks = audio.Peaks(folder.sample_rate_hz, folder.n_channels)
        self._peaked_frames = 0
        self._study = Study(folder)
        self._notes = Notes(folder)

    # -- what it is ----------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where it is on disk."""
        return self._folder.path

    @property
    def name(self) -> str:
        """The name it was given; empty if none."""
        return str(self._folder.meta.get("name", ""))

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who is on each channel, where channels were kept apart; empty if they were mixed."""
        return self._folder.speakers

    @property
    def meta(self) -> dict[str, Any]:
        """What ``session.json`` says: a copy."""
        return dict(self._folder.meta)

    @property
    def state(self) -> str:
        """``"recording"``, ``"stopped"``, ``"failed"``, ``"interrupted"`` (killed) and so on."""
        return self._folder.state

    @property
    def is_live(self) -> bool:
        """Whether this process is still recording it."""
        return self._folder.writing

    @property
    def duration_s(self) -> float:
        """Length of the recording so far."""
        return self._folder.n_frames / self._folder.sample_rate_hz

    @property
    def damage(self) -> Damage:
        """What had to be left out when it was opened; empty (false) if nothing."""
        return self._folder.damage

    @property
    def data(self) -> Folder:
        """The folder as an object; for other views of the same session."""
        return self._folder

    # -- tables --------------------------------------------------------------------------------

    @property
    def turns(self) -> pd.DataFrame:
        """One row a turn, the open one included; columns in `nbstream.tables.SCHEMA`."""
        rows = self.fold_rows()
        return tables.turns(rows, self._notes.remarks(rows))

    @property
    def words(self) -> pd.DataFrame:
        """One row a word."""
        return tables.words(self.fold_rows())

    @property
    def events(self) -> pd.DataFrame:
        """One row an event, raw messages included."""
        return tables.events(self._entries())

    @property
    def gaps(self) -> pd.DataFrame:
        """One row a hole: not transcribed, or lost by the device. Empty is good.

        What is still being caught up while it records is no hole yet.
        """
        rare = self._rare()
        return tables.gaps(rare, self._untold(rare), self._folder.sample_rate_hz)

    @property
    def chunks(self) -> pd.DataFrame:
        """One row a chunk: when it was captured and when it was sent."""
        return tables.chunks(self._folder.chunk_records())

    @property
    def connections(self) -> pd.DataFrame:
        """One row a connection: what the server called it, used, counted and will bill."""
        now_s = self._control.now_s() if self._control and self.is_live else float("nan")
        return tables.connections(self._rare(), now_s, self._folder.sample_rate_hz)

    @property
    def partials(self) -> pd.DataFrame:
        """One row a message of a turn: how its text grew. Reads all events again."""
        return tables.partials(self._entries())

    @property
    def transcript(self) -> str:
        """The final turns, one a line, in the order of the audio."""
        turns = self.turns
        return "\n".join(turns.loc[turns["is_final"], "transcript"])

    def fill_gaps(self, service: Service | str | None = None) -> float:
        """Transcribe what could not be transcribed while it was recorded, from the folder.

        Parameters
        ----------
        service : Service or str, optional
            Who does it; by default the service it was recorded with, with the same options.

        Returns
        -------
        float
            Seconds of audio that were transcribed now; 0 if nothing was missing.

        Raises
        ------
        NbstreamError
            What kept the service from it; what was filled until then stays.

        """
        if self._fill is None:
            raise StateError("this session can't be filled.", hint="Open it with nb.open(folder).")
        return self._fill(self._folder, self, service)

    # -- timing --------------------------------------------------------------------------------

    def timing(
        self,
        *,
        end_source: str = "asr_word",
        reference: str | Path | pd.DataFrame | None = None,
        min_pause_ms: float = 200.0,
        window_s: float = 10.0,
        buffer_ms: float = 200.0,
        max_speakers: int = 2,
    ) -> pd.DataFrame:
        """One row a turn: rates, pauses, floor transfers, latencies, stability.

        Parameters
        ----------
        end_source : {"asr_word", "vad", "manual"}
            Where the edges of a turn's speech are taken from: its first and last word, voice
            activity (see `speech`), or `reference`. The column ``end_source`` says what each row
            could be given.
        reference : path or DataFrame, optional
            Who really spoke when: an RTTM or TextGrid file, or ``start_s``, ``end_s``,
            ``speaker``. Each turn gets the speaker that it overlaps most. Without one, speakers
            that were corrected (see `annotate`) go before the service's labels.
        min_pause_ms : float
            Shortest silence between two words that counts as a pause.
        window_s, buffer_ms, max_speakers
            Of floor transfers, as in `nb.timing.floor_transfer_ms`.

        Returns
        -------
        DataFrame
            Columns as in `nb.timing.definitions`; NaN where a figure can't be had honestly, and
            ``missing`` says why.

        """
        rows = self.fold_rows()
        return self._study.turns(
            rows,
            self._rare(),
            corrected=self._notes.remarks(rows),
            end_source=end_source,
            reference=reference,
            min_pause_ms=min_pause_ms,
            window_s=window_s,
            buffer_ms=buffer_ms,
            max_speakers=max_speakers,
        )

    def word_timing(self) -> pd.DataFrame:
        """`words` with their emission latencies."""
        return self._study.words(self.fold_rows())

    @property
    def speech(self) -> pd.DataFrame:
        """One row a stretch of speech, as a voice activity detector hears it.

        It needs ``nbstream[local]``, and about a second for ten minutes of audio the first time.
        """
        return self._study.speech()

    # -- annotations ---------------------------------------------------------------------------

    def annotate(
        self,
        table: pd.DataFrame | None = None,
        *,
        turn: int | tuple[int, int] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        channel: int | None = None,
        label: str | Iterable[str] | None = None,
        note: str | None = None,
        transcript: str | None = None,
        speaker: str | None = None,
        author: str | None = None,
    ) -> str | list[str]:
        """Say something about a turn or a span, while it records or afterwards.

        It is kept in ``annotations.jsonl`` of the folder, anchored to the audio; what the service
        said stays as it is. A turn has one corrected transcript and one corrected speaker, the
        latest, and any number of labels and notes.

        Parameters
        ----------
        table : DataFrame, optional
            Several at once, undone at once: a row each, with columns named as the parameters
            below, `Session.turns` with its columns ``label``, ``note``, ``corrected`` and
            ``speaker_corrected`` filled in, or another session's `annotations` of the same audio.
        turn : int or (int, int), optional
            A row of `turns`, from 0 (-1: the last), or ``(connection, turn_order)``.
        start_s, end_s : float, optional
            Instead of a turn: a span, in s of session audio.
        channel : int, optional
            Of the span, where channels were kept apart; by default all.
        label : str or several, optional
            A category; see `labels`.
        note : str, optional
            Anything.
        transcript : str, optional
            What was really said; empty: nothing.
        speaker : str, optional
            Who really spoke.
        author : str, optional
            Who says so; by default ``NBSTREAM_AUTHOR`` of the environment, else the account.

        Returns
        -------
        str or list of str
            The annotation's id; several of them as a list, as of a table.

        Raises
        ------
        ParameterError
            Of an unknown turn, a span outside the recording, or nothing to say. Then nothing is
            annotated.

        """
        given: dict[str, Any] = {"turn": turn, "start_s": start_s, "end_s": end_s}
        given |= {"channel": channel, "label": label, "note": note}
        given |= {"transcript": transcript, "speaker": speaker}
        if table is None:
            ids = self._notes.add(self.fold_rows(), [given], author)
            return ids[0] if len(ids) == 1 else ids
        if any(value is not None for value in given.values()):
            raise ParameterError(
                "a table was given, and other things besides.",
                hint="Put them into columns of the table.",
                parameter="table",
            )
        return self._notes.add(self.fold_rows(), from_table(table), author)

    def import_(
        self, path: str | Path, *, format: str | None = None, author: str | None = None
    ) -> list[str]:
        """Take over what was edited in another program, in one step that `undo` takes back.

        Parameters
        ----------
        path : path
            What `export` wrote and somebody edited: ``.TextGrid``, ``.eaf``, ``.rttm``, or
            Audacity's ``.txt``. A file that was not edited changes nothing.
        format : str, optional
            If the name does not say it.
        author : str, optional
            As in `annotate`.

        Returns
        -------
        list of str
            Ids of the annotations that are new or changed, and of those that are gone.

        Raises
        ------
        ParameterError
            If the file can't be read as what it is called. Then nothing is changed.

        """
        from nbstream import export

        found = export.changes(export.talk_of(self), export.read(path, format=format))
        gone = [str(change["remove"]) for change in found if "remove" in change]
        new = [change for change in found if "remove" not in change]
        if not found:
            return []
        return self._notes.add(self.fold_rows(), new, author, without=gone) + gone

    @property
    def annotations(self) -> pd.DataFrame:
        """One row an annotation; columns in `nbstream.annotate.COLUMNS`."""
        return self._notes.table(self.fold_rows())

    @property
    def annotation_history(self) -> pd.DataFrame:
        """One row a change, what was undone included: who, when, what."""
        return self._notes.history()

    def unannotate(self, id: str | Iterable[str], *, author: str | None = None) -> None:
        """Take away the annotation of that id, or several at once."""
        self._notes.remove([id] if isinstance(id, str) else id, author)

    def reannotate(
        self,
        id: str | Iterable[str],
        value: str | None = None,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        author: str | None = None,
    ) -> None:
        """Change annotations that are there, as one step: what they say, or where they are.

        Parameters
        ----------
        id : str or several
            Of the annotations.
        value : str, optional
            The new label, or text.
        start_s, end_s : float, optional
            The new span; the annotation is about that from then on, not about a turn.
        author : str, optional
            As in `annotate`.

        Raises
        ------
        ParameterError
            Of an unknown id, an empty label, a span outside the recording. Then nothing changes.

        """
        span_s = None if start_s is None and end_s is None else (start_s, end_s)
        self._notes.change([id] if isinstance(id, str) else id, value, span_s, author)

    def undo(self, *, author: str | None = None) -> list[str]:
        """Take back the last step of annotating, whoever did it; or the last of `author`.

        Returns
        -------
        list of str
            Ids that it was about; empty if there is nothing to undo.

        """
        return self._notes.undo(author)

    def redo(self, *, author: str | None = None) -> list[str]:
        """Do again what was undone last, if nothing new was done since."""
        return self._notes.redo(author)

    @property
    def labels(self) -> dict[str, str]:
        """Labels and their colours: the label set, then other labels that are in use.

        Set it to names (colours are chosen that colour-blind people can tell apart) or to
        ``{"question": "#0072b2", "answer": None}``. It is kept in the folder.
        """
        return self._notes.labels()

    @labels.setter
    def labels(self, labels: Mapping[str, str | None] | Iterable[str]) -> None:
        self._notes.set_labels(labels)

    def mark(self, text: str = "", at_s: float | None = None, *, author: str | None = None) -> str:
        """Mark an instant: the end of what is recorded by now, or `at_s`.

        Returns
        -------
        str
            The annotation's id.

        """
        if at_s is None and not self.is_live:
            raise ParameterError(
                f"the session is {self.state}: a mark needs its place.",
                hint="Give at_s, in seconds of session audio.",
                parameter="at_s",
            )
        return self._notes.mark(text, self.duration_s if at_s is None else at_s, author)

    # -- giving it away ------------------------------------------------------------------------

    def pack(self, path: str | Path) -> Path:
        """Put the folder into one file, such as ``talk.nbstream``, for `nb.open` anywhere.

        It is a zip with the folder's files byte for byte, annotations and their history included;
        the key is in none of them. See `redact` for what should not leave the house.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        StoreError
            While it is recorded, or if the file can't be written.

        """
        return pack(self.folder, path)

    def redact(
        self,
        *,
        turns: int | tuple[int, int] | Iterable[int | tuple[int, int]] = (),
        labels: str | Iterable[str] = (),
        words: str | Iterable[str] = (),
        pattern: str | re.Pattern[str] | None = None,
        beep: bool = False,
        all_channels: bool = True,
        margin_s: float = 0.1,
        into: str | Path | None = None,
    ) -> Session:
        """A copy without certain words, in text and in sound; this session stays as it is.

        Each word that goes becomes ███, in every message of the service, partials included, in
        corrections and notes, in names and settings; its audio is silenced. Of annotations the
        copy has what they are now, not their history. ``session.json`` says that it is redacted,
        and not of what.

        Parameters
        ----------
        turns : int, (int, int) or several
            Turns that go as a whole, with notes and corrections: rows of `turns`, from 0, or
            ``(connection, turn_order)``; two numbers in a tuple are one of these.
        labels : str or several
            Turns and spans that have one of these labels go as a whole.
        words : str or several
            Whole words, whatever their case; several words in one text are looked for in a row.
        pattern : str or re.Pattern, optional
            What this regular expression finds in a turn's words (case does not count unless the
            pattern says so).
        beep : bool
            A tone over the words instead of silence.
        all_channels : bool
            Where channels are kept apart, silence the other ones too: voices carry.
        margin_s : float
            Silenced before and after each word.
        into : path, optional
            Where the new folder is made; by default beside this one.

        Returns
        -------
        Session
            The copy. Listen to it before it is given away: a word that was not recognised, and
            nobody corrected, is not found.

        Raises
        ------
        ParameterError
            If there is nothing to redact, or a turn or label is not there.
        StoreError
            While it is recorded, or if the copy can't be written.

        """
        rows = self.fold_rows()
        several: list[Any] = [turns] if isinstance(turns, int) else list(turns)
        if isinstance(turns, tuple) and list(map(type, turns)) == [int, int]:
            several = [turns]
        wanted = Wanted(
            turns=[self._notes.find(rows, one) for one in several],
            labels=[labels] if isinstance(labels, str) else list(labels),
            words=[words] if isinstance(words, str) else list(words),
            pattern=pattern,
            beep=beep,
            all_channels=all_channels,
            margin_s=margin_s,
        )
        path = redact(self._folder, rows, wanted, into)
        return Session(Folder.open_(path), fill=self._fill)

    # -- accuracy ------------------------------------------------------------------------------

    def wer(
        self,
        reference: str | Path | Iterable[str] | pd.DataFrame | None = None,
        *,
        normalise: accuracy.Normalise = accuracy.normalise,
    ) -> pd.DataFrame:
        """Word and character error rates of the automatic text, by turn and over all.

        It needs ``nbstream[wer]``.

        Parameters
        ----------
        reference : text, list of texts, path or DataFrame, optional
            What was really said. By default the corrected turns are compared with what the
            service wrote, and no others. A text is that of the whole session, a list that of each
            final turn. A file, or a table with ``start_s``, ``end_s`` and ``text``, is matched by
            time: turns and spans that overlap by more than half of the shorter are one row.
        normalise : function of a text, optional
            What does not count as an error; by default `nbstream.accuracy.normalise`: case and
            punctuation. ``lambda text: text`` counts them.

        Returns
        -------
        DataFrame
            Columns as of `nbstream.accuracy.error_rates`; the last row, of scope "all", is all of
            them: ``session.wer()["wer"].iloc[-1]``.

        """
        return accuracy.error_rates(self._stretches(reference), normalise)

    def compare_text(
        self,
        turn: int | tuple[int, int] | None = None,
        *,
        reference: str | Path | Iterable[str] | pd.DataFrame | None = None,
        normalise: accuracy.Normalise = accuracy.normalise,
    ) -> accuracy.Comparison:
        """Where the errors are, word by word: coloured and marked in a cell, as text in `print`.

        Parameters
        ----------
        turn : int or (int, int), optional
            This one alone: a row of `turns`, or ``(connection, turn_order)``.
        reference, normalise
            As in `wer`.

        """
        found = self._stretches(reference)
        if turn is not None:
            row = self._notes.find(self.fold_rows(), turn)
            key = (row.connection, row.turn_order)
            found = [one for one in found if (one.connection, one.turn_order) == key]
            if not found:
                raise ParameterError(
                    f"turn {turn!r} has nothing to be compared with.",
                    hint="session.annotate(turn=..., transcript=...) corrects it.",
                    parameter="turn",
                )
        return accuracy.compare(found, normalise)

    def _stretches(
        self, reference: str | Path | Iterable[str] | pd.DataFrame | None
    ) -> list[accuracy.Stretch]:
        if reference is not None:
            return accuracy.from_reference(self.turns, reference)
        found = accuracy.from_corrections(self.turns)
        if not found:
            raise ParameterError(
                "no turn has been corrected, so there is nothing to compare with.",
                hint="session.annotate(turn=0, transcript=...), or give reference=.",
                parameter="reference",
            )
        return found

    # -- sound ---------------------------------------------------------------------------------

    def audio(
        self, start_s: float = 0.0, end_s: float | None = None, channel: int | None = None
    ) -> audio.PcmArray:
        """Samples of a span.

        Parameters
        ----------
        start_s, end_s : float
            Half open, in seconds of session audio; to the end by default. What lies outside the
            recording is left out.
        channel : int, optional
            Of channels that were kept apart, this one alone; from 0, as in `speakers`.

        Returns
        -------
        array, shape (frames,), int16
            Or (frames, channels), of channels that were kept apart.

        """
        self._check(channel)
        rate = self._folder.sample_rate_hz
        start = max(0, round(start_s * rate))
        end = self._folder.n_frames if end_s is None else round(end_s * rate)
        pcm = self._folder.read_pcm(start, end - start, channel)
        return audio.to_array(pcm, self._folder.n_channels if channel is None else 1)

    def peaks(self, channel: int | None = None) -> npt.NDArray[np.int16]:
        """Lowest and highest sample of each 10 ms.

        Parameters
        ----------
        channel : int, optional
            Of channels that were kept apart, this one alone; else across all of them.

        Returns
        -------
        array, shape (columns, 2), int16

        """
        return self.recent_peaks(None, channel)[0]

    def recent_peaks(
        self, n_columns: int | None, channel: int | None = None
    ) -> tuple[npt.NDArray[np.int16], int]:
        """The last `n_columns` of `peaks` (None: all), and the number of the first of them."""
        self._check(channel)
        with self._lock:
            self._hear()
            total = len(self._peaks)
            columns = self._peaks.tail(total if n_columns is None else n_columns, channel)
            return columns, total - len(columns)

    def n_peaks(self) -> int:
        """How many columns of 10 ms there are by now."""
        with self._lock:
            self._hear()
            return len(self._peaks)

    def peaks_at(self, level: int, first: int, n: int) -> npt.NDArray[np.int16]:
        """`n` columns of a level of the pyramid (see `audio.Peaks`) from the number `first` on.

        Returns
        -------
        array, shape (columns, channels, 2), int16

        """
        with self._lock:
            self._hear()
            return self._peaks.columns(level, first, n)

    def plot(
        self, ax: Axes | None = None, *, start_s: float = 0.0, end_s: float | None = None
    ) -> Axes:
        """Draw waveform and turns with matplotlib, into `ax` or a new figure.

        Of several speakers, each has a lane. More pictures are in `nb.plots`.
        """
        from nbstream import plots

        end_s = end_s or self.duration_s
        if self.turns["speaker"].nunique() < 2:
            rows = self.fold_rows()
            return plots.session(self.peaks(), rows, ax=ax, start_s=start_s, end_s=end_s)
        return plots.turns(
            self.peaks(), self.turns, words=self.words, ax=ax, start_s=start_s, end_s=end_s
        )

    def report(self, **options: Any) -> Figure:
        """One page about the session: turns, latencies, floor transfers, stability, talk time.

        Parameters
        ----------
        **options
            As of `timing`.

        Returns
        -------
        Figure
            Shown at the end of a cell; ``session.report().savefig("report.pdf")`` keeps it.

        """
        from nbstream import plots

        return plots.report(
            self.peaks(),
            self.turns,
            self.word_timing(),
            self.timing(**options),
            self.partials,
            title=self.name or self.folder.name,
        )

    def export(self, path: str | Path, *, format: str | None = None, **options: Any) -> Path:
        """Write a file of another program; the end of its name says which.

        ``talk.srt``, ``talk.TextGrid``, ``talk.eaf``, ``turns.csv``... Corrected transcripts and
        speakers go before the service's; turns that are still open are left out.

        Parameters
        ----------
        path : path
            The file; one that is there is replaced, as a whole.
        format : str, optional
            One of `nbstream.export.FORMATS`, if the name does not say it.
        **options
            As the format takes them, such as ``table="words"``, ``word_times=True``,
            ``label="question"``; see ``FORMATS[name].options``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ParameterError
            If the format or an option is unknown, or its library is missing.
        StoreError
            If the file can't be written.

        """
        from nbstream import export

        return export.write(self, path, format=format, **options)

    # -- while it records ----------------------------------------------------------------------

    def stop(self, *, timeout_s: float = 20) -> None:
        """Stop recording and wait for the last turn. Does nothing on a session that has ended.

        Raises
        ------
        NbstreamError
            What made the session fail, if it did.

        """
        if self._control:
            self._control.stop(timeout_s=timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the session's end; False if `timeout_s` passed first. Raises as `stop`."""
        return self._control.wait(timeout_s) if self._control else True

    def pause(self) -> None:
        """Pause: what is said until `resume` is not recorded, and the position stands still.

        The connection is ended when all that was said before has been sent, so a pause costs
        nothing. It is a row of `gaps`. Does nothing if it is paused already.

        Raises
        ------
        StateError
            If it is not recording.

        """
        self._live_control().pause()

    def resume(self) -> None:
        """Go on after `pause`: what is said now is recorded at once, while it connects again.

        Raises
        ------
        StateError
            If it is not recording.

        """
        self._live_control().resume()

    def update(self, **options: Any) -> None:
        """Change parameters in mid-session, such as ``min_turn_silence=800``."""
        self._send(protocol.update_configuration(**options))

    def force_endpoint(self) -> None:
        """Ask the service to end the open turn now."""
        self._send(protocol.force_endpoint())

    def keep_alive(self) -> None:
        """Reset the service's inactivity timer."""
        self._send(protocol.keep_alive())

    def follow(self, kind: str | None = None) -> Iterator[Any]:
        """Yield events as they come, from the first on, until the session has ended.

        Runs in the caller's thread, so slow work here delays nothing but itself.

        Parameters
        ----------
        kind : str, optional
            Only this kind: ``"turn"``, ``"begin"``, ``"termination"``, ``"error"``...

        """
        wanted = event_kind(kind) if kind else ev.Event
        seen = 0
        while True:
            with self._folder.changed:
                while len(self._folder.entries) == seen and self._folder.writing:
                    self._folder.changed.wait()
                known = len(self._folder.entries)
            if known == seen:
                return
            new = self._folder.entries[seen:known]
            seen = known
            for entry in new:
                if isinstance(entry.event, wanted):
                    yield entry.event

    def on(self, kind: str, handler: Callable[[Any], object]) -> None:
        """Call `handler(event)` for each event of a kind, from the first on.

        Each handler has a thread of its own: a slow one delays nothing but itself. An exception
        in one is kept as a problem of the session and shown, and the session goes on.

        Raises
        ------
        ParameterError
            If there is no such kind; a misspelled name is never silent.

        """
        if self._control is None:
            raise StateError(
                "events can be handled only while a session records.",
                hint="Loop over session.follow(), or read session.events.",
                state=self.state,
            )
        self._control.call_on(event_kind(kind), handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._control:
            self._control.leave(error)

    # -- showing itself --------------------------------------------------------------------------

    def __repr__(self) -> str:
        finals, partials = self.turn_counts()
        minutes, seconds = divmod(int(self.duration_s), 60)
        return (
            f"<Session {self.state.upper()} {minutes}:{seconds:02d} | "
            f"{self._folder.sample_rate_hz} Hz | {finals} turns, {partials} partial | "
            f"{self.folder.name}>"
        )

    def _repr_html_(self) -> str:
        from nbstream.saved import report_html

        return report_html(self, sound=not self.is_live)

    def fold_rows(self) -> list[tables.TurnRow]:
        """All turns as they stand, without a DataFrame."""
        with self._lock:
            self._catch_up()
            return self._fold.rows

    # -- for views: what these cost does not depend on how long the session is ---------------------

    def turn_counts(self) -> tuple[int, int]:
        """How many turns are final, and how many are open."""
        with self._lock:
            self._catch_up()
            return self._fold.n_final, self._fold.n_open

    def spoken_s(self) -> float:
        """When the last word arrived, in seconds since the session began; 0 before the first."""
        with self._lock:
            self._catch_up()
            return self._fold.spoken_s

    def changed_turns(self, version: int = 0) -> tables.TurnChanges:
        """What has happened to turns since `version`; since the beginning by default.

        The rows are copies: they stay as they are while the session goes on.
        """
        with self._lock:
            self._catch_up()
            rows = [copy.copy(row) for row in self._fold.changed_since(version)]
            return tables.TurnChanges(self._fold.version, rows, self._fold.gone_since(version))

    def find_turns(self, keys: Iterable[tables.TurnKey]) -> list[tables.TurnRow]:
        """Those turns of the given (connection, turn_order) that are there; copies."""
        with self._lock:
            self._catch_up()
            found = map(self._fold.find, keys)
            return [copy.copy(row) for row in found if row is not None]

    def rare_events(self, first: int = 0) -> list[ev.Entry]:
        """All events but those that come many times a minute, from the number `first` on."""
        with self._lock:
            self._catch_up()
            return self._fold.rare[first:]

    def _catch_up(self) -> None:
        """Fold the events that have come; with the lock held."""
        for entry in self._folder.entries[self._fold.n_entries :]:
            self._fold.add(entry)

    def _hear(self) -> None:
        """Take in the audio that has come; with the lock held."""
        while self._peaked_frames < self._folder.n_frames:
            pcm = self._folder.read_pcm(self._peaked_frames, _READ_FRAMES)
            if not pcm:
                break
            self._peaks.add(pcm)
            self._peaked_frames += len(pcm) // self._folder.frame_bytes

    def _untold(self, rare: list[ev.Entry]) -> list[tuple[int, int, int | None]]:
        """Stretches not transcribed; none while they may still be."""
        if self.is_live:
            return []
        folder = self._folder
        return tables.missing(
            rare,
            folder.chunk_records(),
            folder.n_frames,
            folder.sample_rate_hz,
            folder.n_channels,
            self._fold,
        )

    def _check(self, channel: int | None) -> None:
        n_channels = self._folder.n_channels
        if channel is not None and channel not in range(n_channels):
            raise ParameterError(
                f"channel {channel!r} is not there: the recording has {n_channels}.",
                hint="Channels are counted from 0, in the order of session.speakers.",
                parameter="channel",
            )

    def _rare(self) -> list[ev.Entry]:
        return self.rare_events()

    def _entries(self) -> list[ev.Entry]:
        return self._folder.entries[:]

    def _send(self, text: str) -> None:
        self._live_control().send(text)

    def _live_control(self) -> Control:
        if self._control is None or not self.is_live:
            raise StateError(
                f"the session is {self.state}: only a recording one takes commands.",
                hint="Start a new recording.",
                state=self.state,
            )
        return self._control


def event_kind(name: str) -> type[ev.Event]:
    """Class of an event from its name: ``"turn"``, ``"SpeechStarted"``, ``"speech_started"``."""
    kinds = {
        kind.__name__.lower(): kind
        for kind in [*ev.ServerEvent.__subclasses__(), *ev.Entry.OURS.values()]
    }
    kinds |= {"error": ev.ServerFault, "warning": ev.ServerWarning}
    found = kinds.get(name.replace("_", "").lower())
    if found is None:
        raise ParameterError(
            f"there is no event {name!r}.",
            hint="Events: " + ", ".join(sorted(kinds)) + ".",
            parameter="kind",
        )
    return found
