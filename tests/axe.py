"""What axe-core has to say about a page.

found = violations(page, ".nbs-view")
assert found == [], found
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

SCRIPT = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
needs_axe = pytest.mark.skipif(
    not SCRIPT.exists(), reason="axe-core is not installed: run npm ci in tests/node"
)
_RUN = """async ([scope, impacts]) => {
    const { violations } = await axe.run(scope, { resultTypes: ["violations"] });
    return violations
        .filter((one) => impacts.includes(one.impact))
        .flatMap((one) => one.nodes.map((node) => ({
            rule: one.id, impact: one.impact, html: node.html.slice(0, 200),
            why: node.failureSummary,
        })));
}"""


def violations(
    page: Page, scope: str = "body", impacts: tuple[str, ...] = ("serious", "critical")
) -> list[dict[str, Any]]:
    """What is wrong inside `scope`, a CSS selector: one entry for each rule and element."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(SCRIPT.read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate(_RUN, [scope, list(impacts)])
    return found
