"""What the accessibility checker axe finds in the page: nothing serious, light or dark, on a screen or a telephone."""

from importlib.resources import files
from typing import Any

import pytest

from tests.bench.report.web.browser import Page

pytestmark = pytest.mark.slow("the page in a browser")

FOUND = """axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations.map((violation) =>
    [violation.impact, violation.id, violation.nodes.slice(0, 5).map((node) => node.html.slice(0, 300))]))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, scheme: str) -> None:
    """With everything unfolded. The checker comes through the DevTools, so that the page's policy need not allow it."""
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    source = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    page.ask("Runtime.evaluate", expression=source)
    found: list[Any] = page.run(FOUND)
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []
