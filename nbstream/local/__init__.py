"""The embedded recogniser: a process of its own that speaks Streaming v3 on loopback."""
