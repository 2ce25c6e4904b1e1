# ruff: noqa: E501, SIM905 - tables of words in twenty languages read better in long lines
"""Headings of quoted and forwarded mails in many languages: header blocks (`From: ... Sent: ...`), separators, rules."""

import re
from collections.abc import Sequence

from postroom_ingest.domain.mail.reply_marks import LAST_WORDS, MAX_LINE

_SURE_FIELDS = 3


def _kinds() -> dict[str, str]:
    words = {
        "from": "from|von|de|da|van|od|fra|från|lähettäjä|от|от кого|від|kimden|gönderen|差出人|送信者|发件人|寄件者|寄件人|보낸 사람|"
        "보낸사람|보낸이|mittente|expéditeur|expediteur|remitente|afzender|nadawca|feladó|odesílatel|odosielateľ|từ|από|de la|発信者|sender",
        "date": "date|datum|fecha|data|dato|päivämäärä|päiväys|pvm|дата|tarih|日付|日時|日期|时间|時間|날짜|dátum|ngày|ημερομηνία",
        "sent": "sent|gesendet|envoyé|envoyé le|envoyée|enviado|enviado el|enviado em|enviada em|enviada|inviato|data invio|verzonden|wysłano|"
        "wysłane|data wysłania|sendt|skickat|lähetetty|отправлено|надіслано|відправлено|дата отправки|gönderildi|gönderme tarihi|gönderim tarihi|送信日時|"
        "发送时间|發送時間|寄件日期|傳送時間|傳送日期|보낸 날짜|보낸날짜|보낸 시간|odesláno|odoslané|elküldve|trimis|sent at|gesendet am|gesendet um|已发送",
        "to": "to|an|à|a|para|aan|do|til|till|vastaanottaja|кому|kime|alıcı|宛先|收件人|收件者|받는 사람|받는사람|komu|címzett|destinataire|"
        "destinatario|pour|đến|către|προς|pre",
        "cc": "cc|kopie|kopia|copie à|copie|copia|kopi|копия|копія|bilgi|抄送|副本|참조|kópia|cci|bcc|másolatot kap",
        "subject": "subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|emne|ämne|aihe|тема|konu|件名|主题|主旨|主題|제목|předmět|"
        "predmet|tárgy|sujet|chủ đề|subiect|θέμα|betr.|betrifft",
    }
    return {word: kind for kind, listed in words.items() for word in listed.split("|")}


_KIND_OF = _kinds()
_MAX_BLOCK_LINES = 12
_MAX_NAME = 24
_MAX_CONTINUED = 3
"""Lines over which the value of a field goes on: many recipients."""


def field_kind(line: str) -> str | None:
    """Return from, date, sent, to, cc or subject when the line is such a field of a quoted header (`*Von:* ...`)."""
    head = line[: _MAX_NAME + 8]
    if ":" not in head and "：" not in head:
        return None
    name, colon, _ = head.replace("：", ":").replace("\xa0", " ").partition(":")
    return _KIND_OF.get(name.strip(" \t>*_|").lower()) if colon else None


def is_header_block(lines: Sequence[str], place: int) -> bool:
    """Say whether a quoted header (From, Sent, To, Subject in any of the languages) begins at lines[place]."""
    first = field_kind(lines[place])
    if first is None or first == "cc":
        return False
    kinds = {first} | _kinds_inside(lines[place])
    block = [lines[place][:MAX_LINE]]
    blanks = others = 0
    for line in lines[place + 1 : place + _MAX_BLOCK_LINES]:
        blank = not line.strip()
        blanks += blank
        kind = field_kind(line)
        others = 0 if kind else others + (not blank)
        if (blanks > 1 and len(kinds) > 1) or (blank and others) or others > _MAX_CONTINUED:
            break  # words that are no value of a field: what comes below is another block
        kinds |= {kind} if kind else set()
        block.append(line[:MAX_LINE])
    if "from" not in kinds or kinds == {"from"}:  # one field alone is a sentence
        return False
    sure = "sent" in kinds or (len(kinds - {"cc"}) >= _SURE_FIELDS and {"subject", "date"} <= kinds)
    return sure or any("@" in line for line in block if field_kind(line) in {"from", "to"})


_INSIDE = re.compile(r"\s([^\W\d]\w{1,15}) ?[:：]\s")


def _kinds_inside(line: str) -> set[str]:
    """Return the fields that follow the first one in the same line, as in `From: a@b.test Date: Monday`."""
    found = {_KIND_OF.get(word.lower()) for word in _INSIDE.findall(line[:MAX_LINE])}
    return {kind for kind in found if kind}


