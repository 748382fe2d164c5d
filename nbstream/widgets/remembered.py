"""What was chosen last time, kept for the next: names of a source and a service, never a key."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Final

NAMES: Final = ("source", "service")


def path() -> Path | None:
    """The file of this user's choices; None where there is no place for one."""
    try:
        from platformdirs import user_config_dir
    except ImportError:
        return None
    return Path(user_config_dir("nbstream")) / "recorder.json"


def remembered() -> dict[str, str]:
    """What was chosen; empty where nothing is known, or it can't be read."""
    where = path()
    if where is None:
        return {}
    try:
        found = json.loads(where.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    known = found if isinstance(found, dict) else {}
    return {name: known[name] for name in NAMES if isinstance(known.get(name), str)}


def remember(**chosen: str) -> None:
    """Keep a choice; where that can't be done, the next time begins as the first did."""
    where = path()
    known = remembered()
    if where is None or known | chosen == known:
        return
    with contextlib.suppress(OSError):
        where.parent.mkdir(parents=True, exist_ok=True)
        beside = where.with_suffix(".new")
        beside.write_text(json.dumps(known | chosen, indent=1) + "\n", "utf-8")
        beside.replace(where)
