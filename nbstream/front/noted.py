"""What people say about a session, as a page knows it (`store.js`): all of it, and what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from nbstream import annotate
from nbstream.session import Session
from nbstream.tables import TurnRow

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Noted:
    """Annotations as they stood, by id, and the label set; what a page is told of them."""

    annotations: dict[str, Json] = field(default_factory=dict)  # in the order they were made
    labels: tuple[tuple[str, str], ...] = ()  # name, colour
    speakers: tuple[str, ...] = ()  # that were corrected

    @classmethod
    def of(cls, session: Session, rows: Sequence[TurnRow] | None = None) -> Self:
        """Those of `session` now; `rows` are its turns, if they are at hand.

        An annotation has ``id``, ``kind`` and ``value``, and the ``key`` of the turn that it is
        about; else ``start_s``, ``end_s`` and ``channel``. Marks are told apart (`page.marks`).
        """
        log = session.data.annotations.log()
        there = [change for change in log.annotations() if change.kind != annotate.MARK]
        turn_of = {}
        if any(change.is_on_turn for change in there):
            turn_of = annotate.resolve(there, session.fold_rows() if rows is None else rows)
        found: dict[str, Json] = {}
        for change in sorted(there, key=lambda change: change.at):
            said: Json = {"id": change.id, "kind": change.kind, "value": change.value}
            if (row := turn_of.get(change.id)) is not None:
                said["key"] = f"{row.connection}.{row.turn_order}"
            elif change.start_s is None:
                continue  # Made on a turn without words, which is gone.
            else:
                end_s = change.start_s if change.end_s is None else change.end_s
                said |= {"start_s": change.start_s, "end_s": end_s, "channel": change.channel}
            found[change.id] = said
        speakers = {change.value: None for change in there if change.kind == annotate.SPEAKER}
        return cls(found, tuple(log.labels().items()), tuple(speakers))

    def whole(self) -> Json:
        """``annotations`` and ``labels``."""
        return {"annotations": list(self.annotations.values()), "labels": list(self.labels)}

    def news(self, before: Noted) -> Json:
        """What is new since `before`.

        ``annotations`` that changed, ids of those ``unannotated``, ``labels``; what is empty is not
        there.
        """
        changed = [
            said for id_, said in self.annotations.items() if before.annotations.get(id_) != said
        ]
        gone = [id_ for id_ in before.annotations if id_ not in self.annotations]
        found: Json = {}
        if changed:
            found["annotations"] = changed
        if gone:
            found["unannotated"] = gone
        if self.labels != before.labels:
            found["labels"] = list(self.labels)
        return found
