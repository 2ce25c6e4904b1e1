# ruff: noqa: E501 - tables of mails read better in long lines
"""What a person newly wrote: cases by hand for the ways that mail programs quote, and crafted text in bounded time."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_ingest.domain.mail.html_text import html_to_text
from postroom_ingest.domain.mail.reply_text import above_marker, visible_reply, visible_reply_html

ATTRIBUTIONS = {
    "gmail en": "On Mon, Mar 2, 2026 at 10:00 AM Jane Doe <jane@acme.test> wrote:",
    "gmail en wrapped": "On Mon, Mar 2, 2026 at 10:00 AM Jane Doe <\njane.doe.with.a.long.name@acme.test> wrote:",
    "apple en": "On 2 Mar 2026, at 10:00, Jane Doe <jane@acme.test> wrote:",
    "gmail de": "Am Mo., 2. März 2026 um 10:00 Uhr schrieb Jane Doe <jane@acme.test>:",
    "thunderbird de": "Am 02.03.2026 um 10:00 schrieb Jane Doe:",
    "gmail fr": "Le lun. 2 mars 2026 à 10:00, Jane Doe <jane@acme.test> a écrit :",
    "gmail es": "El lun, 2 mar 2026 a las 10:00, Jane Doe (<jane@acme.test>) escribió:",
    "gmail it": "Il giorno lun 2 mar 2026 alle ore 10:00 Jane Doe <jane@acme.test> ha scritto:",
    "gmail pt": "Em seg., 2 de mar. de 2026 às 10:00, Jane Doe <jane@acme.test> escreveu:",
    "gmail nl": "Op ma 2 mrt 2026 om 10:00 schreef Jane Doe <jane@acme.test>:",
    "gmail pl": "pon., 2 mar 2026 o 10:00 Jane Doe <jane@acme.test> napisał(a):",
    "apple sv": "2 mars 2026 kl. 10:00 skrev Jane Doe <jane@acme.test>:",
    "gmail da": "Den man. 2. mar. 2026 kl. 10.00 skrev Jane Doe <jane@acme.test>:",
    "gmail fi": "ma 2. maalisk. 2026 klo 10.00 Jane Doe (jane@acme.test) kirjoitti:",
    "gmail ru": "пн, 2 мар. 2026 г. в 10:00, Jane Doe <jane@acme.test>:",
    "yandex ru": "02.03.2026, 10:00, «Jane Doe» <jane@acme.test>:",
    "gmail uk": "пн, 2 бер. 2026 р. о 10:00 Jane Doe <jane@acme.test> пише:",
    "gmail tr": "Jane Doe <jane@acme.test>, 2 Mar 2026 Pzt, 10:00 tarihinde şunu yazdı:",
    "gmail ja": "2026年3月2日(月) 10:00 Jane Doe <jane@acme.test>:",
    "gmail zh": "Jane Doe <jane@acme.test> 于2026年3月2日周一 10:00写道：",
    "gmail ko": "2026년 3월 2일 (월) 오전 10:00, Jane Doe <jane@acme.test>님이 작성:",
    "proton": "On Monday, March 2nd, 2026 at 10:00 AM, Jane Doe <jane@acme.test> wrote:",
}
BLOCKS = {
    "outlook en": "From: Jane Doe <jane@acme.test>\nSent: Monday, March 2, 2026 10:00 AM\nTo: Tom <tom@x.test>\nSubject: RE: Chairs",
    "outlook de": "Von: Jane Doe <jane@acme.test>\nGesendet: Montag, 2. März 2026 10:00\nAn: Tom <tom@x.test>\nBetreff: AW: Stühle",
    "outlook fr": "De : Jane Doe <jane@acme.test>\nEnvoyé : lundi 2 mars 2026 10:00\nÀ : Tom <tom@x.test>\nObjet : RE: Chaises",
    "outlook es": "De: Jane Doe <jane@acme.test>\nEnviado el: lunes, 2 de marzo de 2026 10:00\nPara: Tom\nAsunto: RE: Sillas",
    "outlook it": "Da: Jane Doe <jane@acme.test>\nInviato: lunedì 2 marzo 2026 10:00\nA: Tom\nOggetto: R: Sedie",
    "outlook nl": "Van: Jane Doe <jane@acme.test>\nVerzonden: maandag 2 maart 2026 10:00\nAan: Tom\nOnderwerp: RE: Stoelen",
    "outlook sv": "Från: Jane Doe <jane@acme.test>\nSkickat: den 2 mars 2026 10:00\nTill: Tom\nÄmne: SV: Stolar",
    "outlook ru": "От: Jane Doe <jane@acme.test>\nОтправлено: 2 марта 2026 г. 10:00\nКому: Tom\nТема: RE: Стулья",
    "outlook ja": "差出人: Jane Doe <jane@acme.test>\n送信日時: 2026年3月2日 10:00\n宛先: Tom\n件名: RE: 椅子",
    "outlook zh": "发件人: Jane Doe <jane@acme.test>\n发送时间: 2026年3月2日 10:00\n收件人: Tom\n主题: 回复: 椅子",
    "outlook mobile": "Get Outlook for iOS\n________________________________\nFrom: Jane Doe <jane@acme.test>\nSent: Monday, March 2, 2026\nTo: Tom\nSubject: x",
    "bold": "*From:* Jane Doe <jane@acme.test>\n*Sent:* Monday, March 2, 2026 10:00 AM\n*To:* Tom\n*Subject:* RE: Chairs",
    "original message": "-----Original Message-----\nJane wrote something",
    "ursprüngliche nachricht": "-----Ursprüngliche Nachricht-----\nJane schrieb etwas",
}  # fmt: skip
OWN = "Two chairs are missing.\n\nPlease send them by Friday: we open on Saturday.\nTom"


@pytest.mark.parametrize("name", ATTRIBUTIONS)
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
def test_reply_above_an_attribution(name: str, marked: bool) -> None:
    history = "> Dear Tom,\n>\n> they left our house.\n" if marked else "Dear Tom,\n\nthey left our house.\n"
    reply = visible_reply(f"{OWN}\n\n{ATTRIBUTIONS[name]}\n\n{history}")
    assert reply.visible == OWN
    assert "they left our house" in reply.quoted
    assert not reply.only_quoted


@pytest.mark.parametrize("name", BLOCKS)
def test_reply_above_a_quoted_header(name: str) -> None:
    reply = visible_reply(f"{OWN}\n\n{BLOCKS[name]}\n\nDear Tom,\nthey left our house.\n")
    assert reply.visible == OWN
    assert not reply.only_quoted


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_answer_below_the_quote(name: str) -> None:
    assert visible_reply(f"{ATTRIBUTIONS[name]}\n> where?\n> when?\n\nIn Berlin.").visible == "In Berlin."


def test_answers_between_quotes_keep_what_they_answer() -> None:
    text = "On 2 Mar 2026, at 10:00, Jane <j@acme.test> wrote:\n> Where?\n\nBerlin.\n\n> When?\n\nFriday.\n\n> Thanks\n> Jane"
    reply = visible_reply(text)
    assert reply.visible == "> Where?\n\nBerlin.\n\n> When?\n\nFriday."
    assert "Jane" in reply.quoted


@pytest.mark.parametrize(
    "footer",
    [
        "-- \nTom\nCarpenter",
        "--\nTom",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Skickat från min iPhone",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的iPhone",
        "Get Outlook for Android",
        "Gesendet von Outlook für iOS",
        "_______________________________________________\nchairs mailing list\nhttps://lists.x.test",
    ],
)
def test_signature_and_footer_are_set_apart(footer: str) -> None:
    reply = visible_reply(f"Two chairs.\n\n{footer}\n")
    assert reply.visible == "Two chairs."
    assert reply.signature == footer


@pytest.mark.parametrize(
    "text",
    [
        "From: Berlin\nTo: Paris\nDate: 5 May\nCan you book that?",
        "On Friday we open.\nPlease wrote to me before:\n- two chairs\n- one table",
        "Prices:\n-- 10 for one\n-- 18 for two",
        "Please mail to sales@acme.test before 12/12/2026:\nthe list of chairs",
        "--\nTom",
        "Sent from my iPhone",
        "a > b, and 5 > 4\n>5 chairs are too many for us",
        "See the table:\n\n----\n1 | 2\n\nIt is wrong. " + "More words follow here.\n" * 14,
        "FYI\n\n---------- Forwarded message ---------\nFrom: a@x.test\nDate: Monday\nSubject: x\nTo: b@x.test\n\nIts words",
    ],
)  # fmt: skip
def test_own_words_are_never_taken_for_history(text: str) -> None:
    own = [line for line in text.split("\n") if line.strip() and not line.startswith(">5")]
    assert all(line.strip() in visible_reply(text).visible for line in own)


def test_nothing_but_quotes_is_empty_and_a_bare_forward_is_said_to_be_one() -> None:
    only = visible_reply("On 2 Mar 2026, at 10:00, Jane <j@acme.test> wrote:\n> Where?\n")
    assert (only.visible, only.only_quoted) == ("", True)
    forward = visible_reply("\nFrom: Jane <j@acme.test>\nSent: Monday\nTo: Tom\nSubject: x\n\nwords")
    assert "words" in forward.visible
    assert forward.only_quoted
    assert visible_reply(" \n").visible == ""


QUOTED_HTML = {
    "gmail": '<div dir="ltr">OWN</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon, Mar 2, 2026 Jane &lt;<a href="mailto:j@a.test">j@a.test</a>&gt; wrote:<br></div><blockquote class="gmail_quote">OLD</blockquote></div>',
    "outlook desktop": "<div class=WordSection1><p class=MsoNormal>OWN<o:p></o:p></p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'><p><b>From:</b> Jane<br><b>Sent:</b> Monday</p></div></div><p>OLD</p></div>",
    "outlook web": '<div>OWN</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><font><b>Von:</b> Jane</font></div><div>OLD</div>',
    "apple": '<html><body>OWN<div><br><blockquote type="cite"><div>On 2 Mar 2026, at 10:00, Jane &lt;j@a.test&gt; wrote:</div><div>OLD</div></blockquote></div></body></html>',
    "thunderbird": '<p>OWN</p><div class="moz-cite-prefix">Am 02.03.26 um 10:00 schrieb Jane:<br></div><blockquote type="cite">OLD</blockquote>',
    "yahoo": '<div>OWN</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Monday Jane wrote:</div><div>OLD</div></div>',
    "proton": '<div>OWN</div><div class="protonmail_quote">On Monday, March 2nd, 2026 at 10:00, Jane wrote:<blockquote class="protonmail_quote" type="cite">OLD</blockquote></div>',
    "gmx": '<div>OWN</div><div name="quote" style="margin:10px"><div>Gesendet: Montag</div><div>OLD</div></div>',
    "no marks": "<p>OWN</p><p>Am 02.03.2026 um 10:00 schrieb Jane Doe &lt;j@a.test&gt;:</p><p>OLD</p>",
}  # fmt: skip


@pytest.mark.parametrize("name", QUOTED_HTML)
def test_html_reply_keeps_own_words_alone(name: str) -> None:
    markup = QUOTED_HTML[name].replace("OWN", "Two <b>chairs</b> are &lt;missing&gt;").replace("OLD", "they left")
    reply = visible_reply_html(markup)
    assert html_to_text(reply.visible) == "Two chairs are <missing>"
    assert "<b>chairs</b>" in reply.visible
    assert "they left" in reply.quoted


def test_html_quotation_that_is_no_history_stays() -> None:
    assert (
        "a saying" in visible_reply_html("<p>As they say</p><blockquote>a saying</blockquote><p>so it is</p>").visible
    )
    assert visible_reply_html("").visible == ""


MARKER = "##- Please type your reply above this line -##"


@pytest.mark.parametrize(
    "text",
    [
        f"My answer\n\n{MARKER}\nhistory",
        f"My answer\r\n\r\n> {MARKER}\r\n> history",
        f"My answer\n\nOn Mon, Mar 2, 2026 at 10:00 AM Postroom <x@acme.test> wrote:\n\n> > {MARKER}\n> history",
        "My answer\n\n> ##- Please type your reply\n> above this line -##\n> history",
        f"My answer\n\nAm 02.03.2026 um 10:00 schrieb Postroom\n<x@acme.test>:\n>  *{MARKER}*",
    ],
    ids=["plain", "quoted", "attribution", "wrapped", "starred"],
)
def test_above_marker_is_what_the_person_wrote(text: str) -> None:
    assert above_marker(text, MARKER) == "My answer"


def test_without_the_marker_nothing_is_above_it() -> None:
    assert above_marker("My answer\nreply above this line", MARKER) is None
    assert above_marker(f"{MARKER}\nx", MARKER) == ""


PIECES = ["On ", "wrote:", "From: ", "@", "2026", "10:00", "\n", "> ", "-- ", "_" * 12, " ", "a", "Sent from my ", "<", ">", ":", "Am ", "schrieb", "-----Original Message-----", "*"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(max_examples=400, deadline=None)
def test_no_text_makes_it_raise_and_no_word_is_lost(text: str) -> None:
    reply = visible_reply(text)
    letters = re.sub(r"\s", "", text)
    kept = re.sub(r"\s", "", reply.visible + reply.quoted + reply.signature)
    assert len(kept) >= len(letters)
    visible_reply_html(text)
    above_marker(text, "wrote:")


@pytest.mark.parametrize(
    "line",
    ["On " * 300 + "wrote:", "On 2026 a@b " * 60 + ":", "From: a@b.test", "> " * 400, "x" * 800 + ":", "_" * 300, "On 10:00\nwrote\n:", "(" * 500, ":", "wrote:", "> a\nb"],
)  # fmt: skip
def test_crafted_text_takes_bounded_time(line: str) -> None:
    text = (line + "\n") * (300_000 // len(line))
    started = time.process_time()
    visible_reply(text)
    above_marker(text, MARKER)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("markup", ["<div>", "<blockquote>", "<b>On 2026 x@y wrote:<br>", "<table><tr><td>", "<a '"])
def test_crafted_html_takes_bounded_time(markup: str) -> None:
    started = time.process_time()
    visible_reply_html(markup * (200_000 // len(markup)))
    assert time.process_time() - started < 5
