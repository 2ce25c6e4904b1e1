# ruff: noqa: E501, SIM905 - tables of words in twenty languages read better in long lines
"""What phones and programs add below a mail (`Sent from my iPhone`, `Get Outlook for iOS`), in many languages.

A line is a footer when it is short, says that something was sent (or is to be had), and names a device, a program or
`my ...`. Words of a sentence that only begins so stay: `Sent from my desk, which is easier` is nobody's footer.
Source: what iOS, Samsung, Huawei, Outlook, Windows, Yahoo, Proton, K-9, GMX, Mail.ru, Yandex and Avast write.
"""

import re

_SHORTEST, _LONGEST = 6, 160
_MAX_WORDS = 14
_MAX_WORDS_OF_MINE = 3
_LINK = re.compile(r"[<(\[]\s*(?:https?://|www\.)[^<>()\[\]]{0,140}[>)\]]|https?://\S{1,140}")
_WRAPPING = " \t*_<>()[]|\"'·.-–—"

_DEVICE = re.compile(
    r"iphone|ipad|ipod|macbook|\bmac\b|android|samsung|galaxy|huawei|honor|xiaomi|redmi|\boppo\b|\bvivo\b|oneplus|\bpixel\b|nokia|blackberry|"
    r"xperia|motorola|\bhtc\b|\blg\b|windows|outlook|hotmail|yahoo|gmail|\bgmx\b|web\.de|t-online|proton|tutanota|\btuta\b|mail|sparrow|spark\b|"
    r"superhuman|\bk-9\b|aqua|thunderbird|zoho|phone|mobile|handy\b|tablet|ger[aä]t|t[ée]l[ée]fon|tel[eé]fon|móvil|movil|celular|telemóvel|dispositivo|"
    r"appareil|apparaat|toestel|urządzeni|puhelime|laittee|sähköposti|komór|smartfon|mobil|enhet|enhed|смартфон|телефон|айфон|почт|пошт|устройств|пристро|"
    r"posta\b|correo|courrier|messagerie|cihaz|手机|手機|小米|华为|荣耀|邮箱|邮件|郵件|信箱|携帯|スマートフォン|スマホ|メール|アイフォン|갤럭시|아이폰|휴대폰|스마트폰|메일|핸드폰",
    re.IGNORECASE,
)
_MINE = re.compile(
    r"\b(?:my|meine[mrn]?|mein|mon|ma|mi|mio|mia|meu|minha|mijn|mojego|mojej|moim|min|mitt|mit|moego|моего|моей|моєї|мого|мойого)\s+(?P<thing>\S.*)|我的|我們|나의|私の|"
    r"(?P<turkish>\S+[ıiuü]mdan\b)",
    re.IGNORECASE,
)
_SENT_FIRST = re.compile(
    r"(?:(?:this|diese|dieser|ce|este|questo|dit|ten|denne|detta|это|цей)\s+(?:e-?mail|message|nachricht|mensaje|mensagem|messaggio|bericht|wiadomość|melding|meddelelse|meddelande|сообщение|письмо|повідомлення|лист)\s+(?:was|is|wurde|a été|ha sido|foi|è stato|werd|ble|blev|har|было)\s+)?"
    r"(?:sent|send|gesendet|verschickt|geschickt|versendet|envoyée?|envoyé|provenance\s?:|enviado|enviada|inviato|inviata|verzonden|verstuurd|wysłane?|wysłano|skickat|skickas|sendt|lähetetty|"
    r"отправлено|отправлена|надіслано|відправлено|послано|posláno|odesláno|odoslané|trimis|küldve)\s+"
    r"(?:(?:wirelessly|securely|sans fil|sicher|mobil)\s+)?"
    r"(?:(?<=provenance : )|(?<=provenance: )|(?<=lähetetty )|(?:from|with|via|using|by|through|mit|von|vom|aus|über|depuis|de|du|d'|à partir d[eu']|avec|par|desde|con|a partir d[eo]|do|da|dal|dalla|tramite|van|vanaf|vanuit|met|z|ze|za|"
    r"från|fra|med|s|iz|из|с|со|від|з|із|через|din|pe)\b)(?P<rest>.{1,120})",
    re.IGNORECASE,
)
_SENT_LAST = re.compile(
    r"(?P<rest>.{2,100}?)\s*(?:gesendet|verschickt|versendet|geschrieben|verzonden|verstuurd|inviato|enviado|gönderildi|gönderilmiştir|"
    r"から送信(?:されました|しました|する)?|より送信|からの送信|发送|发出|發送|發出|傳送|寄出|에서 (?:보냄|보낸 메일|발송|발송됨|전송|전송됨|보냈습니다)|(?:으로|로) 보냄)",
    re.IGNORECASE,
)
_LED_FIRST = re.compile(
    r"(?:von|vom|mit|aus|van|vanaf|da|dal|desde|do)\b(?!.*\b(?:habe|hat|heb|ich|ik|ho|eu)\b)|(?:diese|dieser|dit|questo)\s\S+\s(?:wurde|is|werd|è)\b|[从從由]|我的|寄",
    re.IGNORECASE,
)
_CHINESE_FIRST = re.compile(r"(?:发自|發自|来自|來自|寄自|送自)\s*(?P<rest>.{1,30})")
_FREE_LAST = (
    "gönderildi",
    "gönderilmiştir",
    "送信",
    "した",
    "する",
    "れました",
    "보냄",
    "메일",
    "발송",
    "발송됨",
    "전송",
    "전송됨",
    "보냈습니다",
)
"""Endings that need no preposition before them: the language puts its own behind the device."""
_GET = frozenset(
    "get download holen beziehen abrufen herunterladen laden obtenir téléchargez télécharger obtenez obtener obtén obtenga descargar descargue descarga ottieni scarica scaricare "
    "obter obtenha baixar baixe download downloaden pobierz uzyskaj hent få hämta skaffa skaff last hanki lataa скачать скачайте загрузить загрузите получить получите установите отримати отримайте завантажити "
    "завантажте edinin edin indirin indir alın stáhnout získat letöltése".split()
)
_GET_SIGNS = ("入手", "取得", "获取", "獲取", "下载", "下載", "ダウンロード", "다운로드", "받기", "가져오기", "얻기")
_GOT = re.compile(
    r"(?:outlook|bluemail|typeapp|spark|yahoo mail)\b.{0,40}?(?:ios|android|mac|mobile|windows)|(?:ios|android)\S*\s.{0,20}outlook",
    re.IGNORECASE,
)
_BARE = re.compile(r"outlook (?:for|für|pour|para|per|voor|til|dla|для|için) (?:ios|android|mac)", re.IGNORECASE)
_ASIDE = re.compile(
    r"\s*(?:an?\s|powered|please|excuse|sorry|so\s|bitte|désolé|at&t|verizon|t-mobile|sprint|samsung|galaxy|the\s|4g|5g)",
    re.IGNORECASE,
)
_CHECKED = re.compile(
    r".{0,40}(?:vir[ue]|virenfrei|вирус|bezwirus|ウイルス|病毒|바이러스).{0,40}www\.(?:avast|avg|avira)\.\w{2,3}",
    re.IGNORECASE,
)


