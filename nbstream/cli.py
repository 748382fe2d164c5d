"""The command line: record, serve, open, export, share, recover, doctor, devices, version.

Scripts drive these, so their names, options and JSON stay as they are. Answers go to stdout, one
JSON object a line with ``--json``; everything for people's eyes only goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbstream._version import __version__
from nbstream.checkup import command as checkup
from nbstream.errors import NbstreamError
from nbstream.local.process import add_arguments as add_serve_arguments

if TYPE_CHECKING:
    from nbstream.services import Service
    from nbstream.session import Session
    from nbstream.sources import Source


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0 only when what was asked for was done whole."""
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except NbstreamError as error:
        print(f"nbstream: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # The reader of our output went away.
        return 141
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbstream", description="Record, stream and study live speech."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    record = commands.add_parser("record", help="record a source and print its turns")
    record.add_argument("source", help="sample, mic, or a file")
    _add_service_arguments(record)
    record.add_argument("--speed", type=float, default=1.0, help="1: as spoken; 0: at full speed")
    record.add_argument("--seconds", type=float, help="stop after so many seconds of audio")
    record.add_argument("--out", default="recordings", help="the recordings folder")
    record.add_argument("--name", default="", help="goes into the session folder's name")
    record.add_argument("--device", help="number or part of the name of a microphone")
    record.add_argument(
        "--speakers",
        metavar="NAME,NAME",
        help="who is on each channel: keeps them apart, with a connection each",
    )
    record.add_argument("--max-minutes", type=float, help="stop after so many minutes")
    record.add_argument(
        "--idle-stop", type=float, metavar="S", help="stop after S s without a word"
    )
    record.add_argument("--max-cost", type=float, metavar="USD", help="stop at this estimated cost")
    record.add_argument("--json", action="store_true", help="one JSON object a line")
    record.set_defaults(run=_record)

    serve = commands.add_parser("serve", help="run the local recogniser as a server")
    add_serve_arguments(serve)
    serve.set_defaults(run=_serve)

    open_ = commands.add_parser("open", help="show a session that was recorded")
    open_.add_argument("folder")
    open_.add_argument("--json", action="store_true", help="one JSON object a line")
    open_.set_defaults(run=_open)

    export = commands.add_parser("export", help="write a session to a file of another program")
    export.add_argument("folder")
    export.add_argument("file", help="talk.srt, talk.TextGrid, turns.csv...: its end says what")
    export.add_argument("--format", metavar="NAME", help="if the file's name does not say it")
    export.add_argument("--table", metavar="NAME", help="of csv, jsonl, parquet: turns, words...")
    export.set_defaults(run=_export)

    share = commands.add_parser("share", help="write a session to one HTML file")
    share.add_argument("folder")
    share.add_argument("file", help="such as talk.html")
    share.add_argument("--no-audio", action="store_true", help="leave the sound out")
    share.add_argument("--no-timing", action="store_true", help="leave the timing table out")
    share.add_argument("--max-mb", type=float, default=25, metavar="MB", help="largest file")
    share.set_defaults(run=_share)

    recover = commands.add_parser("recover", help="mend recordings that were killed")
    recover.add_argument("folder", help="a session's folder, or one that holds sessions")
    recover.add_argument(
        "--transcribe", action="store_true", help="have what is missing transcribed"
    )
    _add_service_arguments(recover)
    recover.add_argument("--json", action="store_true", help="one JSON object a line")
    recover.set_defaults(run=_recover)

    doctor = commands.add_parser("doctor", help="say what works here, and what to do if not")
    checkup.add_arguments(doctor)
    doctor.set_defaults(run=checkup.run)

    devices = commands.add_parser("devices", help="list microphones")
    devices.add_argument("--json", action="store_true", help="one JSON object a line")
    devices.set_defaults(run=_devices)

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _add_service_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--service", choices=("local", "assemblyai"), help="default: as the key is")
    parser.add_argument("--endpoint", help="ws:// or wss:// address of another server")
    parser.add_argument("--model", help="speech_model (assemblyai)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the service, such as min_turn_silence=400; may be given again",
    )


def _record(options: argparse.Namespace) -> int:
    from nbstream.engine import record

    signal.signal(signal.SIGTERM, _interrupt)  # A container that is stopped says Terminate, too.
    # What is warned about is a problem of the session too, and printed as such.
    warnings.filterwarnings("ignore", category=UserWarning)
    show = _print_json if options.json else _print_text
    try:
        session = record(
            _source(options),
            _service(options),
            folder=options.out,
            name=options.name,
            seconds=options.seconds,
            max_minutes=options.max_minutes,
            idle_stop_s=options.idle_stop,
            max_cost=options.max_cost,
        )
    except NbstreamError as refused:
        if options.json:
            show({"type": "error", "message": refused.message, "hint": refused.hint})
        raise
    error: NbstreamError | None = None
    try:
        _follow(session, show)
        session.wait()
    except KeyboardInterrupt:
        print("nbstream: finishing; press again to leave at once.", file=sys.stderr)
        error = _finish(session)
    except NbstreamError as failed:
        error = failed
    show(_summary(session, error))
    if error is not None:
        print(f"nbstream: {error}", file=sys.stderr)
    return 0 if session.state == "stopped" else 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _finish(session: Session) -> NbstreamError | None:
    try:
        session.stop()
    except NbstreamError as error:
        return error
    return None


def _source(options: argparse.Namespace) -> Source:
    from nbstream import sources

    device, speakers = options.device, options.speakers.split(",") if options.speakers else ()
    if options.source == "mic":
        device = int(device) if device and device.isdigit() else device
        return sources.Microphone(device, speakers=speakers)
    if options.source == "sample":
        if speakers:
            raise NbstreamError(
                "the sample has one channel.", hint="Leave --speakers out, or give a file."
            )
        return sources.Sample(speed=options.speed)
    if options.source == "browser":
        raise NbstreamError(
            "a browser's microphone can't be recorded from the command line.",
            hint="Use nb.Recorder() in a notebook, or mic here.",
        )
    return sources.AudioFile(options.source, speed=options.speed, speakers=speakers)


def _service(options: argparse.Namespace) -> Service:
    from nbstream import services

    parameters = dict(_parameter(text) for text in options.option)
    name = options.service or ("assemblyai" if options.endpoint or options.model else None)
    if name == "local" or (name is None and services.found_key() is None):
        if options.endpoint or options.model:
            raise NbstreamError(
                "--endpoint and --model belong to --service assemblyai.",
                hint="Leave --service local out.",
            )
        return services.Local(**parameters)
    model = {"model": options.model} if options.model else {}
    return services.AssemblyAI(**model, endpoint=options.endpoint, **parameters)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise NbstreamError(
            f"--option {text!r} has no value.", hint="Write --option min_turn_silence=400."
        )
    with contextlib.suppress(ValueError):
        return name, json.loads(value)
    return name, value


def _follow(session: Session, show: Any) -> None:
    """Show each final turn once, and problems, until the session has ended."""
    from nbstream import events as ev

    shown: set[tuple[int, int]] = set()
    for event in session.follow():
        if isinstance(event, ev.Problem):
            print(f"nbstream: {event.message} {event.hint}".rstrip(), file=sys.stderr)
        if not (isinstance(event, ev.Turn) and event.end_of_turn):
            continue
        for row in session.fold_rows():
            key = (row.connection, row.turn_order)
            if row.is_final and key not in shown:
                shown.add(key)
                show(
                    {
                        "type": "turn",
                        "connection": row.connection,
                        "turn_order": row.turn_order,
                        "transcript": row.transcript,
                        "start_s": _number(row.start_s),
                        "end_s": _number(row.end_s),
                        "arrived_s": _number(row.arrived_s),
                        "n_words": row.n_words,
                        "confidence": _number(row.confidence),
                        "speaker": row.speaker,
                    }
                )


def _summary(session: Session, error: NbstreamError | None = None) -> dict[str, Any]:
    rows = session.fold_rows()
    connections = session.connections
    return {
        "type": "session",
        "folder": str(session.folder),
        "audio_s": round(session.duration_s, 3),
        "turns": sum(row.is_final for row in rows),
        "state": session.state,
        "partials": sum(not row.is_final for row in rows),
        "gaps": len(session.gaps),
        "connections": len(connections),
        "billed_s": _number(float(connections["billed_s"].sum())),
        "error": error.message if error else None,
    }


def _serve(options: argparse.Namespace) -> int:
    from nbstream.local.process import serve

    return serve(**{name: value for name, value in vars(options).items() if name != "run"})


def _open(options: argparse.Namespace) -> int:
    from nbstream.engine import open_session

    session = open_session(options.folder)
    if options.json:
        print(session.turns.to_json(orient="records", lines=True, force_ascii=False), end="")
        _print_json(_summary(session))
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
            _print_json(found)
        else:
            print(
                f"{path}: {'mended' if damage else 'in order'}, {folder.state}, "
                + (f"{missing_s:.1f} s not transcribed" if missing_s else "all transcribed")
            )
    return status


def _transcribe_missing(path: Path, options: argparse.Namespace) -> float:
    from nbstream.engine import open_session

    chosen = options.service or options.endpoint or options.model
    return open_session(path).fill_gaps(_service(options) if chosen else None)


def _version(options: argparse.Namespace) -> int:
    print(__version__)
    return 0


def _devices(options: argparse.Namespace) -> int:
    from nbstream.sources import devices

    table = devices()
    if options.json:
        print(table.to_json(orient="records", lines=True, force_ascii=False), end="")
    elif table.empty:
        print("No microphone on this machine. `nbstream record sample` needs none.")
    else:
        print(table.to_string(index=False))
    return 0


def _print_json(item: dict[str, Any]) -> None:
    print(json.dumps(item, ensure_ascii=False), flush=True)


def _print_text(item: dict[str, Any]) -> None:
    if item["type"] == "turn":
        at = "" if item["start_s"] is None else f"{item['start_s']:7.2f} - {item['end_s']:.2f} s  "
        print(f"{at}{item['transcript']}", flush=True)
    else:
        plural = "" if item["turns"] == 1 else "s"
        print(f"{item['turns']} turn{plural} in {item['audio_s']:.1f} s of audio, {item['state']}.")
        print(f"Session: {item['folder']}", flush=True)


def _number(value: float) -> float | None:
    return None if value != value else round(value, 3)  # NaN is not JSON


if __name__ == "__main__":
    sys.exit(main())
