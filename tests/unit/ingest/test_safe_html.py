# ruff: noqa: E501 - a table of vectors reads better in long lines
"""What a stranger's HTML may not do once it is sanitised: the published families of XSS vectors, loads, styles, boxes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html  # type: ignore[import-untyped]
from postroom_ingest.domain.mail.html_bounds import bounded_html
from postroom_ingest.domain.mail.safe_html import sanitise_html
from postroom_ingest.domain.mail.safe_style import safe_style

TAGS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "article",
        "aside",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "data",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "nav",
        "ol",
        "p",
        "pre",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
ATTRIBUTES = frozenset(
    [
        "align",
        "alt",
        "bgcolor",
        "border",
        "bordercolor",
        "cellpadding",
        "cellspacing",
        "color",
        "colspan",
        "data-remote-background",
        "data-remote-src",
        "datetime",
        "dir",
        "face",
        "headers",
        "height",
        "hidden",
        "href",
        "hreflang",
        "hspace",
        "lang",
        "noshade",
        "nowrap",
        "open",
        "rel",
        "rowspan",
        "scope",
        "size",
        "span",
        "src",
        "start",
        "style",
        "summary",
        "target",
        "title",
        "type",
        "valign",
        "value",
        "vspace",
        "width",
    ]
)


def faults(clean: str) -> list[str]:
    """Return what in the document could do more than show."""
    found = []
    for element in lxml_html.fragment_fromstring(clean, create_parent="div").iter():
        if element.tag not in TAGS:
            found.append(f"<{element.tag}>")
        for name, value in element.attrib.items():
            if name not in ATTRIBUTES:
                found.append(f"{name}=")
            if name == "href" and not re.match(r"(?i)https?://|mailto:|tel:", value):
                found.append(f"href={value}")
            if name == "src" and not re.match(r"(?i)cid:|data:image/(?:png|jpe?g|gif|webp);base64,", value):
                found.append(f"src={value}")
            if name == "style" and re.search(
                r"(?i)url|expression|import|javascript|position|behavio|binding|\\|@|var\(|-\d", value
            ):
                found.append(f"style={value}")
        bound = (element.get("rel"), element.get("target")) == ("noopener noreferrer nofollow", "_blank")
        if element.tag == "a" and "href" in element.attrib and not bound:
            found.append("link without rel or target")
    return found


VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=http://x.test/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/xss src=x>", "<<script>alert(1)//<</script>", "<script>alert(1)", "<script\x20type=text/javascript>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<img src=x:alert(alt) onerror=eval(src) alt=1>", "<img/src=`x`onerror=alert(1)>",
    '<img """><script>alert(1)</script>">', "<img src=javascript:alert(1)>", "<img src='java\tscript:alert(1)'>",
    "<img src='jav&#x0A;ascript:alert(1)'>", '<img src=" &#14; javascript:alert(1)">', "<img src='data:text/html,<script>alert(1)</script>'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>", "<img src=//x.test/a.png>", "<img src='\\\\x.test\\a.png'>", "<img src=/a.png>",
    "<img srcset='http://x.test/a.png 2x'>", "<img lowsrc=http://x.test/a.png dynsrc=http://x.test/a.avi longdesc=http://x.test/>",
    "<picture><source srcset=http://x.test/a.png><img src=cid:a@b></picture>",
    "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'>", "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>", "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    "<form action=javascript:alert(1)><input type=submit><button formaction=javascript:alert(1)>x</button></form>",
    "<form id=x></form><button form=x formaction=http://x.test>x</button>", "<input type=image src=http://x.test/a.png>",
    "<input onfocus=alert(1) autofocus>", "<select onfocus=alert(1) autofocus>", "<textarea onfocus=alert(1) autofocus>x", "<keygen onfocus=alert(1)>",
    "<isindex action=javascript:alert(1) type=image>", "<body onload=alert(1) background=javascript:alert(1)>", "<body background=http://x.test/a.png>",
    "<iframe src=javascript:alert(1)>", "<iframe srcdoc='<script>alert(1)</script>'>", "<frameset onload=alert(1)><frame src=http://x.test></frameset>",
    "<object data=javascript:alert(1)>", "<object classid=clsid:x><param name=url value=http://x.test></object>", "<embed src=http://x.test/a.swf>",
    "<applet code=x>", "<link rel=stylesheet href=http://x.test/x.css>", "<link rel=import href=http://x.test/>", "<base href=http://x.test/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>", "<meta http-equiv=Set-Cookie content=x>",
    "<video src=http://x.test/a.mp4 poster=http://x.test/a.png onerror=alert(1)></video>", "<audio src=http://x.test/a.mp3 autoplay>",
    "<video><source onerror=alert(1)></video>", "<bgsound src=http://x.test/a.mid>", "<marquee onstart=alert(1)>x</marquee>",
    "<details ontoggle=alert(1) open>x</details>", "<a href=javascript:alert(1)>x</a>", "<a href=' javascript:alert(1)'>x</a>",
    "<a href='java&Tab;script:alert(1)'>x</a>", "<a href='\x01javascript:alert(1)'>x</a>", "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>", "<a href=data:text/html;base64,PHNjcmlwdD4=>x</a>", "<a href=file:///etc/passwd>x</a>",
    "<a href=//x.test>x</a>", "<a href=/logout>x</a>", "<a href='#x' onclick=alert(1)>x</a>", "<a href=http://x.test target=_self rel=opener>x</a>",
    "<a href=http://x.test ping=http://y.test>x</a>", "<a href='x:javascript:alert(1)'>x</a>", "<a style='x:expression(alert(1))' href=http://x.test>x</a>",
    "<a href='feed:javascript:alert(1)'>x</a>", "<a href=cid:a@b>x</a>", "<area href=javascript:alert(1)>", "<map name=x><area href=http://x.test shape=default></map><img usemap=#x src=cid:a@b>",
    '<div style="background:url(http://x.test/a.png)">x</div>', "<div style=\"background-image:url('javascript:alert(1)')\">x</div>",
    "<div style='width:expression(alert(1))'>x</div>", "<div style='width:exp/**/ression(alert(1))'>x</div>", "<div style='behavior:url(x.htc)'>x</div>",
    "<div style='-moz-binding:url(http://x.test/x.xml#y)'>x</div>", "<div style='\\62 ackground:u\\72l(http://x.test)'>x</div>",
    "<div style='color:red;position:fixed;top:0;left:0;width:100vw;height:100vh;z-index:99'>x</div>", "<div style='position:absolute'>x</div>",
    "<div style='margin:-100px'>x</div>", "<div style='margin-top:-9em;text-indent:-999px'>x</div>", "<div style='transform:translate(-99px)'>x</div>",
    "<div style='width:99999px;height:1e9px'>x</div>", "<div style='list-style:url(http://x.test/a.png)'>x</div>", "<div style='content:url(http://x.test)'>x</div>",
    "<div style='cursor:url(http://x.test/a.cur)'>x</div>", "<div style='background:image-set(\"http://x.test/a.png\" 1x)'>x</div>",
    "<div style='background:var(--x)'>x</div>", "<div style=\"font-family:'x;background:url(http://x.test)'\">x</div>", "<div style='color:red/*'>x</div>",
    "<style>@import 'http://x.test/x.css';body{background:url(http://x.test)}</style>", "<style><!--</style><img src=x onerror=alert(1)>-->",
    "<p class=x id=y name=z contenteditable tabindex=1 accesskey=x draggable=true itemscope slot=x is=x>x</p>", "<img name=getElementById id=body src=cid:a@b>",
    "<table background=http://x.test/a.png><tr><td background=javascript:alert(1)>x</td></tr></table>", "<td background='//x.test/a.png'>",
    "<template><script>alert(1)</script></template>", "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<title><img src=x onerror=alert(1)></title>", "<textarea><img src=x onerror=alert(1)></textarea>", "<xmp><img src=x onerror=alert(1)></xmp>",
    "<noembed><img src=x onerror=alert(1)></noembed>", "<plaintext><img src=x onerror=alert(1)>", "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<!--><img src=x onerror=alert(1)>-->", "<!-- --!><img src=x onerror=alert(1)>-->", "<![CDATA[<img src=x onerror=alert(1)>]]>", "<?xml-stylesheet href=javascript:alert(1)?><p>x</p>",
    "<x onclick=alert(1)>x</x>", "<p\x00 onclick=alert(1)>x</p>", "<p/onclick=alert(1)>x</p>", "<p title='\" onclick=alert(1) x=\"'>x</p>",
    "<a href='http://x.test/\" onclick=\"alert(1)'>x</a>", "<img alt='`><script>alert(1)</script>' src=cid:a@b>", "<o:p onclick=alert(1)>x</o:p>",
    "<v:shape style='behavior:url(#default#VML)' onerror=alert(1)>", "<font color='red;x:expression(alert(1))' face=x>x</font>",
    "<dialog open style='position:fixed'>x</dialog>", "<portal src=http://x.test>", "<slot onslotchange=alert(1)>x</slot>", "<img src='http://x.test/a.png\" onerror=\"alert(1)'>",
    '<img src="https://x.test/?a=1&amp;b=&quot; src=&quot;cid:x">',
]  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS)
def test_no_vector_leaves_anything_that_acts_or_loads(vector: str) -> None:
    for markup in (vector, f"<div>before {vector} after</div>", f"<table><tr><td>{vector}", vector.upper()):
        clean = sanitise_html(markup)
        assert faults(clean) == []
        assert sanitise_html(clean).count("<") <= clean.count("<")


