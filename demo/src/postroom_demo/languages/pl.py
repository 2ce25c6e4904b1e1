"""Polish."""

from postroom_demo.languages.base import Language

POLISH = Language(
    code="pl",
    greetings=("Dzień dobry,", "Witam,", "Szanowni Państwo,"),
    closings=("Pozdrawiam", "Z poważaniem", "Z góry dziękuję", "Serdecznie pozdrawiam"),
    requests={
        "support": (
            (
                "Przerzutka przeskakuje w {model}",
                (
                    "od zeszłego tygodnia przerzutka w moim {model} przeskakuje, gdy tylko jadę pod górę. Wyczyściłem już "
                    "{part}, ale bez zmian. Numer zamówienia to {order}.\n\nCzy mogę przyjechać w ciągu {days} dni?"
                ),
            ),
            (
                "Hamulec piszczy ({order})",
                (
                    "tylny hamulec w {model} piszczy tak głośno, że ludzie się oglądają. Przejechał około {days}00 kilometrów. "
                    "Czy to normalne, czy trzeba wymienić {part}?"
                ),
            ),
            (
                "Gwarancja na {model}",
                (
                    "wczoraj w moim {model} coś pękło, po zaledwie {days} tygodniach. Nie miałem wypadku, a przeglądy "
                    "zawsze robiłem u Państwa. Zamówienie {order}.\n\nCzy obejmuje to gwarancja?"
                ),
            ),
        ),
        "sales": (
            (
                "Jaki rozmiar {model}?",
                (
                    "chciałbym kupić {model} dla córki. Ma 1,62 m wzrostu. Jaki rozmiar ramy Państwo polecają i czy dostawa "
                    "w ciągu {days} dni jest możliwa?"
                ),
            ),
            (
                "Oferta na {days} rowerów",
                (
                    "jesteśmy małą firmą kurierską i szukamy {days} rowerów typu {model}. Czy mogliby Państwo przesłać ofertę "
                    "z serwisem na dwa lata?"
                ),
            ),
        ),
        "billing": (
            (
                "Faktura do {order}",
                "nie mogę znaleźć faktury do zamówienia {order}. Czy mogliby Państwo wysłać ją ponownie, na naszą firmę?",
            ),
        ),
    },
    parts=("przerzutkę", "klocek hamulcowy", "korbę", "zacisk siodełka", "łańcuch"),
    answers=(
        (
            "Dzień dobry {customer},\n\ndziękuję za wiadomość. Proszę przyjechać dowolnego dnia przed 18, obejrzymy to od razu. "
            "Jeśli potrzebna będzie część, zwykle jest następnego dnia rano."
        ),
        (
            "Dzień dobry {customer},\n\nto nie powinno się zdarzyć, przepraszam. Odłożyłem dla Pana/Pani część i zapisałem to "
            "w zamówieniu. Nic więcej nie trzeba robić."
        ),
    ),
    thanks=("Świetnie, bardzo dziękuję!", "Ale szybko, dziękuję!", "Dziękuję, to bardzo pomaga."),
    more=(
        "Dziękuję. Jeszcze jedno pytanie: czy rower może odebrać znajomy?",
        "Dziękuję za szybką odpowiedź. Czy czwartek też pasuje?",
        "Dobrze wiedzieć. Ile by to mniej więcej kosztowało?",
    ),
    reminders=(
        "chciałbym tylko zapytać, czy udało się już na to spojrzeć.",
        "zapomniałem o jednym: mój telefon to 22 123 00 45.",
    ),
    attached="W załączniku jest plik, żeby było widać, o co chodzi.",
    absence_subject="Automatyczna odpowiedź: {subject}",
    absence="Dziękuję za wiadomość. Jestem poza biurem do poniedziałku i wtedy ją przeczytam.",
    reply_prefix="Odp",
    weekdays=("pon.", "wt.", "śr.", "czw.", "pt.", "sob.", "niedz."),
    months=("sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru"),
    gmail="{weekday}, {day} {month} {year} o {time} {name} <{address}> napisał(a):",
    apple="Wiadomość napisana przez {name} <{address}> w dniu {day} {month} {year}, o godz. {time}:",
    outlook=("Od:", "Wysłane:", "Do:", "Temat:"),
    outlook_date="{weekday} {day} {month} {year} {time}",
    clock="%H:%M",
    words=frozenset(
        [
            "nie",
            "jest",
            "się",
            "czy",
            "to",
            "na",
            "dla",
            "w",
            "już",
            "mój",
            "tak",
            "mogę",
            "dzień",
            "dziękuję",
            "pozdrawiam",
            "proszę",
            "państwo",
            "zamówienia",
        ]
    ),
)
