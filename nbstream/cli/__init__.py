"""The command line: record, serve, open, export, share, recover, doctor, devices, version.

Scripts drive these, so their names, options and JSON stay as they are. Answers go to stdout, one
JSON object a line with ``--json``; everything for people's eyes only goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nbstream._version import __version__
from nbstream.cli.doctor import add_doctor
from nbstream.cli.folders import add_export, add_open, add_recover, add_share
from nbstream.cli.recording import add_record
from nbstream.errors import NbstreamError
from nbstream.local.process import add_arguments as add_serve_arguments


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

    add_record(commands)

    serve = commands.add_parser("serve", help="run the local recogniser as a server")
    add_serve_arguments(serve)
    serve.set_defaults(run=_serve)

    add_open(commands)
    add_export(commands)
    add_share(commands)
    add_recover(commands)
    add_doctor(commands)

    devices = commands.add_parser("devices", help="list microphones")
    devices.add_argument("--json", action="store_true", help="one JSON object a line")
    devices.set_defaults(run=_devices)

    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _serve(options: argparse.Namespace) -> int:
    from nbstream.local.process import serve

    return serve(**{name: value for name, value in vars(options).items() if name != "run"})


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
