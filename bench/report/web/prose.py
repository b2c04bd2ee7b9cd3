"""The Markdown that other modules write -> HTML that can harm nobody: what is not ours is shown as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape


def html(markdown: str, anchors: Mapping[str, str], demote: int = 0) -> Markup:
    """`markdown` as HTML.

    Args:
        anchors: record's file -> its place in the page, which mentions of the file become links to.
        demote: levels that headings are moved down.
    """
    return Markup(PARSER.render(markdown, {"anchors": anchors, "demote": demote}))


def _code(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    text = tokens[index].content
    anchor = env["anchors"].get(text)
    code = Markup("<code>{}</code>").format(text)
    return Markup('<a href="#{}">{}</a>').format(anchor, code) if anchor else code


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    return str(escape(tokens[index].content))  # in words: a page loads nothing


def _heading(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Any]) -> str:
    level = min(6, int(tokens[index].tag[1:]) + env["demote"])
    return f"<h{level}>" if tokens[index].nesting == 1 else f"</h{level}>\n"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    rules = {"code_inline": _code, "image": _image, "heading_open": _heading, "heading_close": _heading}
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


PARSER = _parser()
