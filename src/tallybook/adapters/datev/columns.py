"""The columns of a Buchungsstapel, format version 13, and how a line of such a file is written.

Source: developer.datev.de, DATEV-Format, "Buchungsstapel" and "Header".
"""

from collections.abc import Mapping, Sequence

_FIRST = (
    "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Kurs;Basis-Umsatz;WKZ Basis-Umsatz;Konto;"
    "Gegenkonto (ohne BU-Schlüssel);BU-Schlüssel;Belegdatum;Belegfeld 1;Belegfeld 2;Skonto;Buchungstext;Postensperre;"
    "Diverse Adressnummer;Geschäftspartnerbank;Sachverhalt;Zinssperre;Beleglink"
)
_MIDDLE = (
    "KOST1 - Kostenstelle;KOST2 - Kostenstelle;Kost-Menge;EU-Land u. UStID (Bestimmung);EU-Steuersatz (Bestimmung);"
    "Abw. Versteuerungsart;Sachverhalt L+L;Funktionsergänzung L+L;BU 49 Hauptfunktionstyp;BU 49 Hauptfunktionsnummer;"
    "BU 49 Funktionsergänzung"
)
_LAST = (
    "Stück;Gewicht;Zahlweise;Forderungsart;Veranlagungsjahr;Zugeordnete Fälligkeit;Skontotyp;Auftragsnummer;"
    "Buchungstyp;USt-Schlüssel (Anzahlungen);EU-Land (Anzahlungen);Sachverhalt L+L (Anzahlungen);"
    "EU-Steuersatz (Anzahlungen);Erlöskonto (Anzahlungen);Herkunft-Kz;Buchungs GUID;KOST-Datum;SEPA-Mandatsreferenz;"
    "Skontosperre;Gesellschaftername;Beteiligtennummer;Identifikationsnummer;Zeichnernummer;Postensperre bis;"
    "Bezeichnung SoBil-Sachverhalt;Kennzeichen SoBil-Buchung;Festschreibung;Leistungsdatum;Datum Zuord. Steuerperiode;"
    "Fälligkeit;Generalumkehr (GU);Steuersatz;Land;Abrechnungsreferenz;BVV-Position;EU-Land u. UStID (Ursprung);"
    "EU-Steuersatz (Ursprung);Abw. Skontokonto"
)
COLUMNS: Sequence[str] = (
    *_FIRST.split(";"),
    *(f"Beleginfo - {part} {number}" for number in range(1, 9) for part in ("Art", "Inhalt")),
    *_MIDDLE.split(";"),
    # The official header writes the one with and the other without a blank before the dash.
    *(f"Zusatzinformation{part} {number}" for number in range(1, 21) for part in (" - Art", "- Inhalt")),
    *_LAST.split(";"),
)

# Numbers of the columns that hold text, which is quoted even where it is empty; the others are numbers and dates.
_TEXT = frozenset(
    {2, 3, 6, 9, 11, 12, 14, 16, 20, 37, 38, 40, 42, 91, 95, 96, 98, 102, 103, 105, 107, 109, 110, 112, 118, 120, 121}
    | {123, *range(21, 37), *range(48, 88)}
)
ENCODING = "cp1252"
COLUMN_LINE = (";".join(COLUMNS) + "\r\n").encode(ENCODING)


def row(cells: Mapping[str, str]) -> bytes:
    """Write the cells of one row, by the names of their columns; texts are made fit before."""
    written = [
        quoted(cells.get(name, "")) if number in _TEXT else cells.get(name, "")
        for number, name in enumerate(COLUMNS, start=1)
    ]
    return (";".join(written) + "\r\n").encode(ENCODING)


def quoted(text: str) -> str:
    """Quote a text; a quote within is doubled."""
    return '"' + text.replace('"', '""') + '"'
