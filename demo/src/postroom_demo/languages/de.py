"""German."""

from postroom_demo.languages.base import Language

GERMAN = Language(
    code="de",
    greetings=("Guten Tag,", "Hallo,", "Sehr geehrte Damen und Herren,", "Liebes Team,"),
    closings=("Mit freundlichen Grüßen", "Viele Grüße", "Besten Dank und Grüße", "Schöne Grüße"),
    requests={
        "support": (
            (
                "Schaltung springt beim {model}",
                (
                    "seit letzter Woche springt die Schaltung an meinem {model}, sobald es bergauf geht. Ich habe {part} "
                    "schon gereinigt, ohne Erfolg. Die Bestellnummer war {order}."
                    "\n\nKann ich in den nächsten {days} Tagen vorbeikommen?"
                ),
            ),
            (
                "Bremse quietscht ({order})",
                (
                    "die hintere Bremse des {model} quietscht so laut, dass sich die Leute umdrehen. Es ist jetzt etwa {days}00 "
                    "Kilometer gelaufen. Ist das normal, oder muss {part} getauscht werden?"
                ),
            ),
            (
                "Garantiefall: {part}",
                (
                    "gestern ist an meinem {model} {part} gebrochen, nach gerade einmal {days} Wochen. Ich bin nicht gestürzt "
                    "und war immer bei Ihnen zur Inspektion. Bestellung {order}.\n\nIst das ein Garantiefall?"
                ),
            ),
            (
                "App findet das {model} nicht mehr",
                (
                    "nach dem Update von heute früh findet die App mein {model} nicht mehr. Versucht habe ich:\n\n"
                    "- Bluetooth aus und wieder ein\n- Telefon neu gestartet\n- gut zugeredet\n\nWas kann ich noch tun?"
                ),
            ),
        ),
        "sales": (
            (
                "Welche Rahmengröße beim {model}?",
                (
                    "ich möchte ein {model} für meine Tochter kaufen. Sie ist 1,62 m groß. Welche Rahmengröße empfehlen Sie, "
                    "und wäre eine Lieferung in {days} Tagen möglich?"
                ),
            ),
            (
                "Angebot über {days} Räder",
                (
                    "wir sind ein kleiner Kurierdienst und suchen {days} Räder vom Typ {model}. Könnten Sie uns ein Angebot "
                    "mit Wartung für zwei Jahre machen?"
                ),
            ),
        ),
        "billing": (
            (
                "Rechnung zu {order}",
                (
                    "ich finde die Rechnung zur Bestellung {order} nicht mehr. Könnten Sie sie bitte noch einmal schicken, "
                    "ausgestellt auf unsere Firma?"
                ),
            ),
            (
                "Doppelt abgebucht",
                "für {order} wurde zweimal abgebucht, an zwei Tagen hintereinander. Bitte erstatten Sie einen der Beträge.",
            ),
        ),
    },
    parts=("das Schaltwerk", "die Bremsscheibe", "die Kurbel", "die Sattelklemme", "die Kette"),
    answers=(
        (
            "Guten Tag {customer},\n\nvielen Dank für Ihre Nachricht. Kommen Sie gern an einem der nächsten Tage vor 18 Uhr "
            "vorbei, wir sehen uns das sofort an. Falls wir ein Teil brauchen, ist es meist am nächsten Morgen da."
        ),
        (
            "Hallo {customer},\n\ndas sollte nicht passieren, entschuldigen Sie bitte. Ich habe das Teil für Sie zurückgelegt "
            "und es in Ihrer Bestellung vermerkt. Sie müssen nichts weiter tun."
        ),
    ),
    thanks=("Wunderbar, vielen Dank!", "Das ging ja schnell. Danke schön!", "Danke, das hilft mir sehr."),
    more=(
        "Vielen Dank. Noch eine Frage: Könnte auch ein Freund das Rad abholen?",
        "Danke für die schnelle Antwort. Ginge auch Donnerstag?",
        "Gut zu wissen. Was würde das ungefähr kosten?",
    ),
    reminders=(
        "ich wollte nur nachfragen, ob Sie schon Zeit hatten, sich das anzusehen.",
        "eines habe ich vergessen: Meine Telefonnummer ist 030 23125 014.",
    ),
    attached="Im Anhang finden Sie eine Datei, damit Sie sehen, was ich meine.",
    absence_subject="Automatische Antwort: {subject}",
    absence="Vielen Dank für Ihre Nachricht. Ich bin bis Montag nicht im Büro und lese sie dann.",
    reply_prefix="AW",
    weekdays=("Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."),
    months=("Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."),
    gmail="Am {weekday}, {day}. {month} {year} um {time} Uhr schrieb {name} <{address}>:",
    apple="Am {day_number}.{month_number}.{year} um {time} schrieb {name} <{address}>:",
    outlook=("Von:", "Gesendet:", "An:", "Betreff:"),
    outlook_date="{weekday} {day}. {month} {year} {time}",
    clock="%H:%M",
    words=frozenset(
        [
            "der",
            "die",
            "das",
            "und",
            "ist",
            "nicht",
            "ich",
            "für",
            "mein",
            "wir",
            "sie",
            "auf",
            "guten",
            "hallo",
            "grüße",
            "bitte",
            "eine",
            "einen",
            "danke",
            "zwei",
        ]
    ),
)
