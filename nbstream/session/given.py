"""A session given away: exported, packed, redacted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from nbstream.pack import pack
from nbstream.redact import Wanted, redact
from nbstream.session.remarked import Remarked
from nbstream.session.timed import Timed
from nbstream.store import Folder


class Given(Timed, Remarked):
    """Files of other programs, one file of it all, a copy without certain words."""

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
    ) -> Self:
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
        return type(self)(Folder.open_(path), fill=self._fill)
