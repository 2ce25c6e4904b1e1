"""Spanish."""

from postroom_demo.languages.base import Language

SPANISH = Language(
    code="es",
    greetings=("Hola,", "Buenos días,", "Estimado equipo,"),
    closings=("Un saludo", "Saludos cordiales", "Muchas gracias", "Atentamente"),
    requests={
        "support": (
            (
                "El cambio salta en mi {model}",
                (
                    "desde la semana pasada el cambio de mi {model} salta cuando subo una cuesta. Ya he limpiado {part}, pero "
                    "sigue igual. El número de pedido era {order}.\n\n¿Puedo llevarla en los próximos {days} días?"
                ),
            ),
            (
                "Los frenos chirrían ({order})",
                (
                    "el freno trasero de la {model} chirría tanto que la gente se gira. Lleva unos {days}00 kilómetros. "
                    "¿Es normal, o hay que cambiar {part}?"
                ),
            ),
            (
                "Garantía: {part}",
                (
                    "ayer se rompió {part} de mi {model}, después de solo {days} semanas. No me he caído y siempre la he "
                    "revisado con ustedes. Pedido {order}.\n\n¿Lo cubre la garantía?"
                ),
            ),
        ),
        "sales": (
            (
                "¿Qué talla de {model}?",
                (
                    "quisiera comprar una {model} para mi hija. Mide 1,62 m. ¿Qué talla de cuadro recomiendan, y podrían "
                    "entregarla en {days} días?"
                ),
            ),
            (
                "Presupuesto para {days} bicicletas",
                (
                    "somos una pequeña empresa de mensajería y buscamos {days} bicicletas del tipo {model}. ¿Podrían enviarnos "
                    "un presupuesto con mantenimiento para dos años?"
                ),
            ),
        ),
        "billing": (
            (
                "Factura de {order}",
                "no encuentro la factura del pedido {order}. ¿Podrían enviármela de nuevo, a nombre de nuestra empresa?",
            ),
        ),
    },
    parts=("el desviador", "la pastilla de freno", "la biela", "el cierre del sillín", "la cadena"),
    answers=(
        (
            "Hola {customer}:\n\ngracias por escribirnos. Puede pasar cualquier día antes de las 18 h y lo miramos al momento. "
            "Si hace falta una pieza, suele llegar a la mañana siguiente."
        ),
        (
            "Hola {customer}:\n\neso no debería ocurrir, disculpe las molestias. He apartado la pieza para usted y lo he anotado "
            "en su pedido. No tiene que hacer nada más."
        ),
    ),
    thanks=("¡Perfecto, muchas gracias!", "¡Qué rapidez, gracias!", "Gracias, me ayuda mucho."),
    more=(
        "Gracias. Otra pregunta: ¿podría recogerla un amigo?",
        "Gracias por la rápida respuesta. ¿Les viene bien también el jueves?",
        "Es bueno saberlo. ¿Cuánto costaría, más o menos?",
    ),
    reminders=(
        "solo quería preguntar si ya han podido mirarlo.",
        "se me olvidó una cosa: mi teléfono es el 910 000 123.",
    ),
    attached="Adjunto un archivo para que vean a qué me refiero.",
    absence_subject="Respuesta automática: {subject}",
    absence="Gracias por su mensaje. Estoy fuera de la oficina hasta el lunes y lo leeré entonces.",
    reply_prefix="RE",
    weekdays=("lun", "mar", "mié", "jue", "vie", "sáb", "dom"),
    months=("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"),
    gmail="El {weekday}, {day} {month} {year} a las {time}, {name} (<{address}>) escribió:",
    apple="El {day} {month} {year}, a las {time}, {name} <{address}> escribió:",
    outlook=("De:", "Enviado:", "Para:", "Asunto:"),
    outlook_date="{weekday} {day} {month} {year} {time}",
    clock="%H:%M",
    words=frozenset(
        [
            "el",
            "los",
            "las",
            "una",
            "que",
            "por",
            "para",
            "pero",
            "es",
            "del",
            "muy",
            "hay",
            "hola",
            "buenos",
            "gracias",
            "saludo",
            "nuestra",
            "podrían",
            "mi",
            "encuentro",
            "pedido",
            "estimado",
            "hija",
        ]
    ),
)
