"""Markdown from records and modules: what becomes HTML, and what stays text."""

from bench.report.web.prose import html


def test_html_in_a_name_is_text() -> None:
    text = html("**<script>alert(1)</script>**\n\n- a<b>\n- <img src=x onerror=alert(1)>", {})
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_nothing_unfolds_that_is_not_a_part() -> None:
    assert "<details" not in html("<details><summary>x</summary>\n\nx\n\n</details>", {})


def test_links_lead_nowhere_dangerous_and_nothing_is_loaded() -> None:
    text = html("[a](javascript:alert(1)) ![from afar](http://example.org/a.png)", {})
    assert "href" not in text
    assert "example.org" not in text
    assert "from afar" in text


def test_a_record_that_is_mentioned_is_linked() -> None:
    assert html("see `a.json` and `b.json`", {"a.json": "here"}) == (
        '<p>see <a href="#here"><code>a.json</code></a> and <code>b.json</code></p>\n'
    )


def test_headings_move_down() -> None:
    assert "<h4>x</h4>" in html("## x", {}, demote=2)
