"""ELAN's annotation format, EAF 3.0: XML, linked to the recording."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from nbstream._version import __version__
from nbstream.errors import ParameterError
from nbstream.export.spans import Found, found
from nbstream.export.talk import Talk
from nbstream.export.tiers import WORDS, Tier, tiers

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
# Stereotypes as ELAN writes them into each file.
_CONSTRAINTS: Final = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps "
    "allowed within this interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to "
    "the same parent are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps "
    "are allowed",
}


def render(talk: Talk, to: Path) -> bytes:
    """Tiers by speaker; the words of a turn are its children. `to` is where the file will be."""
    every = tiers(talk)
    document = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": f"nbstream {__version__}",
            "DATE": _date(talk.started_at),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = ET.SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if talk.media is not None:
        ET.SubElement(header, "MEDIA_DESCRIPTOR", _media(talk.media, to))
    n_spans = sum(len(tier.spans) for tier in every)
    last = ET.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(n_spans)
    slots = _add_times(document, every)
    number = 0
    for tier in every:
        about = {"TIER_ID": tier.name, "LINGUISTIC_TYPE_REF": tier.kind}
        about |= {"PARTICIPANT": tier.speaker} if tier.speaker else {}
        about |= {"PARENT_REF": tier.parent} if tier.parent else {}
        element = ET.SubElement(document, "TIER", about)
        for span in tier.spans:
            number += 1
            aligned = ET.SubElement(
                ET.SubElement(element, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{number}",
                TIME_SLOT_REF1=f"ts{slots[2 * number - 2]}",
                TIME_SLOT_REF2=f"ts{slots[2 * number - 1]}",
            )
            ET.SubElement(aligned, "ANNOTATION_VALUE").text = span.text
    for kind in dict.fromkeys(tier.kind for tier in every):
        about = {"LINGUISTIC_TYPE_ID": kind, "TIME_ALIGNABLE": "true"}
        about |= {"GRAPHIC_REFERENCES": "false"}
        about |= {"CONSTRAINTS": "Included_In"} if kind == WORDS else {}
        ET.SubElement(document, "LINGUISTIC_TYPE", about)
    for name, description in _CONSTRAINTS.items():
        ET.SubElement(document, "CONSTRAINT", STEREOTYPE=name, DESCRIPTION=description)
    ET.indent(document, "    ")
    made: bytes = ET.tostring(document, "UTF-8", xml_declaration=True)
    return made


def read(path: Path) -> list[Found]:
    """Annotations of every tier; those that have no time of their own take their parent's."""
    data = path.read_bytes()
    try:
        # Expat fetches nothing; of entities that grow without bound an .eaf needs none.
        if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
            raise ValueError("it declares entities")
        document = ET.fromstring(data)
        if document.tag != "ANNOTATION_DOCUMENT":
            raise ValueError(f"its root is {document.tag[:40]}")
        return _found(document)
    except (ET.ParseError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(
            f"{path.name} can't be read as an ELAN file: {error}.",
            hint="Open it in ELAN and save it again.",
            parameter="path",
        ) from error


def _found(document: ET.Element) -> list[Found]:
    units = document.find("HEADER")
    if units is not None and units.get("TIME_UNITS", "milliseconds") != "milliseconds":
        raise ValueError(f"its times are in {units.get('TIME_UNITS')}, not in milliseconds")
    slots = {
        slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) / 1000
        for slot in document.iterfind("TIME_ORDER/TIME_SLOT")
        if "TIME_VALUE" in slot.attrib
    }
    edges: dict[str, tuple[float, float]] = {}
    for aligned in document.iterfind("TIER/ANNOTATION/ALIGNABLE_ANNOTATION"):
        first, last = aligned.attrib["TIME_SLOT_REF1"], aligned.attrib["TIME_SLOT_REF2"]
        if first in slots and last in slots:
            edges[aligned.attrib["ANNOTATION_ID"]] = slots[first], slots[last]
    parent_of = {
        ref.attrib["ANNOTATION_ID"]: ref.attrib["ANNOTATION_REF"]
        for ref in document.iterfind("TIER/ANNOTATION/REF_ANNOTATION")
    }
    spans = []
    for tier in document.iterfind("TIER"):
        name = tier.attrib["TIER_ID"]
        spans.append(found(name))
        for annotation in tier.iterfind("ANNOTATION/*"):
            at = annotation.attrib["ANNOTATION_ID"]
            for _ in range(50):  # up the chain, which may be bent into a ring
                if at in edges or at not in parent_of:
                    break
                at = parent_of[at]
            if at in edges:
                text = annotation.findtext("ANNOTATION_VALUE") or ""
                spans.append(found(name, *edges[at], text.strip()))
    return spans


def _add_times(document: ET.Element, every: Sequence[Tier]) -> list[int]:
    """Two slots for each span, in order of time, as ELAN wants them.

    None is shared: in ELAN, an edge that is dragged takes its slot along.

    Returns
    -------
    list of int
        Numbers of the slots: start and end of the first span, and so on.

    """
    order = ET.SubElement(document, "TIME_ORDER")
    times = [t for tier in every for s in tier.spans for t in (s.start_ms, s.end_ms)]
    numbers = [0] * len(times)
    for number, at in enumerate(sorted(range(len(times)), key=times.__getitem__), start=1):
        numbers[at] = number
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{number}", TIME_VALUE=str(times[at]))
    return numbers


def _media(media: Path, to: Path) -> dict[str, str]:
    """Where the recording is. Not percent-encoded: ELAN takes these as they stand."""
    media = media.absolute()
    about = {"MEDIA_URL": "file://" + _slashed(media), "MIME_TYPE": "audio/x-wav"}
    try:
        relative = Path(os.path.relpath(media, to.absolute().parent))
    except ValueError:  # Windows: on another drive.
        return about
    return about | {"RELATIVE_MEDIA_URL": "./" + relative.as_posix()}


def _slashed(path: Path) -> str:
    text = path.as_posix()
    return text if text.startswith("/") else "/" + text


def _date(started_at: str) -> str:
    """When the session began, so that the same session gives the same file."""
    if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", started_at):
        return datetime.fromtimestamp(0, UTC).isoformat()
    return started_at
