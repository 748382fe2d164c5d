"""``nbstream record``: a source is recorded, its turns are printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any

from nbstream.cli.say import number, print_json
from nbstream.errors import NbstreamError

if TYPE_CHECKING:
    from nbstream.services import Service
    from nbstream.session import Session
    from nbstream.sources import Source


def add_record(commands: Any) -> None:
    """Give `commands` the command ``record``."""
    record = commands.add_parser("record", help="record a source and print its turns")
    record.add_argument("source", help="sample, mic, or a file")
    add_service_arguments(record)
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


def add_service_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` what says which service it is; see `service`."""
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
    show = print_json if options.json else _print_text
    try:
        session = record(
            _source(options),
            service(options),
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
    show(summary(session, error))
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


def service(options: argparse.Namespace) -> Service:
    """The service that was asked for."""
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
                        "start_s": number(row.start_s),
                        "end_s": number(row.end_s),
                        "arrived_s": number(row.arrived_s),
                        "n_words": row.n_words,
                        "confidence": number(row.confidence),
                        "speaker": row.speaker,
                    }
                )


def summary(session: Session, error: NbstreamError | None = None) -> dict[str, Any]:
    """A session as its line of JSON."""
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
        "billed_s": number(float(connections["billed_s"].sum())),
        "error": error.message if error else None,
    }


def _print_text(item: dict[str, Any]) -> None:
    if item["type"] == "turn":
        at = "" if item["start_s"] is None else f"{item['start_s']:7.2f} - {item['end_s']:.2f} s  "
        print(f"{at}{item['transcript']}", flush=True)
    else:
        plural = "" if item["turns"] == 1 else "s"
        print(f"{item['turns']} turn{plural} in {item['audio_s']:.1f} s of audio, {item['state']}.")
        print(f"Session: {item['folder']}", flush=True)
