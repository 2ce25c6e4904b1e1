# ruff: noqa: E501 - tables of words in twenty languages read better in long lines
"""How mail programs mark what they quote, in many languages: attribution lines, header blocks, separators, footers.

Each test looks at one line or a few joined ones of bounded length, so that crafted text costs no more than plain text.
The words are those that Gmail, Outlook, Apple Mail, Thunderbird, Yahoo, Proton and their translations write.
"""

import re
from collections.abc import Sequence

MAX_LINE = 200
"""Characters of a line that are looked at. Longer lines are compared by their beginning and kept whole."""
_MAX_ATTRIBUTION_LINES = 5
_MAX_ATTRIBUTION = 450
_FEW_WORDS = 6
_SURE_FIELDS = 3

_VERBS = (
    r"wrote|writes|sent|schrieb|geschrieben|a\s+écrit|a\s+ecrit|écrivait|écrit|escribi[óo]|ha\s+scritto|scrive|scrisse|escreveu|"
    r"schreef|geschreven|napisał\(?a?\)?|pisze|skrev|skreiv|kirjoitti|написал\(?а?\)?|написав\(?ла\)?|написала|пишет|пише|"
    r"писал\(?а?\)?|yazdı|yazmış|đã\s+viết|napsala?\(?a?\)?|napísala?\(?a?\)?|írta|a\s+scris|έγραψε|כתב|כתבה|كتب|menulis|"
    r"je\s+napisa[ol]a?|написа|เขียน(?:ว่า)?|va\s+escriure|wrote\s+the\s+following|写道|寫道|写到|のメール|書きました|作成|작성|썼습니다"
)
_LEADS = (
    r"On|At|Am|Le|El|Il|Em|No dia|Op|W\s+dniu|Dnia|Den|På|Kl|Den\s+den|Dne|Dňa|La|În|Pe\s+data\s+de|Στις|Vào|Pada|Il\s+giorno|"
    r"Il\s+gg|Il\s+dì|Data|Dana|На|В|Від|Чт|Пн|Вт|Ср|Пт|Сб|Вс|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi|Do|Fr|Sa|So|"
    r"Lun|Mar|Mer|Gio|Ven|Sab|Dom|Jeu|Sam|Dim|pon|wt|śr|czw|pt|sob|ndz|niedz|ons|tors|tis|tirs|man|fre|lør|søn|"
    r"pe|ma|ti|ke|to|la|su|Quoting|Quote|Zitat(?:\s+von)?|Citando|Em\s+\w{3,7}|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
)
_LAST_WORDS = frozenset(
    "wrote writes sent schrieb geschrieben écrit ecrit écrivait escribió escribio scritto scrive scrisse escreveu schreef geschreven "  # noqa: SIM905
    "napisał napisała napisał(a) pisze skrev skreiv kirjoitti написал написала написал(а) написав написала написав(ла) пишет пише "
    "писал писала yazdı viết napsal napsala napsal(a) napísal napísala írta scris έγραψε כתב כתבה كتب menulis napisao написа เขียน following".split()
)
_LAST_SIGNS = (":", "：", "写道", "寫道", "写到", "のメール", "書きました", "작성", "썼습니다", "เขียนว่า")
_LED = re.compile(rf"[\s>*_|\"-]*(?:{_LEADS})[\s.,:]\s*\S.*?(?:{_VERBS}).*[:：]?[*_\s]*$", re.IGNORECASE | re.DOTALL)
_ANY_VERB = re.compile(rf"(?:{_VERBS})", re.IGNORECASE)
_MAIL = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,100}")
_TIME = re.compile(r"\b\d{1,2}[:.hH]\d{2}|\b(?:19|20)\d\d\b|\d{1,2}[./-]\d{1,2}[./-]\d{2}|年\s*\d|\d\s*년")
_STARTS_WITH_DATE = re.compile(
    r"[\s>*_\"]*(?:(?:[^\W\d]{1,12}[.,]{1,2}\s*)?\d{1,4}\s*[./年년-]|(?:[^\W\d]{1,12}[.,]{1,2}\s*)?\d{1,2}\.?\s+[^\W\d]{3,9}|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]?\s|\d{1,2}:\d\d)",
    re.IGNORECASE,
)
_GLUED = re.compile(
    r"(?P<own>.{1,120}?\S)\s+(?P<mark>On (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|\d|[A-Z][a-z]{2} \d).{5,150} wrote:)\s*$"
)


def may_end_attribution(line: str) -> bool:
    """Say cheaply whether the line could be the last one of an attribution; nearly all lines could not."""
    ending = line[-60:].rstrip(" *_\t")
    if ending.endswith(_LAST_SIGNS):
        return True
    return ending.rpartition(" ")[2].lower() in _LAST_WORDS


