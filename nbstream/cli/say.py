"""What programs read: one JSON object a line."""

from __future__ import annotations

import json
from typing import Any


def print_json(item: dict[str, Any]) -> None:
    """Print an object, at once."""
    print(json.dumps(item, ensure_ascii=False), flush=True)


def number(value: float) -> float | None:
    """`value` to three places; None for NaN."""
    return None if value != value else round(value, 3)  # NaN is not JSON
