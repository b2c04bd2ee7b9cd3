"""Markdown from records and modules: what becomes HTML, and what stays text."""

from bench.report.web.prose import html, inline


def test_html_in_a_name_is_text() -> None:
    text = html("**<script>alert(1)</script>**\n\n| a<b> |\n|:--|\n| <img src=x onerror=alert(1)> |", {}, {})
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_only_our_own_details_unfold_and_their_titles_are_text() -> None:
    assert "<details><summary>Every cell</summary><p>x</p>" in html(
        "a\n\n<details><summary>Every cell</summary>\n\nx\n\n</details>\n\nb", {}, {}
    )
    assert "<details" not in html("<details><summary><b>x</b></summary>\n\nx\n\n</details>", {}, {})
    assert "<details" not in html("a <details><summary>x</summary> b", {}, {})


def test_links_lead_nowhere_dangerous_and_images_are_our_own() -> None:
    text = html("[a](javascript:alert(1)) ![from afar](http://example.org/a.png) ![mine](a.png)", {}, {"a.png": b"x"})
    assert "href" not in text
    assert "example.org" not in text
    assert "from afar" in text
    assert '<img src="data:image/png;base64,eA==" alt="mine">' in text


def test_a_record_that_is_mentioned_is_linked() -> None:
    assert inline("see `a.json` and `b.json`", {"a.json": "here"}) == (
        'see <a href="#here"><code>a.json</code></a> and <code>b.json</code>'
    )


def test_tables_have_scopes_and_headings_move_down() -> None:
    text = html("## x\n\n| a | b |\n|:--|--:|\n| c | 1 |", {}, {}, demote=2)
    assert "<h4>x</h4>" in text
    assert '<th scope="col">a</th>' in text
    assert '<th scope="col" class="number">b</th>' in text
    assert '<td class="number">1</td>' in text