@given(
    st.lists(
        st.sampled_from(
            [*VECTORS, "<", ">", '"', "'", "=", "</", "<!--", "-->", "<td>", "</td>", "<p ", "style=", "&#", " "]
        ),
        max_size=12,
    ).map("".join)
)
@settings(max_examples=300, deadline=None)
def test_no_mixture_of_vectors_does(markup: str) -> None:
    assert faults(sanitise_html(markup)) == []


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>a <b>b</b> &amp; c</p>", "<p>a <b>b</b> &amp; c</p>"),
        ('<img src="cid:logo@x" alt="Logo" width="20">', '<img src="cid:logo@x" alt="Logo" width="20">'),
        ('<img src="http://x.test/a.png?b=1&amp;c=2" alt="A">', '<img data-remote-src="http://x.test/a.png?b=1&amp;c=2" alt="A">'),
        ('<img src="//x.test/a.png">', '<img data-remote-src="https://x.test/a.png">'),
        ('<img src="data:image/png;base64,iVBORw0KGgo=">', '<img src="data:image/png;base64,iVBORw0KGgo=">'),
        ('<table background="https://x.test/a.png"><tr><td>x</td></tr></table>', '<table data-remote-background="https://x.test/a.png"><tbody><tr><td>x</td></tr></tbody></table>'),
        ('<a href="https://x.test/?a=1" title="t">x</a>', '<a href="https://x.test/?a=1" title="t" rel="noopener noreferrer nofollow" target="_blank">x</a>'),
        ('<a href="mailto:a@b.test">x</a>', '<a href="mailto:a@b.test" rel="noopener noreferrer nofollow" target="_blank">x</a>'),
        ('<p style="color: red; position: fixed; margin: 0 0 1em">x</p>', '<p style="color: red; margin: 0 0 1em">x</p>'),
        ("<title>Offer</title><p>x</p>", '<div hidden="">Offer</div><p>x</p>'),
        ('<form><label>Name</label><input value="x"><button>Send</button></form>', "NameSend"),
        ('<img width="99999" height="10" src="cid:a@b">', '<img height="10" src="cid:a@b">'),
        ("<style>p{color:red}</style><p>x</p><script>y()</script>", "<p>x</p>"),
    ],
)  # fmt: skip
def test_what_stays_and_what_is_marked(markup: str, expected: str) -> None:
    def tags(text: str) -> list[object]:
        return [
            (element.tag, sorted(element.attrib.items()), element.text, element.tail)
            for element in lxml_html.fragment_fromstring(text, create_parent="div").iter()
        ]

    assert tags(sanitise_html(markup)) == tags(expected)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("color:#ff0000;font:12px/1.5 Arial,sans-serif", "color: #ff0000; font: 12px/1.5 Arial,sans-serif"),
        ("COLOR: RED !important", "color: RED !important"),
        ("background: rgb(255, 0, 0)", "background: rgb(255, 0, 0)"),
        ("background-color: rgba(0,0,0,.5); width: 100%", "background-color: rgba(0,0,0,.5); width: 100%"),
        ("font-family: 'Segoe UI', \"Helvetica Neue\"", "font-family: 'Segoe UI', \"Helvetica Neue\""),
        ("mso-line-height-rule: exactly; border-collapse: collapse", "border-collapse: collapse"),
        ("display: none", "display: none"),
        ("font-style: italic; list-style-type: disc", "font-style: italic; list-style-type: disc"),
        ("display: fixed", ""),
        ("width: 600px; max-width: 5000px; min-width: 100vw", "width: 600px"),
        ("margin: -1px; padding: 0 10px", "padding: 0 10px"),
        ("font-size: 500px", ""),
        ("border: 1px solid #ccc; border-top: none", "border: 1px solid #ccc; border-top: none"),
        ("color: red\\9", ""),
        ("width: calc(100% - 1px)", ""),
        ("", ""),
        ("color", ""),
        ("color:red;" * 1000, ""),
    ],
)
def test_styles(style: str, expected: str) -> None:
    assert safe_style(style) == expected


def test_a_page_too_deep_for_a_reader_keeps_its_words() -> None:
    assert sanitise_html("<div>" * 5_000 + "words") == '<div style="white-space: pre-wrap">words</div>'


def test_a_large_page_keeps_its_structure() -> None:
    rows = "<tr><td><b>a</b></td><td>b</td></tr>" * 3_000
    clean = sanitise_html(f"<table>{rows}</table>")
    assert clean.count("<tr>") == 3_000
    assert clean.count("<b>a</b>") == 3_000


def test_open_fonts_are_not_repeated_without_bound() -> None:
    bomb = "".join(f'<font color="#{n:06x}">' for n in range(1_000)) + "<p>x" * 1_000
    assert len(bomb) < 30_000
    assert len(sanitise_html(bomb)) < 1_000_000


def test_an_attribute_that_hides_thousands_of_others_costs_nothing() -> None:
    assert (
        bounded_html("<p " + " ".join(f"a{n}" for n in range(50_000)) + ">words") == "<html><body>words</body></html>"
    )
