"""Italian."""

from postroom_demo.languages.base import Language

ITALIAN = Language(
    code="it",
    greetings=("Buongiorno,", "Salve,", "Gentile team,"),
    closings=("Cordiali saluti", "Un saluto", "Grazie mille", "Distinti saluti"),
    requests={
        "support": (
            (
                "Il cambio salta sulla mia {model}",
                (
                    "dalla settimana scorsa il cambio della mia {model} salta appena la strada sale. Ho già pulito {part}, ma "
                    "non è cambiato nulla. Il numero d'ordine era {order}.\n\nPosso passare nei prossimi {days} giorni?"
                ),
            ),
            (
                "Il freno fischia ({order})",
                (
                    "il freno posteriore della {model} fischia così forte che la gente si gira. Ha fatto circa {days}00 "
                    "chilometri. È normale, o bisogna cambiare {part}?"
                ),
            ),
            (
                "Garanzia: {part}",
                (
                    "ieri si è rotto un pezzo della mia {model}, credo {part}, dopo sole {days} settimane. Non sono caduto e la "
                    "revisione l'ho sempre fatta da voi. Ordine {order}.\n\nLa garanzia lo copre?"
                ),
            ),
        ),
        "sales": (
            (
                "Che taglia di {model}?",
                (
                    "vorrei comprare una {model} per mia figlia. È alta 1,62 m. Che taglia di telaio consigliate, e potreste "
                    "consegnarla entro {days} giorni?"
                ),
            ),
            (
                "Preventivo per {days} biciclette",
                (
                    "siamo una piccola ditta di corrieri e cerchiamo {days} biciclette del tipo {model}. Potreste mandarci un "
                    "preventivo con manutenzione per due anni?"
                ),
            ),
        ),
        "billing": (
            (
                "Fattura per {order}",
                "non trovo più la fattura dell'ordine {order}. Potreste rimandarmela, intestata alla nostra società?",
            ),
        ),
    },
    parts=("il deragliatore", "la pastiglia", "la pedivella", "il collarino della sella", "la catena"),
    answers=(
        (
            "Buongiorno {customer},\n\ngrazie per averci scritto. Passi pure quando vuole prima delle 18, lo guardiamo subito. "
            "Se serve un pezzo, di solito arriva la mattina dopo."
        ),
        (
            "Buongiorno {customer},\n\nnon dovrebbe succedere, ci scusi. Ho messo da parte il pezzo per Lei e l'ho annotato "
            "nell'ordine. Non deve fare altro."
        ),
    ),
    thanks=("Perfetto, grazie mille!", "Che velocità, grazie!", "Grazie, mi aiuta molto."),
    more=(
        "Grazie. Ancora una domanda: può ritirarla un amico al posto mio?",
        "Grazie per la risposta veloce. Va bene anche giovedì?",
        "Buono a sapersi. Quanto costerebbe, più o meno?",
    ),
    reminders=(
        "volevo solo chiedere se avete avuto tempo di guardarci.",
        "ho dimenticato una cosa: il mio numero è 06 5550 0123.",
    ),
    attached="Allego un file così potete vedere che cosa intendo.",
    absence_subject="Risposta automatica: {subject}",
    absence="Grazie per il messaggio. Sono fuori ufficio fino a lunedì e lo leggerò allora.",
    reply_prefix="R",
    weekdays=("lun", "mar", "mer", "gio", "ven", "sab", "dom"),
    months=("gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"),
    gmail="Il giorno {weekday} {day} {month} {year} alle ore {time} {name} <{address}> ha scritto:",
    apple="Il giorno {day} {month} {year}, alle ore {time}, {name} <{address}> ha scritto:",
    outlook=("Da:", "Inviato:", "A:", "Oggetto:"),
    outlook_date="{weekday} {day} {month} {year} {time}",
    clock="%H:%M",
    words=frozenset(
        [
            "il",
            "della",
            "che",
            "non",
            "di",
            "mia",
            "ho",
            "grazie",
            "sono",
            "gli",
            "anche",
            "così",
            "buongiorno",
            "saluti",
            "dell",
            "vorrei",
            "siamo",
            "potreste",
            "nostra",
        ]
    ),
)
