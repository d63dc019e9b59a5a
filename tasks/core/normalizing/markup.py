"""Markup: HTML becomes text, with block elements as lines, list items marked, and links as `text (target)`.

A support reply is often just a link, so where one leads is kept when its text does not say it already. Most markup is
a few tags that nest well, and is read in one pass; the rest is parsed into a tree as a browser would. Both write alike.
"""

import re
from html import unescape
from html.entities import html5

from tasks.core.normalizing.markup_writing import BLOCKS, Writer, with_target

DROPPED = frozenset(re.findall(r"\S+", "script style template head title noscript svg iframe"))
PLAIN = frozenset(
    re.findall(
        r"\S+",
        "abbr b big cite code del em font i img ins kbd mark q s samp small span strike strong sub sup tt u "
        "var",
    )
)
RARE = frozenset(
    re.findall(
        r"\S+",
        "a audio body br button caption col colgroup html input label link meta o:p option select source "
        "tbody tfoot thead video",
    )
)
NESTING = frozenset(
    re.findall(
        r"\S+",
        "article aside blockquote dd div dl dt footer header li main nav ol p pre section ul",
    )
)
KNOWN = BLOCKS | DROPPED | PLAIN | RARE
NAMES = "|".join(sorted(KNOWN - {"s"}, key=len))
# A tag of HTML, not `<foo@bar.com>` or `<your name>`, which parsers would eat. `<s>` is a token of models: it counts as
# a tag only beside others.
TAG = re.compile(rf"<(?=[a-z/!])(?:/?(?:{NAMES})(?:\s[^<>]*)?/?>|!--|!doctype)", re.IGNORECASE)
LOOSE = re.compile(rf"<(?![a-z/!])|<(?!/?(?:s|{NAMES})(?:\s[^<>]*)?/?>|!doctype[^<>]*>)", re.IGNORECASE)
LOOSE_AMPERSAND = re.compile(r"&(?!#?\w{1,31};)")
HAS_BLOCK = re.compile(r"<(?:p|br|div|li|tr|blockquote|pre|h[1-6])\b", re.IGNORECASE)
PIECES = re.compile(r"<([^<>]+)>")
NAMED = re.compile(r"(/?)([a-z][a-z0-9:]*)(?:[\s/].*)?", re.IGNORECASE | re.DOTALL)
LINK = re.compile(r"""<a href="([^"<>]*)"(?: (?:rel|target|title|class)="[^"<>]*")*>([^<]*)</a>""")
CITED = re.compile(r"""type\W{1,4}cite|gmail_quote|moz-cite|yahoo_quoted""", re.IGNORECASE)
HIDING = re.compile(rf"<(?=[!sthni])(?:!--|({'|'.join(sorted(DROPPED))})(?:\s[^<>]*)?>)", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
COMMON_ENTITIES = (("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
# What the forum editor of Mozilla and others write for a button that was pressed with nothing selected.
PLACEHOLDER = re.compile(r"<(b|strong|i|em)>(?:bold|italic) text</\1>")
PRE_BREAK = re.compile(r"(<pre>)\n+")
# Nine of ten texts with markup are, once links are written, nothing but paragraphs, line breaks and emphasis.
SIMPLE = re.compile(r"(?:[^<]*+<p>[^<]*+(?:<(?:br|/?(?:b|i|em|strong|u|code))>[^<]*+)*+</p>)*+[^<]*+")
EMPHASIS = re.compile(r"</?(?:b|i|em|strong|u|code)>")
MOST_TAGS = 4000  # a parser's time grows with the square of the depth; beyond, tags are only taken out


def html_to_text(text: str, told: set[str], *, keep_lines: bool) -> str:
    """Give the text of markup and decode entities, one layer; `<` that opens no known tag stays text.

    In markup with blocks a line break is white space, as in a browser; elsewhere (`keep_lines`) it is what the writer meant.
    What precedes the first tag keeps its lines. Adds `html` and `entities` to `told`.
    """
    first = TAG.search(text) if "<" in text else None
    if first is None:
        return decode_entities(text, told)
    told.add("html")
    markup = text[first.start() :]
    if HIDING.search(markup):
        markup = _without_hidden(markup)
    if " text</" in markup:
        markup = PLACEHOLDER.sub("", markup)
    if "<a " in markup:
        markup = LINK.sub(lambda link: with_target(link[2], link[1]), markup)
    return decode_entities(text[: first.start()], told) + _read(markup, told, keep_lines)


def decode_entities(text: str, told: set[str]) -> str:
    """Decode entities that end in a semicolon, one layer; `?a=1&copy=2` is none."""
    if "&" not in text:
        return text
    before = text
    for entity, char in COMMON_ENTITIES:
        if entity in text:
            text = text.replace(entity, char)
    if "&" in text:
        text = ENTITY.sub(_decode, text)
    if text != before:
        told.add("entities")
    return text


def has_markup(text: str) -> bool:
    """Say whether a text still holds an HTML tag."""
    return "<" in text and TAG.search(text) is not None


def defuse(text: str) -> str:
    """Break up the tags and entities of a text that was escaped more often than anyone escapes."""
    return ENTITY.sub(lambda match: f"& {match[0][1:]}", TAG.sub(lambda match: f"< {match[0][1:]}", text))


def _decode(entity: re.Match[str]) -> str:
    name = entity[0][1:]
    return unescape(entity[0]) if name[0] == "#" else html5.get(name, entity[0])


def _without_hidden(markup: str) -> str:
    """Drop comments, scripts and the like; of one that never ends only its tag, where a browser hides all that follows."""
    lowered, kept, position = markup.lower(), [], 0
    endless: set[str] = set()
    while found := HIDING.search(markup, position):
        kept.append(markup[position : found.start()])
        position = found.end()
        end = f"</{found[1].lower()}" if found[1] else "-->"
        at = -1 if end in endless else lowered.find(end, position)
        if at < 0:
            endless.add(end)
        else:
            position = (lowered.find(">", at) + 1) or len(markup)
    return "".join([*kept, markup[position:]])


def _read(markup: str, told: set[str], keep_lines: bool) -> str:
    if "<pre" in markup:
        markup = PRE_BREAK.sub(r"\1", markup)
    elif not keep_lines:
        markup, keep_lines = markup.replace("\n", " "), True
    if keep_lines and SIMPLE.fullmatch(markup):
        return decode_entities(_read_simply(markup), told)
    writer = Writer(keep_lines=keep_lines)
    if _read_tags(markup, writer):
        return decode_entities(writer.text(), told)
    if ENTITY.search(markup):
        told.add("entities")
    writer = Writer(keep_lines=keep_lines)
    if markup.count("<") <= MOST_TAGS:
        _read_tree(markup, writer)
        return writer.text()
    return decode_entities(TAG.sub("\n", markup), told)


def _read_simply(markup: str) -> str:
    text = markup.replace("<p>", "\n").replace("</p>", "\n").replace("<br>", "\n")
    return EMPHASIS.sub("", text) if "<" in text else text


def _read_tags(markup: str, writer: Writer) -> bool:
    """Write the text between tags, or say that they do not nest so that a browser would add and move nothing."""
    pieces = PIECES.split(markup)
    if markup.count("<") != len(pieces) // 2:
        return False
    blocks: list[str] = []
    for text, inside in zip(pieces[::2], pieces[1::2], strict=False):
        if text:
            writer.write(text)
        closing, name = TAGS.get(inside) or _parse_tag(inside)
        if name in PLAIN:
            continue
        if name == "":
            writer.write(f"<{inside}>")
        elif not _nests(closing, name, blocks):
            return False
        elif closing:
            writer.close(name)
        else:
            writer.open(name, cited=name == "blockquote" and CITED.search(inside) is not None)
    writer.write(pieces[-1])
    return not blocks


def _parse_tag(inside: str) -> tuple[bool, str]:
    """Say whether a tag closes and its name: empty when it is none, `?` where quotes do not close."""
    named = NAMED.fullmatch(inside)
    if named is None:
        return False, "b" if inside[:8].lower() == "!doctype" else ""
    name = named[2].lower()
    if name not in KNOWN:
        return False, ""
    paired = inside.count('"') % 2 == 0 and inside.count("'") % 2 == 0
    return named[1] == "/", name if paired else "?"


def _nests(closing: bool, name: str, blocks: list[str]) -> bool:
    if name == "br":
        return not closing
    if name not in NESTING:
        return False
    if closing:
        return bool(blocks) and blocks.pop() == name
    parent = blocks[-1] if blocks else ""
    blocks.append(name)
    listed = parent in ("ul", "ol", "dl")
    return parent not in ("p", "dt") and listed == (name in ("li", "dd", "dt"))


def _read_tree(markup: str, writer: Writer) -> None:
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(LOOSE_AMPERSAND.sub("&amp;", LOOSE.sub("&lt;", markup))).body
    if body is None:
        return
    pending = [("", body.iter(include_text=True))]
    while pending:
        for node in pending[-1][1]:
            name = node.tag or ""
            if name == "-text":
                writer.write(node.text_content or "")
            elif name != "-comment":
                href = node.attributes.get("href") if name == "a" else None
                cited = name == "blockquote" and CITED.search(str(node.attributes)) is not None
                writer.open(name, href or "", cited=cited)
                pending.append((name, node.iter(include_text=True)))
                break
        else:
            writer.close(pending.pop()[0])


TAGS: dict[str, tuple[bool, str]] = {
    f"{slash}{name}": (slash == "/", name) for name in PLAIN | NESTING | {"br"} for slash in ("", "/")
}
