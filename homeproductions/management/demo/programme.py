"""The season the demo shows: nights around today, their tickets, and how well each has sold. Nobody in it is real."""

import unicodedata
from dataclasses import dataclass, field
from datetime import date, time, timedelta

FRIDAY, SATURDAY = 4, 5


@dataclass(frozen=True)
class Sales:
    """How many orders of each status a tier has."""

    paid: int = 0
    pending: int = 0
    cancelled: int = 0
    refunded: int = 0


@dataclass(frozen=True)
class Tier:
    """`opens` and `closes` are days from today; None leaves that end of the sale open."""

    name: str
    price: str
    currency: str
    quantity: int
    sales: Sales = Sales()
    description: str = ""
    opens: int | None = None
    closes: int | None = None
    max_per_order: int = 8
    is_sold_out: bool = False


@dataclass(frozen=True)
class Night:
    """`days` from today, moved away from today to the next `weekday` if one is named."""

    name: str
    slug: str
    days: int
    status: str
    location: str
    venue: str
    description: str
    artists: tuple[str, ...]
    tiers: tuple[Tier, ...]
    colours: tuple[str, str]
    weekday: int | None = None
    kind: str = "party"
    start: time = time(21, 0)
    end: time = time(3, 0)
    min_age: int = 18
    is_featured: bool = False
    album: tuple[str, ...] = field(default=())  # captions of its pictures

    def date(self, today: date) -> date:
        day = today + timedelta(days=self.days)
        step = timedelta(days=1 if self.days >= 0 else -1)
        while self.weekday is not None and day.weekday() != self.weekday:
            day += step
        return day


TONIGHT = Night(
    name="Sótano: all night long",
    slug="sotano-all-night-long",
    days=0,
    status="active",
    location="Guatemala City",
    venue="Sótano, Cuatro Grados Norte, Zona 4",
    description="One room, one selector, no phones on the floor. Doors at nine, last entry at one.",
    artists=("Nahual Sonoro",),
    colours=("#1b1030", "#ff5d73"),
    tiers=(
        Tier("General", "100.00", "GTQ", 120, Sales(paid=9, pending=1, cancelled=1)),
        Tier("At the door before eleven", "75.00", "GTQ", 40, Sales(paid=2)),
    ),
)

COMING = (
    Night(
        name="La Fuga: rooftop session",
        slug="la-fuga-rooftop-session",
        days=4,
        weekday=SATURDAY,
        status="active",
        location="Guatemala City",
        venue="Azotea Mirador, Zona 10",
        description="Sunset over three volcanoes, then disco and house until the neighbours complain.",
        artists=("Marimba Eléctrica", "Ceiba", "DJ Jícara"),
        colours=("#3a1c71", "#ffaf7b"),
        start=time(17, 0),
        end=time(1, 0),
        tiers=(
            Tier("Early bird", "120.00", "GTQ", 30, Sales(cancelled=1), is_sold_out=True, description="Sold out."),
            Tier("General", "175.00", "GTQ", 150, Sales(paid=8, pending=2, cancelled=1)),
            Tier(
                "Table for six",
                "1500.00",
                "GTQ",
                10,
                Sales(paid=1),
                "A table by the rail, one bottle.",
                max_per_order=1,
            ),
        ),
    ),
    Night(
        name="Patio Abierto",
        slug="patio-abierto",
        days=11,
        weekday=FRIDAY,
        status="active",
        kind="gathering",
        location="Antigua Guatemala",
        venue="Casa de las Sirenas",
        description="Records, mezcal and a long table in a colonial courtyard. Come as you are.",
        artists=("Ceiba",),
        colours=("#134e5e", "#f8b500"),
        start=time(18, 30),
        end=time(23, 0),
        min_age=0,
        tiers=(
            Tier("Free entry", "0.00", "GTQ", 80, Sales(paid=7, cancelled=1), max_per_order=4),
            Tier("Dinner at the long table", "225.00", "GTQ", 24, Sales(paid=3, pending=1, refunded=1)),
        ),
    ),
    Night(
        name="Noche de Vinilos",
        slug="noche-de-vinilos",
        days=18,
        weekday=SATURDAY,
        status="active",
        kind="concert",
        location="Quetzaltenango",
        venue="Teatro Pequeño de Xela",
        description="Two turntables, a live marimba and a theatre that seats two hundred.",
        artists=("Marimba Eléctrica", "Los Tzolkin"),
        colours=("#2c3e50", "#fd746c"),
        start=time(19, 30),
        end=time(23, 30),
        tiers=(
            Tier("Stalls", "20.00", "USD", 140, Sales(paid=4, pending=1)),
            Tier("Box", "45.00", "USD", 24, Sales(paid=2), max_per_order=4),
        ),
    ),
    Night(
        name="Luna de Atitlán",
        slug="luna-de-atitlan",
        days=33,
        weekday=SATURDAY,
        status="active",
        kind="festival",
        location="Panajachel, Lake Atitlán",
        venue="Playa Jucanyá",
        description="One night and one morning on the shore: two stages, boats until midnight, camping under the moon.",
        artists=("Nahual Sonoro", "Ceiba", "Los Tzolkin", "Quetzal Bass", "DJ Jícara"),
        colours=("#0f2027", "#7fd8be"),
        start=time(16, 0),
        end=time(9, 0),
        is_featured=True,
        tiers=(
            Tier("Early bird", "35.00", "USD", 100, Sales(paid=10, cancelled=1, refunded=1), opens=-35, closes=-7),
            Tier("General", "55.00", "USD", 400, Sales(paid=6, pending=2)),
            Tier("General and camping", "80.00", "USD", 120, Sales(paid=4, refunded=1)),
            Tier("Boat and backstage", "140.00", "USD", 20, Sales(paid=1), max_per_order=2),
        ),
    ),
    Night(
        name="Volcán",
        slug="volcan",
        days=74,
        weekday=SATURDAY,
        status="active",
        kind="festival",
        location="Santa María de Jesús",
        venue="Finca El Pilar",
        description="A festival at the foot of Agua. Tickets go on sale soon.",
        artists=("Quetzal Bass", "Nahual Sonoro"),
        colours=("#200122", "#ff6a00"),
        start=time(15, 0),
        end=time(6, 0),
        is_featured=True,
        tiers=(
            Tier("First release", "50.00", "USD", 300, opens=9),
            Tier("Weekend pass", "90.00", "USD", 200, opens=9),
        ),
    ),
)

