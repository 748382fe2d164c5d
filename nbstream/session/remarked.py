"""What people say about a session: labels, notes, corrections, marks; and how right it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nbstream import accuracy
from nbstream.errors import ParameterError
from nbstream.notes import from_table
from nbstream.session.sounding import Sounding
from nbstream.session.tabled import Tabled


class Remarked(Tabled, Sounding):
    """Annotations, kept in the folder, and error rates that follow from corrections."""

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
