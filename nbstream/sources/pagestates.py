"""What a page says of its microphone, in words for the person: message and hint."""

from __future__ import annotations

from typing import Final

# What a page may say that it can't do -> message, hint.
FAILURES: Final = {
    "refused": (
        "the browser was not allowed to use the microphone",
        "Allow it at the lock or microphone sign beside the page's address, then record again.",
    ),
    "missing": (
        "the browser has no such microphone",
        "Plug one in, or choose another device; then record again.",
    ),
    "insecure": (
        "the browser gives a microphone to secure pages only",
        "Open the notebook by https, or as http://localhost or http://127.0.0.1.",
    ),
    "unreadable": (
        "the browser can't open the microphone",
        "Close other programs that use it, then record again.",
    ),
    "ended": (
        "the browser's microphone was taken away while it recorded",
        "Check that it is plugged in and still allowed. What was recorded is kept.",
    ),
    "channels": (
        "the browser's microphone has fewer channels than speakers were named",
        "Give fewer names; without speakers, channels are mixed into one.",
    ),
}
# What a page may say of itself while it records -> message, hint.
PROBLEMS: Final = {
    "asking": (
        "The browser waits for you to allow the microphone.",
        "Press Allow at the top of the page.",
    ),
    "held": ("The browser holds the microphone back.", "Click anywhere in the page."),
    "hidden": (
        "The page that records is in the background.",
        "It records on; the browser may slow it down, and nothing is lost by that.",
    ),
    "muted": (
        "The browser's microphone is switched off.",
        "Look for its key or switch, or the system's settings.",
    ),
}


ROUTES: Final = {"direct": "directly", "proxy": "through Jupyter", "comm": "through the widget"}
