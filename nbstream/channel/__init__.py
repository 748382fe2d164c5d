"""The notebook channel: how pages speak to the kernel, past its busy cells.

One WebSocket server on loopback, in one thread, nbstream-channel, for all rooms that are open: it
begins with the first and ends with the last. A page brings a secret, which it was given through the
notebook itself; that says which room it comes to. Pages of another origin are refused before that.
Where no socket can be had, the same messages go through the widget, or the control channel.

    page -> kernel   {"kind": "hello", "secret", "page", "sent"}, then text and frames (bytes)
    kernel -> page   {"kind": "go", ...}, then text

`Channel` is a room for one page, which records; `Inbox` one for all pages, which tell widgets what
is pressed and edited.
"""

from __future__ import annotations

from nbstream.channel.inbox import Inbox
from nbstream.channel.lines import (
    HOST,
    LOOPBACK_NAMES,
    MAX_MESSAGE_BYTES,
    REFUSED,
    REPLACED,
    Message,
)
from nbstream.channel.single import Channel, Listener

__all__ = [
    "HOST",
    "LOOPBACK_NAMES",
    "MAX_MESSAGE_BYTES",
    "REFUSED",
    "REPLACED",
    "Channel",
    "Inbox",
    "Listener",
    "Message",
]
