"""Who the company buys from, and what people write about it. All of them are invented."""

# ruff: noqa: RUF001 - names and notes are written as people write them

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supplier:
    """A merchant: prices between `low` and `high` hundredths of `currency`; `vendor` is its code in the books."""

    name: str
    country: str
    category: str  # merchant category code, ISO 18245
    currency: str
    low: int
    high: int
    account: str
    tax: str
    notes: tuple[str | None, ...] = (None,)
    vendor: str | None = None
    tax_identifier: str | None = None


NORDLYS = Supplier(
    "Nordlys Kaffebar",
    "DK",
    "5814",
    "DKK",
    3_800,
    31_000,
    "3110",
    "I25",
    ("Coffee with the Groß team", "Kaffe & kanelsnegle ☕", None, 'The usual: "flat white, havremælk"'),
)
MATERIALS = Supplier(
    "Farvehandler Åkjær",
    "DK",
    "5231",
    "DKK",
    9_500,
    240_000,
    "2020",
    "I25",
    ("Pigments, linseed oil", "Prøver til P2607"),
)
TOOLS = Supplier(
    "Værktøjsmagasinet",
    "DK",
    "5072",
    "DKK",
    14_900,
    389_000,
    "3630",
    "I25",
    ("Blades for the saw", None, "Skruetvinger, 6 stk."),
)
OFFICE = Supplier("Papirgården", "DK", "5943", "DKK", 4_900, 120_000, "3640", "I25", (None, "Paper, pens, tape"))
PRINTER = Supplier(
    "Trykkeriet på Holmen A/S",
    "DK",
    "2741",
    "DKK",
    180_000,
    4_800_000,
    "2040",
    "I25",
    ("Posters 50×70, 200 stk.", "Proofs"),
    "V1003",
    "DK00445566",
)
BOOKS = Supplier(
    "Arkitekturboghandlen", "DK", "5942", "DKK", 14_900, 98_000, "3660", "I25", ("Rams: »Weniger, aber besser«", None)
)
LUNCH = Supplier(
    "Spisehuset Ærø",
    "DK",
    "5812",
    "DKK",
    24_000,
    420_000,
    "3310",
    "I25",
    ("Lunch after the workshop", "Client dinner 🍽️"),
)
GIFTS = Supplier(
    "Blomster på hjørnet", "DK", "5992", "DKK", 15_000, 90_000, "3320", "I25", ("Flowers for the opening 💐", None)
)
TRAIN = Supplier(
    "Sundets Jernbane",
    "DK",
    "4112",
    "DKK",
    8_600,
    78_000,
    "3210",
    "I0",
    ("Return to Malmö", None, "København – Aarhus t/r"),
)
TAXI = Supplier(
    "Taxa Amager",
    "DK",
    "4121",
    "DKK",
    9_000,
    46_000,
    "3210",
    "I0",
    (None, "From the airport,\nwith the models in the boot"),
)
POST = Supplier("Pakkeposten", "DK", "4215", "DKK", 4_500, 68_000, "3670", "I25", (None, "Samples to Köln"))
FLIGHT = Supplier("Skyways Nord", "SE", "4511", "DKK", 89_000, 640_000, "3220", "I0", ("CPH–CGN, fair", None))
PHONE = Supplier("Fjordnet", "DK", "4814", "DKK", 14_900, 189_900, "3650", "I25", (None,))

SOFTWARE = Supplier(
    "Brightpixel Software Inc.",
    "US",
    "5734",
    "USD",
    1_200,
    96_000,
    "3610",
    "RW25",
    ("Team plan, 12 seats", None, "Licence for the new iMac – Zeynep's"),
    "V1001",
)
FONTS = Supplier(
    "Linnéa Typfoundry AB",
    "SE",
    "5815",
    "SEK",
    45_000,
    920_000,
    "3610",
    "REU25",
    ("Desktop + web licence, 'Skärgård Sans'",),
    "V1014",
    "SE000000045601",
)
CLOUD = Supplier(
    "Nordhost Cloud Ltd",
    "IE",
    "4816",
    "EUR",
    2_900,
    48_000,
    "3620",
    "REU25",
    (None, "Hosting, all clients"),
    "V1002",
    "IE0000123A",
)
STOCK = Supplier(
    "Pictures of Everything LLC", "US", "5815", "USD", 1_900, 24_900, "3430", "RW25", ("Stock photo for slide 14", None)
)
SWEDISH_MATERIALS = Supplier(
    "Göteborgs Materialbank AB",
    "SE",
    "5211",
    "SEK",
    24_000,
    1_250_000,
    "2020",
    "SE25",
    ("Björkplywood 12 mm", None),
    "V1004",
    "SE000000012301",
)
SWEDISH_HOTEL = Supplier(
    "Hotell Älvstranden", "SE", "7011", "SEK", 119_000, 520_000, "3230", "SE12", ("2 nights, Göteborg",)
)
GERMAN_HOTEL = Supplier(
    "Hotel Domblick", "DE", "7011", "EUR", 9_800, 61_000, "3230", "I0", ("Messe Köln, 3 Nächte", None)
)
GERMAN_SHOP = Supplier(
    "Künstlerbedarf Süd",
    "DE",
    "5970",
    "EUR",
    1_900,
    38_000,
    "2020",
    "DE19",
    ("Müller & Söhne: Muster für die Messe", None),
)
GERMAN_MEAL = Supplier(
    "Brauhaus am Römer", "DE", "5812", "EUR", 2_400, 28_000, "3240", "DE19", ("Abendessen, Team Köln", None)
)
LONDON_SHOP = Supplier(
    "Clerkenwell Art Supplies", "GB", "5970", "GBP", 1_200, 42_000, "2020", "GB20", (None, "Paper samples")
)
LONDON_PHOTO = Supplier(
    "Harbour & Lane Photography Ltd",
    "GB",
    "7221",
    "GBP",
    38_000,
    240_000,
    "3430",
    "RW25",
    ("Shoot of chair no. 7",),
    "V1006",
    "GB000012345",
)
OSLO_MEAL = Supplier("Kafé Tøyen", "NO", "5812", "NOK", 12_000, 96_000, "3240", "I0", (None, "Frokost før mødet"))
TOKYO_SHOP = Supplier(
    "Kanda Washi 神田和紙", "JP", "5970", "JPY", 180_000, 6_400_000, "2020", "I0", ("Washi, 40 sheets 📜",)
)
TOKYO_HOTEL = Supplier("Hotel Yanaka", "JP", "7011", "JPY", 1_900_000, 12_000_000, "3230", "I0", ("Paper fair, Tokyo",))