_ORIGINAL = frozenset(
    "original message|originalmessage|original-message|original appointment|original email|original mail|reply message|replied message|ursprüngliche nachricht|ursprüngliche mail|ursprüngliche e-mail|"
    "originalnachricht|original-nachricht|urspr. nachricht|original nachricht|message d'origine|message original|message originale|courriel original|mensaje original|correo original|mensagem original|"
    "messaggio originale|messaggio orig|messaggio originario|oorspronkelijk bericht|oorspronkelijke bericht|oorspronkelijk e-mail|origineel bericht|wiadomość oryginalna|oryginalna wiadomość|opprinnelig melding|"
    "opprinnelig meddelelse|oprindelig melding|oprindelig meddelelse|original meddelelse|originalmelding|ursprungligt meddelande|originalmeddelande|ursprungligt mejl|alkuperäinen viesti|alkuperäinen sähköposti|"
    "исходное сообщение|оригинал сообщения|оригинальное сообщение|исходное письмо|оригінал повідомлення|оригінальне повідомлення|вихідне повідомлення|початкове повідомлення|orijinal mesaj|orijinal ileti|özgün mesaj|"
    "özgün ileti|özgün i̇leti|元のメッセージ|original メッセージ|元のメール|原始邮件|原始郵件|原邮件|原始信件|原始消息|原件|原始訊息|원본 메시지|원본 메일|원본메시지|původní zpráva|pôvodná správa|eredeti üzenet|mesaj original|mesajul original|"
    "αρχικό μήνυμα|thư gốc|הודעה מקורית|الرسالة الأصلية".split("|")
)
_ABOVE = (
    "reply above this line|write your reply above|type your reply above|respond above this line|oberhalb dieser zeile|über dieser zeile|au-dessus de cette ligne|encima de esta línea|arriba de esta línea|"
    "sopra questa linea|acima desta linha|boven deze regel|powyżej tej linii|выше этой линии"
).split("|")
_FORWARDED = (
    "forwarded message|forwarded by|weitergeleitete nachricht|weitergeleitete mail|message transféré|courriel transféré|mensaje reenviado|mensaje transmitido|messaggio inoltrato|mensagem encaminhada|mensagem reencaminhada|"
    "doorgestuurd bericht|przekazana wiadomość|wiadomość przekazana|vidarebefordrat meddelande|videresendt melding|videresendt meddelelse|videresendt besked|välitetty viesti|пересылаемое сообщение|"
    "переслане повідомлення|пересланное сообщение|yönlendirilen ileti|yönlendirilmiş mesaj|iletilen mesaj|転送メッセージ|転送されたメッセージ|转发的邮件|转发邮件信息|转发邮件|轉寄的郵件|轉寄郵件|轉寄信件|전달된 메시지|전달된 메일"
).split("|")
_BEGIN_FORWARD = (
    "begin forwarded message|anfang der weitergeleiteten|début du message réexpédié|début du message transféré|inicio del mensaje reenviado|inizio messaggio inoltrato|início da mensagem reencaminhada|"
    "begin doorgestuurd bericht|starten på videresendt|start på videresendt|vidarebefordrat brev|väärakirjeen|начало переадресованного сообщения|перенаправлене повідомлення|转发的邮件|開始轉寄郵件|転送されたメッセージ"
).split("|")
_DASHES = "-_=*#‐‑‒–—―─－"
_RULE = re.compile(r"[\s>]*(?:_{5,}|-{4,}|={5,}|\*{3,}|(?:\* ?){3})\s*$")


def is_separator(line: str) -> bool:
    """Say cheaply whether the line could be one of those below."""
    return line.lstrip(" >*\t")[:1] in _SEPARATOR_BEGINS and bool(line.strip())


_SEPARATOR_BEGINS = (
    frozenset("|" + _DASHES)
    | {text[0] for text in _BEGIN_FORWARD}
    | {text[0].upper() for text in _BEGIN_FORWARD}
    | {""}
)


def _dashed_words(line: str) -> str:
    """Return the words of `----- Words -----` in small letters, '' when the line is none."""
    bare = line.strip(" >*\t") if len(line) < MAX_LINE else ""
    if not bare.startswith("|") and (len(bare) < 2 or bare[0] not in _DASHES or bare[1] not in _DASHES):  # noqa: PLR2004
        return ""
    return " ".join(bare.strip(_DASHES + " |\t").lower().replace("’", "'").split())


def is_original_separator(line: str) -> bool:
    """Say whether the line is `-----Original Message-----` in one of the languages, or a helpdesk's line to reply above."""
    words = _dashed_words(line)
    return words in _ORIGINAL or (
        words != "" and (words.rpartition(" ")[2] in LAST_WORDS or any(above in words for above in _ABOVE))
    )


def is_forward_separator(line: str) -> bool:
    """Say whether the line begins a forwarded mail, which is content and not history."""
    if len(line) >= MAX_LINE:
        return False
    return _dashed_words(line).startswith(tuple(_FORWARDED)) or line.lstrip(" >*\t").lower().startswith(
        tuple(_BEGIN_FORWARD)
    )


def is_rule(line: str) -> bool:
    """Say whether the line is a rule, as Outlook draws one of underscores above a quoted header."""
    return len(line) < MAX_LINE and _RULE.match(line) is not None
