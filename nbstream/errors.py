"""What can go wrong, one class for each thing a caller may want to tell apart.

```
NbstreamError                  base; `hint` says what to do next
  ParameterError(ValueError)   an option out of range, before a socket opens       .parameter
  SourceError                  no device, no such file, not audio, lost            .source
  ConnectError                 the connection could not be opened or kept          .endpoint
    AuthError                  the key or token is missing or refused
  ServerError                  the service ended the session with an error         .code .reason
  RecogniserError              the local recogniser or its model is missing
  StoreError                   folder missing, in use, full, or of a newer format  .path
  StateError(RuntimeError)     a call that does not fit the state                  .state
```

The form of every message: *what failed: which one, and why.* The hint says what to do.
"""

from __future__ import annotations

from pathlib import Path


class NbstreamError(Exception):
    """Base of everything nbstream raises on purpose.

    Parameters
    ----------
    message : str
        What failed: which one, and why.
    hint : str
        What to do next, in one or two sentences. Empty if there is nothing to say.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ParameterError(NbstreamError, ValueError):
    """An option that the service would refuse or ignore, found before a socket opens."""

    def __init__(self, message: str, *, hint: str = "", parameter: str = "") -> None:
        super().__init__(message, hint=hint)
        self.parameter = parameter


class SourceError(NbstreamError):
    """The source of audio could not be opened, or failed while recording."""

    def __init__(self, message: str, *, hint: str = "", source: str = "") -> None:
        super().__init__(message, hint=hint)
        self.source = source


class ConnectError(NbstreamError):
    """The connection to the service could not be opened, or was lost."""

    def __init__(self, message: str, *, hint: str = "", endpoint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.endpoint = endpoint


class AuthError(ConnectError):
    """No key, or a key or token that the service refused."""


class ServerError(NbstreamError):
    """The service ended the session with an error.

    `code` is the close code (or HTTP status), `reason` the service's own words.
    """

    def __init__(
        self, message: str, *, hint: str = "", code: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.reason = reason


class RecogniserError(NbstreamError):
    """The local recogniser can't run here: a package or its model is missing."""


class StoreError(NbstreamError):
    """A session folder can't be made, opened, read or written."""

    def __init__(self, message: str, *, hint: str = "", path: Path | str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = Path(path)


class StateError(NbstreamError, RuntimeError):
    """The call does not fit the state the session is in."""

    def __init__(self, message: str, *, hint: str = "", state: str = "") -> None:
        super().__init__(message, hint=hint)
        self.state = state
