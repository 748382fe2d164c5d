"""The key of AssemblyAI: asked for or found, kept in memory alone."""

from __future__ import annotations

import os
from typing import Final

from nbstream.secret import Secret

KEY_VARIABLE: Final = "ASSEMBLYAI_API_KEY"


def ask_key() -> None:
    """Ask for the AssemblyAI key without showing it, for this process only.

    It is kept in memory: not in the notebook, not in the environment, not in a file.
    """
    import getpass

    global _asked
    _asked = Secret(getpass.getpass("AssemblyAI API key (not shown, not stored): "))


_asked: Secret | None = None


def found_key() -> Secret | None:
    """The key from `ask_key` or the environment, if there is one."""
    if _asked is not None:
        return _asked
    text = os.environ.get(KEY_VARIABLE, "").strip()
    return Secret(text) if text else None
