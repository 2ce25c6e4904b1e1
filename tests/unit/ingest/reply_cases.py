# ruff: noqa: E501 - tables of mails read better in long lines
"""Cases of replies by hand: tables of what each program writes in each language, laid out in every way, and whole mails.

`tests/data/replies/HALF/` holds `marks.jsonl` (client, language, the line or block above the quote), `words.jsonl` (own
and quoted words of a language), `footers.jsonl`, `markup.jsonl` (a client's HTML) and `whole.jsonl` (mails as they are).
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postroom_ingest.domain.mail.reply_text import Reply, visible_reply, visible_reply_html

DATA = Path(__file__).resolve().parents[2] / "data" / "replies"
_BLOCK_CLIENTS = ("outlook", "outlook-web", "outlook-mobile")
_TAG = re.compile(r"(?s)<(style|script|head|title)\b.*?</\1>|<[^>]*>")


@dataclass(frozen=True)
class Case:
    """One mail body and what of it has to be seen: exactly (without white space), or by pieces."""

    id: str
    client: str
    language: str
    kind: str
    body: str
    visible: str | None = None
    contains: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()

    def split(self) -> Reply:
        return visible_reply_html(self.body) if self.kind == "html" else visible_reply(self.body)

    def faults(self) -> list[str]:
        """Return what is wrong with our answer; nothing when it is right."""
        reply = self.split()
        markup = self.kind == "html"
        seen = squeezed(html.unescape(_TAG.sub(" ", reply.visible)) if markup else reply.visible)
        source = reply.visible if markup else seen
        found = [] if self.visible is None or seen == squeezed(self.visible) else [f"visible is {reply.visible!r}"]
        found += [f"misses {piece!r}" for piece in self.contains if squeezed(piece) not in seen + squeezed(source)]
        found += [f"shows {piece!r}" for piece in self.absent if squeezed(piece) in seen]
        found += [f"lost {piece!r}" for piece in self.quoted if squeezed(piece) not in squeezed(reply.quoted)]
        return found


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b\ufeff]", "", text)


def _rows(half: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / half / name).read_text("utf-8").splitlines()]


def load_cases(half: str) -> list[Case]:
    """Return all cases of `seen` or `held-out`: about 4000, in a fixed order."""
    words = {row["language"]: row for row in _rows(half, "words.jsonl")}
    footers: dict[str, list[str]] = {}
    for row in _rows(half, "footers.jsonl"):
        footers.setdefault(row["language"], []).append(row["footer"])
    markup = {row["client"]: row["html"] for row in _rows(half, "markup.jsonl")}
    cases = [case for language in words for case in _footers(words[language], footers[language])]
    for number, row in enumerate(_rows(half, "marks.jsonl")):
        word = words[row["language"]]
        mark = row["mark"].replace("{N}", word["name"]).replace("{A}", word["address"])
        footer = footers[row["language"]][number % len(footers[row["language"]])]
        cases += _texts(row["client"], word, mark, footer, number)
        if row["client"] in markup:
            cases += _htmls(row["client"], word, mark, footer, markup[row["client"]], number)
    whole = _rows(half, "whole.jsonl")
    cases += [
        Case(row["id"], row["client"], row["language"], row["kind"], row["input"], row["visible"], tuple(row["contains"]), tuple(row["absent"]))
        for row in whole
    ]  # fmt: skip
    return cases


def _footers(word: dict[str, Any], footers: list[str]) -> Iterator[Case]:
    for number, footer in enumerate(footers):
        for place, own in enumerate(word["own"]):
            name = f"footer-{word['language']}-{number}-{place}"
            yield Case(name, "footer", word["language"], "text", f"{own}\n\n{footer}\n", own)


def _texts(client: str, word: dict[str, Any], mark: str, footer: str, number: int) -> Iterator[Case]:
    old = word["old"]
    plain, marked = "\n".join(old), "\n".join(f"> {line}" for line in old)
    for place, own in enumerate(word["own"]):
        layouts = {
            "top": f"{own}\n\n{mark}\n\n{plain}\n",
            "footer": f"{own}\n\n{footer}\n\n{mark}\n\n{plain if client in _BLOCK_CLIENTS else marked}\n",
            "signature": f"{own}\n\n-- \n{word['name']}\n\n{mark}\n\n{plain}\n",
            "crlf": f"{own}\n\n{mark}\n{plain}\n".replace("\n", "\r\n"),
        }
        if client not in _BLOCK_CLIENTS:
            layouts["marked"] = f"{own}\n\n{mark}\n\n{marked}\n"
            layouts["bottom"] = f"{mark}\n{marked}\n\n{own}\n"
        for layout, body in layouts.items():
            name = f"{client}-{word['language']}-{number}-{layout}-{place}"
            yield Case(name, client, word["language"], "text", body, own, quoted=(old[-1],))
    if client not in _BLOCK_CLIENTS:
        first, second = word["own"][0], word["own"][2]
        yield Case(
            f"{client}-{word['language']}-{number}-inline", client, word["language"], "text",
            f"{mark}\n> {old[0]}\n\n{first}\n\n> {old[1]}\n\n{second}\n", contains=(first, second, old[1]),
        )  # fmt: skip


def _htmls(client: str, word: dict[str, Any], mark: str, footer: str, template: str, number: int) -> Iterator[Case]:
    linked = re.sub(r"&lt;([^&<>\s]+@[^&<>\s]+)&gt;", r'&lt;<a href="mailto:\1">\1</a>&gt;', html.escape(mark))
    if client in _BLOCK_CLIENTS:
        lines = [line for line in linked.split("\n") if not line.startswith(("___", "---"))]
        linked = "<br>".join(re.sub(r"^([^:：]{1,20}?\s?[:：])", r"<b>\1</b>", line) for line in lines)
    for place, own in enumerate(word["own"]):
        body = (
            template.replace("{OWN}", html.escape(own).replace("\n", "<br>")).replace("{MARK}", linked.replace("\n", " "))
            .replace("{OLD}", "<br>".join(map(html.escape, word["old"]))).replace("{FOOTER}", html.escape(footer))
        )  # fmt: skip
        name = f"{client}-{word['language']}-{number}-html-{place}"
        yield Case(name, client, word["language"], "html", body, own, quoted=(word["old"][-1],))
