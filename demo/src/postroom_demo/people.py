"""Who takes part: the company's people and inboxes, and the customers. Names are invented, domains are of RFC 2606."""

from dataclasses import dataclass
from typing import Literal

Client = Literal["gmail", "outlook", "apple"]
COMPANY_DOMAIN = "velo.example"
AUTHSERV_ID = "mx.demo.postroom"
"""Whose Authentication-Results count: the mail front of the demo (RFC 8601)."""
ANSWER_ADDRESS = f"answers@{COMPANY_DOMAIN}"


@dataclass(frozen=True, slots=True)
class Person:
    """One of the company's people. `played`: the player answers for them; the others are free to be acted as."""

    id: str
    first_name: str
    last_name: str
    title: str
    languages: tuple[str, ...]
    client: Client
    played: bool

    @property
    def address(self) -> str:
        return f"{self.id}@{COMPANY_DOMAIN}"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


PEOPLE: tuple[Person, ...] = (
    Person("mira", "Mira", "Sousa", "Head of the workshop", ("en", "es", "it"), "gmail", played=True),
    Person("jonas", "Jonas", "Weber", "Mechanic", ("de", "en", "pl"), "outlook", played=True),
    Person("ines", "Inês", "Prata", "Mechanic", ("fr", "es"), "gmail", played=False),
    Person("paulo", "Paulo", "Neves", "Sales", ("en", "it", "es"), "apple", played=True),
    Person("haruka", "Haruka", "Mori", "Sales", ("en", "fr"), "outlook", played=False),
    Person("ken", "Ken", "Abe", "Accounts", ("en", "de"), "apple", played=False),
)


@dataclass(frozen=True, slots=True)
class InboxPlan:
    """An inbox with the one team that serves it. `share`: its part of new mail."""

    id: str
    name: str
    team: str
    team_name: str
    members: tuple[str, ...]
    share: float

    @property
    def address(self) -> str:
        return f"{self.id}@{COMPANY_DOMAIN}"


INBOXES: tuple[InboxPlan, ...] = (
    InboxPlan("support", "Support", "workshop", "Workshop", ("mira", "jonas", "ines"), 0.58),
    InboxPlan("sales", "Sales", "sales", "Sales", ("paulo", "haruka"), 0.28),
    InboxPlan("billing", "Billing", "accounts", "Accounts", ("ken",), 0.14),
)
INBOX_BY_ADDRESS = {inbox.address: inbox for inbox in INBOXES}


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who writes to the company. `mailbox` false: mail to them comes back."""

    name: str
    address: str
    language: str
    client: Client
    mailbox: bool = True


_NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "en": ("mail.example", ("Olivia Hart", "Tom Ashby", "Grace Okafor", "Liam Doyle")),
    "de": ("postfach.example", ("Jürgen Müller", "Katrin Vogt", "Sören Bäcker", "Anja Groß")),
    "fr": ("courrier.example", ("Amélie Lefèvre", "François Girard", "Chloé Noël", "Rémi Dubois")),
    "es": ("correo.example", ("Lucía Muñoz", "Íñigo Etxebarria", "María Peña", "Andrés Núñez")),
    "pl": ("poczta.example", ("Łukasz Wójcik", "Agnieszka Żak", "Małgorzata Dąbrowska", "Paweł Śliwiński")),
    "it": ("posta.example", ("Niccolò Ferri", "Giulia Esposito", "Andrea Città", "Chiara Bellò")),
}
_PLAIN = str.maketrans("éèêëâàçñíóòúüöäłńśźżąęćúñóÍŁŚŻÜÖß", "eeeeaacnioouuoalnszzaecunoILSZUOs")
_CLIENTS: tuple[Client, ...] = ("gmail", "outlook", "apple")


def _customers() -> tuple[Customer, ...]:
    found = []
    for number, (language, (domain, names)) in enumerate(_NAMES.items()):
        for position, name in enumerate(names):
            local = name.translate(_PLAIN).lower().replace(" ", ".")
            found.append(Customer(name, f"{local}@{domain}", language, _CLIENTS[(number + position) % 3]))
    return tuple(found)


CUSTOMERS: tuple[Customer, ...] = _customers()
GONE = Customer("Robin Vale", "robin.vale@mail.example", "en", "gmail", mailbox=False)
"""Writes once; their mailbox does not exist any more, so the answer comes back."""
VISITOR = "visitor@mail.example"
"""From whom `postroom demo send` and the form on the page write if nobody else is named."""
CUSTOMER_DOMAINS = frozenset(domain for domain, _ in _NAMES.values())
