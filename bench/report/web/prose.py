"""The Markdown that other modules write -> HTML that can harm nobody: what is not ours is shown as text."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

DETAILS = re.compile(r"^<details><summary>([^<>\n]*)</summary>\n\n(.*?)\n\n</details>$", re.MULTILINE | re.DOTALL)


def html(markdown: str, anchors: Mapping[str, str], images: Mapping[str, bytes], demote: int = 0) -> Markup:
    """`markdown` as HTML.

    Args:
        anchors: record's file -> its place in the page, which mentions of the file become links to.
        images: PNG files by name; any other image is shown as its description.
        demote: levels that headings are moved down.
    """
    environment = {"anchors": anchors, "images": images, "demote": demote}
    parts, at = [], 0
    for found in DETAILS.finditer(markdown):
        parts.append(_render(markdown[at : found.start()], environment))
        inner = _render(found[2], environment)
        parts.append(Markup("<details><summary>{}</summary>{}</details>").format(found[1], inner))
        at = found.end()
    return Markup("").join([*parts, _render(markdown[at:], environment)])


def inline(markdown: str, anchors: Mapping[str, str]) -> Markup:
    """One paragraph of Markdown without the paragraph around it."""
    return Markup(PARSER.renderInline(markdown, {"anchors": anchors, "images": {}, "demote": 0}))


def _render(markdown: str, environment: dict[str, Any]) -> Markup:
    return Markup(PARSER.render(markdown, dict(environment)))


def _code(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    text = tokens[index].content
    anchor = env["anchors"].get(text)
    code = Markup("<code>{}</code>").format(text)
    return Markup('<a href="#{}">{}</a>').format(anchor, code) if anchor else code


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    token = tokens[index]
    data = env["images"].get(token.attrs.get("src"))
    if data is None:
        return str(escape(token.content))
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return Markup('<img src="{}" alt="{}">').format(source, token.content)


def _heading(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    level = min(6, int(tokens[index].tag[1:]) + env["demote"])
    return f"<h{level}>" if tokens[index].nesting == 1 else f"</h{level}>\n"


def _column(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    right = "right" in str(tokens[index].attrs.get("style", ""))
    return '<th scope="col" class="number">' if right else '<th scope="col">'


def _cell(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    return '<td class="number">' if "right" in str(tokens[index].attrs.get("style", "")) else "<td>"


def _table(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    return '<div class="scroll"><table class="sortable">'


def _table_end(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    return "</table></div>\n"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules = {"code_inline": _code, "image": _image, "heading_open": _heading, "heading_close": _heading}
    rules |= {"th_open": _column, "td_open": _cell, "table_open": _table, "table_close": _table_end}
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


PARSER = _parser()