def attribution_end(lines: Sequence[str], place: int, followed_by_quote: bool) -> int | None:
    """Return how many lines back an attribution begins that ends in lines[place] (0: that line itself), or None.

    `On 5 May 2026 at 10:00, Jane <jane@a.test> wrote:` and its like; it may be wrapped over five lines.
    """
    if not may_end_attribution(lines[place]):
        return None
    joined = ""
    loose: int | None = None
    for back in range(min(_MAX_ATTRIBUTION_LINES, place + 1)):
        line = lines[place - back][:MAX_LINE].strip()
        if not line and back and not lines[place - back + 1].lstrip().startswith(("<", ">", "mailto")):
            break
        joined = f"{line} {joined}".strip()
        if len(joined) > _MAX_ATTRIBUTION:
            break
        if line and _is_led(joined, followed_by_quote):
            return back
        if line and loose is None and _is_loose_attribution(joined, followed_by_quote):
            loose = back
    return loose


def _is_led(joined: str, followed_by_quote: bool) -> bool:
    """Say whether it begins as `On 5 May` does and has a verb: the whole of an attribution, however it was wrapped."""
    if not _LED.match(joined):
        return False
    return _TIME.search(joined) is not None or (followed_by_quote and _MAIL.search(joined) is not None)


def _is_loose_attribution(joined: str, followed_by_quote: bool) -> bool:
    dated, mailed = _TIME.search(joined) is not None, _MAIL.search(joined) is not None
    dates_first = _STARTS_WITH_DATE.match(joined) is not None
    verb = _ANY_VERB.search(joined) is not None
    if not joined.rstrip("*_ ").endswith((":", "：")) and not _ANY_VERB.search(joined[-20:]):
        return False
    if verb and dated and (mailed or dates_first):
        return True
    if verb and followed_by_quote and len(joined) < MAX_LINE:
        return mailed or dated or len(joined.split()) <= _FEW_WORDS
    return mailed and dated and (followed_by_quote or dates_first)


def split_glued(line: str) -> tuple[str, str] | None:
    """Return (own words, attribution) of a line in which the attribution follows the words; None otherwise."""
    found = _GLUED.match(line[: 2 * MAX_LINE])
    return (found["own"], found["mark"]) if found else None


