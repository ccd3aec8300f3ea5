"""The index of a zip of receipts, by which DATEV finds them from a row's Beleglink.

One document for each entry, with its files; its guid is the entry's id, and so is the Beleglink of the entry's rows.

Source: developer.datev.de, DATEV XML-Schnittstelle online, "Verwaltungsdatendatei", Document_v060.xsd.
"""

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from tallybook.accounting.handover import ImportSet
from tallybook.import_files.format import Receipt

NAME = "document.xml"
_NAMESPACE = "http://xml.datev.de/bedi/tps/document/v06.0"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


def index(receipts: Sequence[Receipt], made: ImportSet) -> bytes:
    """Write the index of a zip that holds these receipts, those of an entry one after the other."""
    archive = ET.Element(
        "archive",
        {
            "xmlns": _NAMESPACE,
            "xmlns:xsi": _INSTANCE,
            "xsi:schemaLocation": f"{_NAMESPACE} Document_v060.xsd",
            "version": "6.0",
            "generatingSystem": "Tallybook",
        },
    )
    ET.SubElement(ET.SubElement(archive, "header"), "date").text = f"{made.made_at:%Y-%m-%dT%H:%M:%S}"
    content = ET.SubElement(archive, "content")
    for entry_id, files in groupby(receipts, key=lambda receipt: receipt.entry_id):
        document = ET.SubElement(content, "document", {"guid": entry_id})
        for file in files:
            ET.SubElement(document, "extension", {"xsi:type": "File", "name": file.name})
    ET.indent(archive, " ")
    text: str = ET.tostring(archive, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()