# Everyday card purchases from the first wallet, and how often.
EVERYDAY: tuple[tuple[Supplier, int], ...] = (
    (NORDLYS, 14),
    (MATERIALS, 9),
    (TOOLS, 5),
    (OFFICE, 7),
    (PRINTER, 3),
    (BOOKS, 3),
    (LUNCH, 5),
    (GIFTS, 2),
    (TRAIN, 7),
    (TAXI, 6),
    (POST, 4),
    (FLIGHT, 3),
    (PHONE, 2),
    (SOFTWARE, 9),
    (FONTS, 2),
    (STOCK, 3),
    (SWEDISH_MATERIALS, 4),
    (SWEDISH_HOTEL, 2),
    (LONDON_SHOP, 2),
    (LONDON_PHOTO, 1),
    (OSLO_MEAL, 1),
)
# What the second wallet, in euro, is used for.
IN_EURO: tuple[tuple[Supplier, int], ...] = ((GERMAN_HOTEL, 3), (GERMAN_SHOP, 3), (GERMAN_MEAL, 4), (CLOUD, 3))
TAXED_IN_DENMARK = (NORDLYS, MATERIALS, TOOLS, OFFICE, BOOKS)
ABROAD_WITH_VENDOR = (SOFTWARE, FONTS, LONDON_PHOTO)
WITHOUT_TAX = (TRAIN, TAXI, FLIGHT)
IN_YEN = (TOKYO_SHOP, TOKYO_HOTEL)
PAID_PRIVATELY = (NORDLYS, TRAIN, TAXI, BOOKS, OFFICE, POST)
SENDS_MONEY_BACK = (TOOLS, MATERIALS, FLIGHT, SOFTWARE, OFFICE)
SPLIT_PURCHASES = (MATERIALS, TOOLS, OFFICE, PRINTER, SWEDISH_MATERIALS)
SUBSCRIPTIONS = (SOFTWARE, CLOUD, PHONE)


@dataclass(frozen=True, slots=True)
class Biller:
    """A vendor that sends invoices between `low` and `high` hundredths of its currency."""

    vendor: str
    low: int
    high: int
    account: str
    tax: str
    note: str | None = None


BILLERS = (
    Biller("V1003", 420_000, 6_800_000, "2040", "X25", "Packaging, first run"),
    Biller("V1004", 310_000, 4_100_000, "2020", "REU25", "Oak and birch, autumn"),
    Biller("V1005", 95_000, 980_000, "2010", "REU25", "Modelle 1:5, Stuhl Nr. 7"),
    Biller("V1006", 140_000, 620_000, "3430", "RW25"),
    Biller("V1007", 3_850_000, 3_850_000, "3510", "X25", "Husleje & fællesudgifter"),
    Biller("V1008", 210_000, 690_000, "3520", "X25", None),
    Biller("V1009", 480_000, 2_400_000, "2030", "I0", 'Illustrations for "Årsrapport"'),
    Biller("V1010", 62_000, 310_000, "2010", "RW25", "Glaze tests"),
    Biller("V1011", 450_000, 1_250_000, "3690", "X25", "Regnskab, Q3"),
    Biller("V1012", 120_000, 1_900_000, "3630", "X25", "Two desks, one lamp"),
    Biller("V1013", 240_000, 1_650_000, "3420", "REU25", "Standfläche Halle 11.2"),
)
# Firms whose invoice is paid by card on the spot: one document for both.
PAID_BY_CARD_ON_INVOICE = tuple(biller for biller in BILLERS if biller.vendor in {"V1003", "V1004", "V1012"})
