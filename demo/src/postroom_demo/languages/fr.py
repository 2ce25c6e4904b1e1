"""French."""

from postroom_demo.languages.base import Language

FRENCH = Language(
    code="fr",
    greetings=("Bonjour,", "Bonjour à toute l'équipe,", "Madame, Monsieur,"),
    closings=("Cordialement", "Bien à vous", "Merci d'avance", "Bonne journée"),
    requests={
        "support": (
            (
                "Les vitesses sautent sur mon {model}",
                (
                    "depuis la semaine dernière, les vitesses de mon {model} sautent dès que ça monte. J'ai déjà nettoyé "
                    "{part}, sans résultat. Le numéro de commande était {order}.\n\nPuis-je passer dans les {days} jours ?"
                ),
            ),
            (
                "Frein bruyant ({order})",
                (
                    "le frein arrière du {model} grince si fort que les gens se retournent. Il a fait environ {days}00 "
                    "kilomètres. Est-ce normal, ou faut-il changer {part} ?"
                ),
            ),
            (
                "Garantie : {part}",
                (
                    "hier, {part} de mon {model} a cassé, après seulement {days} semaines. Je ne suis pas tombé et l'entretien "
                    "a toujours été fait chez vous. Commande {order}.\n\nLa garantie s'applique-t-elle ?"
                ),
            ),
        ),
        "sales": (
            (
                "Quelle taille pour le {model} ?",
                (
                    "je voudrais acheter un {model} pour ma fille. Elle mesure 1,62 m. Quelle taille de cadre conseillez-vous, "
                    "et pourriez-vous livrer sous {days} jours ?"
                ),
            ),
            (
                "Devis pour {days} vélos",
                (
                    "nous sommes une petite société de coursiers et cherchons {days} vélos du type {model}. Pourriez-vous nous "
                    "envoyer un devis, entretien de deux ans compris ?"
                ),
            ),
        ),
        "billing": (
            (
                "Facture de la commande {order}",
                "je ne retrouve pas la facture de la commande {order}. Pourriez-vous me la renvoyer, au nom de notre société ?",
            ),
        ),
    },
    parts=("le dérailleur", "la plaquette de frein", "la manivelle", "le collier de selle", "la chaîne"),
    answers=(
        (
            "Bonjour {customer},\n\nmerci de votre message. Passez quand vous voulez avant 18 h, nous regarderons cela tout de "
            "suite. S'il faut une pièce, elle arrive en général le lendemain matin."
        ),
        (
            "Bonjour {customer},\n\ncela ne devrait pas arriver, veuillez nous excuser. J'ai mis la pièce de côté pour vous et "
            "je l'ai noté dans votre commande. Vous n'avez rien d'autre à faire."
        ),
    ),
    thanks=("Parfait, merci beaucoup !", "Quelle rapidité, merci !", "Merci, cela m'aide beaucoup."),
    more=(
        "Merci. Encore une question : un ami pourrait-il le récupérer à ma place ?",
        "Merci pour la réponse rapide. Est-ce que jeudi vous convient aussi ?",
        "C'est bon à savoir. Combien cela coûterait-il, à peu près ?",
    ),
    reminders=(
        "je voulais simplement savoir si vous aviez eu le temps de regarder.",
        "j'ai oublié une chose : mon numéro est le 01 99 00 12 34.",
    ),
    attached="Vous trouverez un fichier en pièce jointe pour voir ce que je veux dire.",
    absence_subject="Réponse automatique : {subject}",
    absence="Merci de votre message. Je suis absent jusqu'à lundi et le lirai à mon retour.",
    reply_prefix="RE",
    weekdays=("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
    months=("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
    gmail="Le {weekday} {day} {month} {year} à {time}, {name} <{address}> a écrit :",
    apple="Le {day} {month} {year} à {time}, {name} <{address}> a écrit :",
    outlook=("De :", "Envoyé :", "À :", "Objet :"),
    outlook_date="{weekday} {day} {month} {year} {time}",
    clock="%H:%M",
    words=frozenset(
        [
            "le",
            "les",
            "des",
            "est",
            "et",
            "je",
            "vous",
            "nous",
            "pour",
            "dans",
            "pas",
            "avez",
            "bonjour",
            "merci",
            "une",
            "du",
            "notre",
            "cordialement",
        ]
    ),
)
