"""Commands on recorded sessions: open, export, share, recover."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from nbstream.cli.recording import add_service_arguments, service, summary
from nbstream.cli.say import print_json
from nbstream.errors import NbstreamError


def add_open(commands: Any) -> None:
    """Give `commands` the command ``open``."""
    open_ = commands.add_parser("open", help="show a session that was recorded")
    open_.add_argument("folder")
    open_.add_argument("--json", action="store_true", help="one JSON object a line")
    open_.set_defaults(run=_open)


def add_export(commands: Any) -> None:
    """Give `commands` the command ``export``."""
    export = commands.add_parser("export", help="write a session to a file of another program")
    export.add_argument("folder")
    export.add_argument("file", help="talk.srt, talk.TextGrid, turns.csv...: its end says what")
    export.add_argument("--format", metavar="NAME", help="if the file's name does not say it")
    export.add_argument("--table", metavar="NAME", help="of csv, jsonl, parquet: turns, words...")
    export.set_defaults(run=_export)


def add_share(commands: Any) -> None:
    """Give `commands` the command ``share``."""
    share = commands.add_parser("share", help="write a session to one HTML file")
    share.add_argument("folder")
    share.add_argument("file", help="such as talk.html")
    share.add_argument("--no-audio", action="store_true", help="leave the sound out")
    share.add_argument("--no-timing", action="store_true", help="leave the timing table out")
    share.add_argument("--max-mb", type=float, default=25, metavar="MB", help="largest file")
    share.set_defaults(run=_share)


def add_recover(commands: Any) -> None:
    """Give `commands` the command ``recover``."""
    recover = commands.add_parser("recover", help="mend recordings that were killed")
    recover.add_argument("folder", help="a session's folder, or one that holds sessions")
    recover.add_argument(
        "--transcribe", action="store_true", help="have what is missing transcribed"
    )
    add_service_arguments(recover)
    recover.add_argument("--json", action="store_true", help="one JSON object a line")
    recover.set_defaults(run=_recover)


def _open(options: argparse.Namespace) -> int:
    from nbstream.engine import open_session

    session = open_session(options.folder)
    if options.json:
        print(session.turns.to_json(orient="records", lines=True, force_ascii=False), end="")
        print_json(summary(session))
        return 0
    print(session)
    if session.damage:
        print(f"nbstream: it was not closed; `nbstream recover {session.folder}` mends it.")
    turns = session.turns[["turn_order", "start_s", "end_s", "is_final", "transcript"]]
    print(turns.to_string(index=False, float_format="%.2f") if len(turns) else "No turns.")
    return 0


def _export(options: argparse.Namespace) -> int:
    from nbstream.engine import open_session

    table = {"table": options.table} if options.table else {}
    print(open_session(options.folder).export(options.file, format=options.format, **table))
    return 0


def _share(options: argparse.Namespace) -> int:
    from nbstream.engine import open_session
    from nbstream.share import share

    wanted = {"timing": not options.no_timing, "audio": not options.no_audio}
    print(share(open_session(options.folder), options.file, max_mb=options.max_mb, **wanted))
    return 0


def _recover(options: argparse.Namespace) -> int:
    from nbstream import store

    status = 0
    for path in store.sessions(options.folder):
        if store.is_being_recorded(path):
            print(f"nbstream: {path} is being recorded: left alone.", file=sys.stderr)
            continue
        damage = store.recover(path)
        transcribed_s = 0.0
        if options.transcribe:
            try:
                transcribed_s = _transcribe_missing(path, options)
            except NbstreamError as error:
                print(f"nbstream: {path.name}: {error}", file=sys.stderr)
                status = 1
        folder = store.Folder.open_(path)
        missing_s = sum(end - start for start, end, _ in folder.missing()) / folder.sample_rate_hz
        found = {
            "type": "recovered",
            "folder": str(path),
            "state": folder.state,
            "torn_events": damage.torn_events,
            "torn_bytes": damage.torn_bytes,
            "stale_header": damage.stale_header,
            "transcribed_s": round(transcribed_s, 3),
            "missing_s": round(missing_s, 3),
        }
        if options.json:
            print_json(found)
        else:
            print(
                f"{path}: {'mended' if damage else 'in order'}, {folder.state}, "
                + (f"{missing_s:.1f} s not transcribed" if missing_s else "all transcribed")
            )
    return status


def _transcribe_missing(path: Path, options: argparse.Namespace) -> float:
    from nbstream.engine import open_session

    chosen = options.service or options.endpoint or options.model
    return open_session(path).fill_gaps(service(options) if chosen else None)
