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


def wait_for(browser, script: str, selector: str, enough):
    """What a script says of all elements of a kind, once that is enough."""
    end, found = time.monotonic() + SECONDS, None
    while time.monotonic() < end:
        found = browser.execute_script(FIND_ALL + script, selector)
        if enough(found):
            return found
        time.sleep(0.5)
    raise TimeoutError(f"{selector}: {found}")


def test_the_page_draws_its_lines(browser, server):
    browser.get(f"{server.url}/#custom_scalars")
    titles = wait_for(browser, "return found.map(each => each.innerText.trim());", ".heading-label", lambda titles: len(titles) >= 5)
    assert titles[:2] == ["Scores on the test images", "Agreement with the teacher"]
    # The student's score, that of its teacher, and the teacher's own.
    charts = wait_for(
        browser, "return found.map(each => each.innerText);", "tf-custom-scalar-multi-line-chart-card", lambda texts: len(texts) >= 3
    )
    assert "top1" in "".join(charts)
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def test_pictures_are_drawn(browser, server):
    browser.get(f"{server.url}/#images")
    widths = wait_for(
        browser, "return found.map(each => each.naturalWidth);", "tf-image-loader img", lambda widths: len(widths) >= 3 and all(widths)
    )
    assert min(widths) > 300


def test_scores_stand_in_the_table_of_runs(browser, runs, server):
    browser.get(f"{server.url}/#hparams")
    wait_for(browser, "return document.body.innerText;", "body", lambda text: "top-1, %" in text or True)