def _kinds() -> dict[str, str]:
    words = {
        "from": "from|von|de|da|van|od|fra|från|lähettäjä|от|от кого|від|kimden|gönderen|差出人|送信者|发件人|寄件者|寄件人|보낸 사람|"
        "보낸사람|보낸이|mittente|expéditeur|expediteur|remitente|afzender|nadawca|feladó|odesílatel|odosielateľ|từ|από|de la|発信者|sender",
        "date": "date|sent|datum|gesendet|envoyé|envoyé le|envoyée|fecha|enviado|enviado el|enviado em|enviada em|enviada|data|inviato|"
        "data invio|verzonden|wysłano|wysłane|data wysłania|sendt|dato|skickat|lähetetty|päivämäärä|дата|отправлено|надіслано|дата отправки|"
        "tarih|gönderildi|gönderme tarihi|gönderim tarihi|送信日時|日付|日時|发送时间|發送時間|日期|寄件日期|傳送時間|时间|時間|보낸 날짜|"
        "날짜|보낸날짜|odesláno|odoslané|dátum|ngày|elküldve|trimis|ημερομηνία|sent at|gesendet am|gesendet um|已发送",
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


def field_kind(line: str) -> str | None:
    """Return from, date, to, cc or subject when the line is such a field of a quoted header (`*Von:* ...`)."""
    head = line[: _MAX_NAME + 8].replace("：", ":").replace("\xa0", " ")
    name, colon, _ = head.partition(":")
    return _KIND_OF.get(name.strip(" \t>*_|").lower()) if colon else None


def is_header_block(lines: Sequence[str], place: int) -> bool:
    """Say whether a quoted header (From, Sent, To, Subject in any of the languages) begins at lines[place]."""
    first = field_kind(lines[place])
    if first is None or first == "cc":
        return False
    kinds = {first} | _kinds_inside(lines[place])
    block = [lines[place][:MAX_LINE]]
    blanks = 0
    for line in lines[place + 1 : place + _MAX_BLOCK_LINES]:
        blanks += not line.strip()
        if blanks > 1 and len(kinds) > 1:
            break
        kind = field_kind(line)
        kinds |= {kind} if kind else set()
        block.append(line[:MAX_LINE])
    if "from" not in kinds or kinds == {"from"}:  # one field alone is a sentence
        return False
    sure = len(kinds - {"cc"}) >= _SURE_FIELDS and "subject" in kinds
    return sure or any("@" in line for line in block if field_kind(line) in {"from", "to"})


_INSIDE = re.compile(r"\s([^\W\d]\w{1,15}) ?[:：]\s")


def _kinds_inside(line: str) -> set[str]:
    """Return the fields that follow the first one in the same line, as in `From: a@b.test Date: Monday`."""
    found = {_KIND_OF.get(word.lower()) for word in _INSIDE.findall(line[:MAX_LINE])}
    return {kind for kind in found if kind}


_ORIGINAL = re.compile(
    r"[\s>*]*(?:[-_=*]{2,}|\|)\s*(?:original[ -]?message|original appointment|reply message|ursprüngliche (?:nachricht|mail)|originalnachricht|"
    r"original-nachricht|message (?:d'origine|d’origine|original|originale)|mensaje original|mensagem original|messaggio (?:originale|orig)|"
    r"oorspronkelijk bericht|oorspronkelijke bericht|origineel bericht|wiadomość oryginalna|oryginalna wiadomość|"
    r"(?:opprinnelig|oprindelig) (?:melding|meddelelse)|ursprungligt meddelande|originalmeddelande|alkuperäinen viesti|"
    r"исходное сообщение|оригинал(?:ьное)? сообщени[ея]|original email|оригінал(?:ьне)? повідомлення|orijinal (?:mesaj|ileti)|özgün (?:mesaj|ileti)|"
    r"元のメッセージ|original メッセージ|原始邮件|原始郵件|原邮件|原始信件|원본 메시지|원본 메일|původní zpráva|pôvodná správa|eredeti üzenet|mesaj original)"
    r"\s*(?:[-_=*]{2,}|\|)?\s*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"[\s>*]*(?:[-_=]{2,}\s*(?:forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|messaggio inoltrato|"
    r"mensagem encaminhada|doorgestuurd bericht|przekazana wiadomość|vidarebefordrat meddelande|videresendt (?:melding|meddelelse)|"
    r"välitetty viesti|пересылаемое сообщение|переслане повідомлення|yönlendirilen ileti|iletilen mesaj|転送メッセージ|转发的邮件|轉寄的郵件|전달된 메시지)|"
    r"begin forwarded message|anfang der weitergeleiteten nachricht|début du message réexpédié|inicio del mensaje reenviado|inizio messaggio inoltrato)",
    re.IGNORECASE,
)
_RULE = re.compile(r"[\s>]*_{10,}\s*$")


def is_separator(line: str) -> bool:
    """Say cheaply whether the line could be one of those below."""
    return line.lstrip(" >*\t")[:1] in _SEPARATOR_BEGINS and bool(line.strip())


_SEPARATOR_BEGINS = frozenset("-_=|BbAaDdIi") | {""}


def is_original_separator(line: str) -> bool:
    """Say whether the line is `-----Original Message-----` in one of the languages."""
    return len(line) < MAX_LINE and _ORIGINAL.match(line) is not None


def is_forward_separator(line: str) -> bool:
    """Say whether the line begins a forwarded mail, which is content and not history."""
    return len(line) < MAX_LINE and _FORWARDED.match(line) is not None


def is_rule(line: str) -> bool:
    """Say whether the line is Outlook's rule of underscores."""
    return len(line) < MAX_LINE and _RULE.match(line) is not None


_FOOTER = re.compile(
    r"\s*[*_<(\[-]*\s*(?:(?:sent|gesendet|verschickt|envoyé|envoye|enviado|enviada|inviato|inviata|verzonden|verstuurd|wysłano|wysłane|skickat|sendt|sent|lähetetty|"
    r"отправлено|надіслано|відправлено|posláno|odesláno|odoslané|trimis|küldve|gönderildi)\s+(?:wirelessly\s+|sans fil\s+|securely\s+)?"
    r"(?:from|with|via|using|by|mit|von|vom|aus|über|depuis|de|du|à partir|avec|par|desde|con|do|da|dal|tramite|van|met|vanaf|z|za|ze|"
    r"från|fra|med|s|iz|из|с|від|з|из моего|din|pe)\b.{0,120}|"
    r"(?:von meinem|van mijn|mijn|da mio|dal mio)\s.{0,60}(?:gesendet|verzonden|inviato|iphone|ipad).{0,40}|"
    r"(?:get|download|holen sie sich|obtenir|télécharger|obtener|obtenha|scarica|hämta|hent|pobierz|скачать)\s+outlook\s+.{0,80}|"
    r"outlook (?:for|für|pour|para|per|voor) (?:ios|android|mac).{0,80}|"
    r"(?:iphone|ipad|android)\s*(?:から送信|から送信されました)|.{0,40}(?:iphone|ipad|android|携帯)\S{0,12}(?:から送信|发送|發送|傳送|에서 보냄).{0,20}|"
    r"(?:发自|從我的|寄自|나의|내)\s*\S{0,3}\s*(?:iphone|ipad|huawei|手机|手機|galaxy|갤럭시|아이폰).{0,40}|iphone(?:'|’)?(?:umdan|'dan| cihazımdan| ?dan).{0,40}|"
    r"(?:sent|send) from (?:my|yahoo|mail|outlook|proton|samsung|windows).{0,80})\s*$",
    re.IGNORECASE,
)
_DELIMITER = re.compile(r"\s*(?:--|---|—|––|__|___|_{5,}|-{20,}|={10,})\s*$")


def is_mobile_footer(line: str) -> bool:
    """Say whether the line is what a phone or program adds (`Sent from my iPhone`)."""
    return 6 < len(line.strip()) < 160 and _FOOTER.match(line) is not None  # noqa: PLR2004


def is_signature_delimiter(line: str) -> bool:
    """Say whether the line separates a signature: `-- ` (RFC 3676 section 4.3) or what people write for it."""
    return len(line) < MAX_LINE and _DELIMITER.match(line) is not None