PAST = (
    Night(
        name="Raíces",
        slug="raices",
        days=-8,
        weekday=SATURDAY,
        status="completed",
        location="Antigua Guatemala",
        venue="Ruinas de Santa Clara",
        description="Drums among the ruins.",
        artists=("Los Tzolkin", "Ceiba"),
        colours=("#42275a", "#e8a87c"),
        tiers=(
            Tier("General", "200.00", "GTQ", 120, Sales(paid=17, cancelled=2, refunded=1)),
            Tier("VIP", "60.00", "USD", 20, Sales(paid=4)),
        ),
        album=("The drums begin", "Arches at midnight", "Los Tzolkin", "Under the bell tower", "Four in the morning"),
    ),
    Night(
        name="Equinoccio",
        slug="equinoccio",
        days=-36,
        weekday=SATURDAY,
        status="completed",
        kind="festival",
        location="San Marcos La Laguna, Lake Atitlán",
        venue="Cerro Tzankujil",
        description="From sunset to sunrise above the lake.",
        artists=("Nahual Sonoro", "Quetzal Bass"),
        colours=("#16222a", "#f6d365"),
        tiers=(Tier("General", "40.00", "USD", 200, Sales(paid=13, cancelled=1, refunded=2)),),
        album=("The lake at dusk", "First stage", "Fire", "Dancing barefoot", "Volcán San Pedro", "Sunrise"),
    ),
)

OFF = (
    Night(
        name="Lago Negro",
        slug="lago-negro",
        days=15,
        weekday=FRIDAY,
        status="cancelled",
        location="Santiago Atitlán",
        venue="Muelle Municipal",
        description="Cancelled: the pier is closed for repairs. All tickets are refunded.",
        artists=("DJ Jícara",),
        colours=("#000000", "#434343"),
        tiers=(Tier("General", "30.00", "USD", 150, Sales(paid=1, cancelled=2, refunded=6)),),
    ),
    Night(
        name="Sesiones de Fuego",
        slug="sesiones-de-fuego",
        days=95,
        weekday=FRIDAY,
        status="draft",
        kind="concert",
        location="Ciudad Vieja",
        venue="To be announced",
        description="Working title. Waiting for the permit.",
        artists=(),
        colours=("#380036", "#0cbaba"),
        tiers=(Tier("General", "25.00", "USD", 100),),
    ),
    Night(
        name="Yoga y Cacao",
        slug="yoga-y-cacao",
        days=25,
        status="deleted",
        kind="workshop",
        location="San Marcos La Laguna, Lake Atitlán",
        venue="Jardín Secreto",
        description="Entered twice by mistake.",
        artists=(),
        colours=("#3c7a57", "#f5f0e8"),
        start=time(9, 0),
        end=time(12, 0),
        min_age=0,
        tiers=(Tier("Morning", "15.00", "USD", 20),),
    ),
)

NIGHTS = (TONIGHT, *COMING, *PAST, *OFF)

FIRST_NAMES = (
    "Ana Lucía", "Andrea", "Carlos", "Daniela", "Diego", "Eduardo", "Fernanda", "Gabriela", "Hugo", "Ixchel",
    "Javier", "José Miguel", "Juan Pablo", "Karla", "Lucía", "María José", "Mario", "Marta", "Mónica", "Óscar",
    "Paola", "Pedro", "Ricardo", "Rosa", "Sebastián", "Sofía", "Tomás", "Valeria", "Ximena", "Yolanda",
)  # fmt: skip
LAST_NAMES = (
    "Ajú", "Aguilar", "Arévalo", "Barrios", "Cabrera", "Castillo", "Chávez", "Coyoy", "De León", "Estrada",
    "Fuentes", "García", "Hernández", "Ixcot", "Juárez", "López", "Maldonado", "Méndez", "Morales", "Ordóñez",
    "Paz", "Pérez", "Quiñónez", "Ramírez", "Sacalxot", "Solórzano", "Tzoc", "Vásquez", "Xicay", "Zepeda",
)  # fmt: skip
COUNTRIES = ("Guatemala",) * 7 + ("Mexico", "El Salvador", "United States", "Germany")
CHANNELS = ("instagram",) * 4 + ("direct",) * 3 + ("whatsapp", "friend", "newsletter")
BROWSERS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
)
PHOTOGRAPHERS = ("Foto Ixmucané", "Estudio Barranco")


def plain(text: str) -> str:
    """The text without its accents."""
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))
