"""TensorBoard as a browser shows it; skipped where there is no Chromium with its driver."""

import time

import pytest

from tests.browser import needs_browser, open_browser

pytestmark = needs_browser
SECONDS = 90
# TensorBoard's elements lie in shadow trees.
FIND_ALL = """
const found = [];
const look = root => root.querySelectorAll('*').forEach(each => {
  if (each.matches(arguments[0])) found.push(each);
  if (each.shadowRoot) look(each.shadowRoot);
});
look(document);
"""


@pytest.fixture(name="browser", scope="module")
def make_browser(tmp_path_factory):
    with open_browser(str(tmp_path_factory.mktemp("chromium"))) as browser:
        browser.set_window_size(1400, 1800)
        yield browser


def wait_for(browser, selector: str, say: str, enough):
    """What an expression says of each element of a kind, once that is enough."""
    end, found = time.monotonic() + SECONDS, None
    while time.monotonic() < end:
        found = browser.execute_script(f"{FIND_ALL} return found.map(each => {say});", selector)
        if enough(found):
            return found
        time.sleep(0.5)
    raise TimeoutError(f"{selector}: {found}")


def test_the_page_draws_its_lines_from_top_to_bottom(browser, server):
    browser.get(f"{server.url}/#custom_scalars")
    titles = wait_for(browser, ".category-name", "each.innerText.trim()", lambda titles: len(titles) >= 5)
    assert titles[:3] == ["Scores on the test images", "Agreement with the teacher", "Loss"]
    charts = wait_for(browser, "tf-custom-scalar-multi-line-chart-card", "each.title", lambda charts: len(charts) >= 3)
    assert "top1" in charts and len(charts) == len(set(charts))
    # The student's score, that of its teacher, and the teacher's own.
    wait_for(browser, ".line-plot path", "(each.getAttribute('d') || '').length", lambda lines: sum(line > 10 for line in lines) >= 3)
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_pictures_are_drawn(browser, server):
    browser.get(f"{server.url}/#images")
    shown = "each.src.includes('individualImage') ? each.naturalWidth : 0"
    widths = wait_for(browser, "img", shown, lambda widths: sum(width > 0 for width in widths) >= 3)
    assert min(width for width in widths if width) > 300


def test_the_table_of_runs_has_a_column_for_each_score(browser, server):
    browser.get(f"{server.url}/#hparams")
    names = wait_for(browser, ".metric-checkbox", "each.innerText.trim()", lambda names: len(names) >= 4)
    assert names == ["top-1, %", "NRMSE, %", "NRMSE above 10, %", "rank-1, %", "cosine to the teacher"]
