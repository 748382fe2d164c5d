"""Messages, records and annotations without what has to go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from nbstream import annotate
from nbstream import events as ev
from nbstream.redact.plan import MARK, Plan, aligned, bare
from nbstream.tables import TurnRow, row_key

_SERVER: Final = (
    "Begin SpeechStarted Turn Termination Error Warning Heartbeat Silence LLMGatewayResponse "
    "SpeakerRevision UpdateConfiguration ForceEndpoint KeepAlive Terminate"
)
_TYPES: Final = frozenset((*_SERVER.split(), *ev.Entry.OURS))
# Values that say how something is to be read, not what was said.
_STRUCTURE: Final = frozenset(("type", "state", "started_at", "kind", "model", "id", "format"))


def entry_line(plan: Plan, entry: ev.Entry, offsets: dict[int, tuple[float, int | None]]) -> str:
    """One line of ``events.jsonl``."""
    record = entry.as_record()
    if isinstance(entry.event, ev.ServerEvent):
        record["raw"] = _message(plan, record["raw"], entry.connection, offsets)
        if record["type"] not in _TYPES:
            record["type"] = plan.scrub(record["type"])
    elif isinstance(entry.event, ev.Sent):
        record["text"] = _message(plan, record["text"], None, {})
    else:
        record = scrub(plan, record)
    return json.dumps(record, ensure_ascii=False) + "\n"


def scrub(plan: Plan, value: Any, *, keys: bool = False) -> Any:
    """All texts in `value` without what the patterns find; with `keys`, names of fields too."""
    if isinstance(value, str):
        return plan.scrub(value)
    if isinstance(value, list | tuple):
        return [scrub(plan, one, keys=keys) for one in value]
    if isinstance(value, dict):
        return {
            plan.scrub(name) if keys else name: (
                one if name in _STRUCTURE and isinstance(one, str) else scrub(plan, one, keys=keys)
            )
            for name, one in value.items()
        }
    return value


def annotation(plan: Plan, change: annotate.Change, row: TurnRow | None) -> annotate.Change:
    """One annotation as it is now; what was said of it before is not kept."""
    value: Any = change.value
    if change.kind == annotate.LABELS:
        value = {plan.scrub(name): colour for name, colour in value.items()}
    elif change.kind in (annotate.NOTE, annotate.TRANSCRIPT, annotate.MARK):
        key = None if row is None else row_key(row)
        if value and plan.covers(change, key):
            value = MARK
        elif row is not None and change.kind == annotate.TRANSCRIPT:
            value = _correction(plan, value, row)
    if isinstance(value, str):
        value = plan.scrub(value)
    return replace(change, value=value, author=plan.scrub(change.author))


def _correction(plan: Plan, text: str, row: TurnRow) -> str:
    """A corrected transcript: what stands for a recognised word that goes, goes with it."""
    tokens = text.split()
    gone = [
        plan.hides(row.offset_s + w.start_ms / 1000, row.offset_s + w.end_ms / 1000, row.channel)
        for w in row.words
    ]
    hits = plan.found_in(tokens)
    for i, j, k, m in aligned([word.text for word in row.words], tokens):
        if any(gone[i:j]):
            hits[k:m] = [True] * (m - k)
    if not any(hits):
        return text
    return " ".join(MARK if hit else token for token, hit in zip(tokens, hits, strict=True))


def _message(
    plan: Plan, raw: str, connection: int | None, offsets: dict[int, tuple[float, int | None]]
) -> str:
    """A message word for word, but for what has to go. What can't be read is not kept."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return json.dumps(MARK, ensure_ascii=False)
    is_known = isinstance(data, dict) and data.get("type") in _TYPES
    if is_known:
        offset_s, channel = offsets.get(connection or 0, (0.0, None))
        if data["type"] == "Turn":
            _turn(plan, data, connection, offset_s, channel, not data.get("end_of_turn"))
        elif data["type"] == "SpeakerRevision":
            for revision in _dicts(data.get("revisions")):
                _turn(plan, revision, connection, offset_s, channel, False)
        elif (connection, data.get("turn_order")) in plan.touched:
            # Of a model's answer: it may say it otherwise.
            data |= {name: MARK for name in ("transcript", "data") if name in data}
    elif isinstance(data, dict) and isinstance(data.get("type"), str):
        data["type"] = plan.scrub(data["type"])
    # Names of fields of a message that we know are ours to know; in the answers of a model, and in
    # what we do not know, they may be anything.
    is_ours = is_known and data["type"] != "LLMGatewayResponse"
    return json.dumps(scrub(plan, data, keys=not is_ours), ensure_ascii=False)


def _turn(
    plan: Plan,
    data: dict[str, Any],
    connection: int | None,
    offset_s: float,
    channel: int | None,
    is_partial: bool,
) -> None:
    """Words by what they are, by when they were said, and in partials by what they may become."""
    key = (connection, data.get("turn_order"))
    words = [word for word in _dicts(data.get("words")) if isinstance(word.get("text"), str)]
    texts = [word["text"] for word in words]
    hits = plan.found_in(texts)
    for n, word in enumerate(words):
        hits[n] = (
            hits[n]
            or key in plan.turns
            or _is_hidden(plan, word, offset_s, channel, is_partial)
            or (is_partial and key in plan.touched and _may_become(plan, word["text"]))
        )
        if hits[n]:
            word["text"] = MARK
    for name in ("transcript", "utterance"):
        if isinstance(data.get(name), str) and data[name].strip():
            is_whole = key in plan.turns and not texts
            data[name] = MARK if is_whole else _rewritten(data[name], texts, hits)


def _is_hidden(
    plan: Plan, word: dict[str, Any], offset_s: float, channel: int | None, is_partial: bool
) -> bool:
    start, end = word.get("start"), word.get("end")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        return False
    start_s, end_s = offset_s + start / 1000, offset_s + end / 1000
    return plan.hides(start_s, end_s, channel, is_partial=is_partial)


def _may_become(plan: Plan, text: str) -> bool:
    start = bare(text)
    return bool(start) and any(token.startswith(start) for token in plan.tokens)


def _rewritten(text: str, words: Sequence[str], hits: Sequence[bool]) -> str:
    """`text`, made of the first of `words`, without those that are hit."""
    if not any(hits):
        return text
    tokens = text.split()
    pairs = zip(tokens, words, strict=False)
    if len(tokens) > len(words) or any(bare(a) != bare(b) for a, b in pairs):
        tokens = list(words[: len(tokens)])
    return " ".join(MARK if hit else token for token, hit in zip(tokens, hits, strict=False))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