def is_mobile_footer(line: str) -> bool:
    """Say whether the line is what a phone or a program adds. Lines beyond 160 characters never are."""
    if not _SHORTEST < len(line.strip()) < _LONGEST:
        return False
    if _CHECKED.match(line):
        return True
    text = _LINK.sub(" ", line).strip(_WRAPPING).replace("’", "'")
    return "?" not in text and len(text.split()) <= _MAX_WORDS and (_is_got(text) or _is_sent(text))


def _is_got(text: str) -> bool:
    """`Get Outlook for iOS`: the verb stands first or last, in Chinese, Japanese and Korean at either end."""
    if not _GOT.search(text):
        return False
    words = text.lower().split()
    if not _GET.isdisjoint((*words[:2], words[-1])):
        return True
    return text.startswith(_GET_SIGNS) or text.endswith(_GET_SIGNS) or _BARE.fullmatch(text) is not None


def _is_sent(text: str) -> bool:
    found = _SENT_FIRST.fullmatch(text) or _CHINESE_FIRST.fullmatch(text)
    if found is None:
        found = _SENT_LAST.fullmatch(text)
        if found is None or not (text.lower().endswith(_FREE_LAST) or _LED_FIRST.match(text)):
            return False
    rest = found["rest"]
    _, comma, aside = rest.partition(",")
    if comma and not _ASIDE.match(aside):
        return False
    return _DEVICE.search(rest) is not None or _is_mine(rest)


def _is_mine(rest: str) -> bool:
    found = _MINE.search(rest)
    return found is not None and len((found["thing"] or "").split()) <= _MAX_WORDS_OF_MINE
