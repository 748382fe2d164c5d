"""The session folder: append while recording, read at any time, mend after a crash.

```
session.json       format version, rate, channels and speakers, source, service (never the key),
                   clock, state; by rename
audio.wav          16-bit, as many channels as are kept apart; header refreshed about once a
                   second, readers trust the file size
events.jsonl       one object a line; the server's messages word for word under "raw"
chunks.bin         24-byte records: frame, length, connection (-1: captured), seconds
annotations.jsonl  append only
```

`folder`: writing, reading and recovering one. `annotations`: what people say about it. `mend`: its
files after a crash. `files`: where folders lie, who is writing one, what the disk refuses.
"""

from nbstream.store.files import is_being_recorded, sessions
from nbstream.store.folder import FORMAT_VERSION, Damage, Folder, recover

__all__ = ["FORMAT_VERSION", "Damage", "Folder", "is_being_recorded", "recover", "sessions"]
