# ruff: noqa: E501, SIM905 - tables of words in twenty languages read better in long lines
"""Lines that name the writer of what is quoted (`On 5 May 2026 Jane wrote:`), in many languages.

Each test looks at one line or a few joined ones of bounded length, so that crafted text costs no more than plain text.
The words are those that Gmail, Outlook, Apple Mail, Thunderbird, Yahoo, Proton and their translations write.
"""

import re
from collections.abc import Sequence

MAX_LINE = 200
"""Characters of a line that are looked at. Longer lines are compared by their beginning and kept whole."""
INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Signs that nobody sees: they are taken out before a line is judged and stay in what is shown."""
_MAX_ATTRIBUTION_LINES = 5
_MAX_ATTRIBUTION = 450
_FEW_WORDS = 6

_VERBS = (
    r"wrote|writes|sent|schrieb|geschrieben|a\s+écrit|a\s+ecrit|écrivait|écrit|escribi[óo]|ha\s+scritto|scrive|scrisse|escreveu|"
    r"schreef|geschreven|napisał\(?a?\)?|pisze|skrev|skreiv|kirjoitti|написал\(?а?\)?|написав\(?ла\)?|написала|пишет|пише|"
    r"писал\(?а?\)?|yazdı|yazmış|đã\s+viết|napsala?\(?a?\)?|napísala?\(?a?\)?|írta|a\s+scris|έγραψε|כתב|כתבה|كتب|menulis|"
    r"je\s+napisa[ol]a?|написа|เขียน(?:ว่า)?|va\s+escriure|wrote\s+the\s+following|napisana\s+przez|написав\(-ла\)|写道|寫道|写到|のメール|書きました|"
    r"作成|작성|썼습니다|쓴\s?글|님의\s?말"
)
_LEADS = (
    r"On|At|Am|Le|El|Il|Em|No dia|Op|W\s+dniu|Dnia|Den|På|Kl|Den\s+den|Dne|Dňa|La|În|Pe\s+data\s+de|Στις|Vào|Pada|Il\s+giorno|"
    r"Il\s+gg|Il\s+dì|Data|Dana|На|В|Від|Чт|Пн|Вт|Ср|Пт|Сб|Вс|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi|Do|Fr|Sa|So|"
    r"Lun|Mar|Mer|Gio|Ven|Sab|Dom|Jeu|Sam|Dim|pon|wt|śr|czw|pt|sob|ndz|niedz|Wiadomość|In\s+data|A|No\s+dia|Às|在|於|于|ons|tors|tis|tirs|man|fre|lør|søn|"
    r"pe|ma|ti|ke|to|la|su|Quoting|Quote|Zitat(?:\s+von)?|Citando|Em\s+\w{3,7}|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
)
LAST_WORDS = frozenset(
    "wrote writes sent schrieb geschrieben écrit ecrit écrivait escribió escribio scritto scrive scrisse escreveu schreef geschreven "
    "napisał napisała napisał(a) pisze skrev skreiv kirjoitti написал написала написал(а) написав написала написав(ла) пишет пише "
    "писал писала yazdı viết napsal napsala napsal(a) napísal napísala írta scris έγραψε כתב כתבה كتب menulis napisao написа เขียน following".split()
)
_LAST_SIGNS = (
    ":",
    "：",
    "写道",
    "寫道",
    "写到",
    "のメール",
    "書きました",
    "작성",
    "썼습니다",
    "쓴 글",
    "님의 말",
    "เขียนว่า",
)
# A date follows its lead within a few words, or it is a sentence: `Do you know what Jane wrote on ...:`.
_LED = re.compile(
    rf"[\s>*_|\"-]*(?:{_LEADS})[\s.,:]\s*(?:[^\s\d]{{1,16}}\s+){{0,4}}[(\[]?\d.*?(?:{_VERBS}).*[:：]?[*_\s]*$|"
    r"[\s>*_|\"-]*(?:Wiadomość\s+napisana\s+przez)\s.*[:：][*_\s]*$",
    re.IGNORECASE | re.DOTALL,
)
_QUOTING = re.compile(
    r"[\s*_]*(?:quoting|quote|zitat(?: von)?|citando(?: a)?|citerar|citat fra|citat från|cytowanie|citation de)\s.{1,120}[:：]\s*$",
    re.IGNORECASE,
)
_NAME_FIRST = re.compile(
    rf"[\s*_]*(?!(?:i|we|you|he|she|they|ich|wir|sie|er|je|j|nous|il|elle|on|io|noi|yo|eu|ik|wij|jag|jeg|я|мы|ми)\b)[^\W\d][^:;!?]{{1,80}}?\s(?:{_VERBS})\s+"
    r"(?:[^\W\d]{1,4}\s+){0,2}\(?\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}\D{1,14}\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\D{0,6}[:：]\s*$",
    re.IGNORECASE,
)
_ASIAN_END = re.compile(
    r"(?:写道|寫道|写到|のメール|書きました|님이 작성|님의 말|쓴\s?글|작성|썼습니다)\s*[:：]?[*_\s]*$"
)
_ADDRESSED = re.compile(
    rf"[^:;!?]{{0,80}}<\s?[^\s<>@]{{1,64}}@[^\s<>@]{{1,100}}>\s?,?\s(?:{_VERBS})\s?[:：]\s*$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[^\W\d]{6,}[.!?]$|[!?]$")
_ANY_VERB = re.compile(rf"(?:{_VERBS})", re.IGNORECASE)
_MAIL = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,100}")
_TIME = re.compile(r"\b\d{1,2}[:.hH]\d{2}|\b(?:19|20)\d\d\b|\d{1,2}[./-]\d{1,2}[./-]\d{2}|年\s*\d|\d\s*년")
_DATE = re.compile(r"\b(?:19|20)\d\d\b|\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{2}|年\s*\d|\d\s*년")
_WEEKDAYS = (
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|"
    r"viernes|sábado|domingo|(?:lune|marte|mercole|giove|vener)dì|sabato|domenica|(?:segunda|terça|quarta|quinta|sexta)(?:-feira)?|(?:maan|dins|woens|donder|vrij|zater|zon|man|tirs|ons|tors|fre|lør|søn|mån|tis|lör|sön)dag|"
    r"poniedziałek|wtorek|środa|czwartek|piątek|sobota|niedziela|(?:maanan|tiis|tors|perjan|lauan|sunnun)tai(?:na)?|keskiviikko(?:na)?|понедельник|вторник|среда|четверг|пятница|суббота|воскресенье|"
    r"понеділок|вівторок|середа|четвер|п['’ʼ]ятниця|субота|неділя|[^\W\d]{1,12}[.,]"
)
_STARTS_WITH_DATE = re.compile(
    rf"[\s>*_\"(\[]*(?:(?:{_WEEKDAYS})[,.]*\s*(?:den\s+)?)?(?:\d{{1,4}}\s*[./年년-]|\d{{1,2}}\.?\s+(?:de\s+)?[^\W\d]{{3,10}}|\d{{1,2}}:\d\d)|[\s>*_\"(\[]*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]?\s",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"<[^\s<>@]{1,64}@[^\s<>@]{1,100}>")
_YEAR_FIRST = re.compile(r"(?:19|20)\d\d\b")
_VERB_FIRST = re.compile(rf"[\s>]*(?:het volgende |a |ha |şunu |şunları )?(?:{_VERBS})(?!\w)", re.IGNORECASE)
_GLUED = re.compile(
    r"(?P<own>.{1,120}?\S)\s+(?P<mark>On (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|\d|[A-Z][a-z]{2} \d).{5,150} wrote:)\s*$"
)


def may_end_attribution(line: str) -> bool:
    """Say cheaply whether the line could be the last one of an attribution; nearly all lines could not."""
    ending = line[-60:].rstrip(" *_-\t")
    if ending.endswith(_LAST_SIGNS):
        return True
    return ending.rpartition(" ")[2].lower() in LAST_WORDS


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
        if back and _SENTENCE_END.search(line):
            break
        grows = loose is None or _goes_on(line, joined)
        joined = f"{line} {joined}".strip()
        if len(joined) > _MAX_ATTRIBUTION:
            break
        if line and _TIME.search(joined) and _LED.match(joined):
            if _DATE.search(joined):
                return back
            loose = back
        elif line and grows and _is_loose_attribution(joined, followed_by_quote):
            loose = back
    return loose


def _goes_on(line: str, below: str) -> bool:
    """Say whether an attribution of which `below` is the end began in this line: what it lacks stands there."""
    if line.count("<") > line.count(">") or below.startswith("<") or _VERB_FIRST.match(below):
        return True
    if _YEAR_FIRST.match(below) and _STARTS_WITH_DATE.match(line):
        return True
    dated = _DATE.search(below) is not None
    if not dated and _DATE.search(line) and (_STARTS_WITH_DATE.match(line) or _ADDRESS.search(line)):
        return True
    return _ADDRESS.search(line) is not None and not _MAIL.search(below)


def _is_loose_attribution(joined: str, followed_by_quote: bool) -> bool:
    dated, mailed = _TIME.search(joined) is not None, _MAIL.search(joined) is not None
    dates_first = _STARTS_WITH_DATE.match(joined) is not None
    verb = _ANY_VERB.search(joined) is not None
    if not joined.rstrip("*_- ").endswith((":", "：")) and not _ANY_VERB.search(joined[-20:]):
        return False
    if verb and (mailed or dates_first or _is_whole(joined)) and (dated or _ADDRESSED.match(joined)):
        return True
    if followed_by_quote and len(joined) < MAX_LINE and (verb or _QUOTING.match(joined)):
        return mailed or dated or len(joined.split()) <= _FEW_WORDS
    return mailed and dated and (followed_by_quote or dates_first)


def _is_whole(joined: str) -> bool:
    """Say whether it is an attribution as Thunderbird writes it: a name and a date alone, in either order."""
    return _ASIAN_END.search(joined) is not None or _NAME_FIRST.match(joined) is not None


def split_glued(line: str) -> tuple[str, str] | None:
    """Return (own words, attribution) of a line in which the attribution follows the words; None otherwise."""
    found = _GLUED.match(line[: 2 * MAX_LINE]) if not line.lstrip().startswith(">") else None
    return (found["own"], found["mark"]) if found else None
