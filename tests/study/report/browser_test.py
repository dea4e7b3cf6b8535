"""The report as a browser shows it, on a phone, on a desk and on paper; skipped where there is no Chromium with its driver."""

import base64
import re

import pytest

from tests.browser import needs_browser, open_browser
from tests.study.report.page import read_page

pytestmark = needs_browser


@pytest.fixture(name="browser", scope="module")
def make_browser(tmp_path_factory):
    with open_browser(str(tmp_path_factory.mktemp("chromium"))) as browser:
        yield browser


def show(browser, page, width, height, scheme="light"):
    """Opens the page in a window of that size; the browser finds nothing wrong with it."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600}
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.get(f"file://{page}")
    assert browser.get_log("browser") == []


def test_the_browser_tells_of_errors(browser, tmp_path):
    """What the other tests rely on."""
    (tmp_path / "wrong.html").write_text("<!DOCTYPE html><script>nothing()</script>")
    browser.get(f"file://{tmp_path / 'wrong.html'}")
    assert len(browser.get_log("browser")) == 1


@pytest.mark.parametrize(("width", "height"), [(360, 740), (820, 1180), (1200, 900)])
def test_the_page_fits(browser, page, width, height):
    show(browser, page, width, height)
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = browser.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3, p, dl, nav, figure, img, .scroll, .card')]"
        ".map(each => each.getBoundingClientRect()).filter(box => box.left < 0 || box.right > innerWidth).length"
    )
    assert outside == 0


def test_wide_tables_scroll_inside_their_box(browser, page):
    show(browser, page, 360, 740)
    boxes = browser.execute_script("return [...document.querySelectorAll('.scroll')].map(box => [box.scrollWidth, box.clientWidth])")
    assert len(boxes) == 5 + 2
    assert any(inside > outside for inside, outside in boxes)
    moved = browser.execute_script("const box = document.querySelector('#ledger .scroll'); box.scrollLeft = 1e4; return box.scrollLeft")
    assert moved > 0
    # The names of the rows stay in sight.
    left = browser.execute_script("return document.querySelector('#ledger tbody th').getBoundingClientRect().left")
    assert 0 <= left < 30


def test_every_picture_is_drawn(browser, page):
    show(browser, page, 360, 740)
    sizes = browser.execute_script("return [...document.images].map(image => [image.complete, image.naturalWidth, image.clientWidth])")
    assert len(sizes) == len(read_page(page).attributes("img", "src"))
    assert all(complete and natural > 0 and shown > 0 for complete, natural, shown in sizes)


def test_the_contents_lead_to_their_sections(browser, page):
    show(browser, page, 360, 740)
    links = browser.find_elements("css selector", "nav a")
    assert len(links) == 8
    for link in links:
        browser.execute_script("scrollTo(0, 0)")
        browser.execute_script("arguments[0].click()", link)
        anchor = link.get_attribute("href").partition("#")[2]
        top, last = browser.execute_script(
            "return [document.getElementById(arguments[0]).getBoundingClientRect().top, "
            "scrollY + innerHeight >= document.documentElement.scrollHeight - 1]", anchor,
        )  # fmt: skip
        assert abs(top) < 2 or (last and 0 < top < 740)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_light_and_dark(browser, page, scheme, dark):
    show(browser, page, 1200, 900, scheme)
    body, text, card = (
        luminance(browser.execute_script(f"return getComputedStyle(document.querySelector('{what}')).{colour}"))
        for what, colour in (("body", "backgroundColor"), ("body", "color"), (".figures figure", "backgroundColor"))
    )
    assert (body < 40) == dark and (text > 200) == dark
    # Figures are drawn for white paper.
    assert card == 255


def luminance(colour):
    """The mean of red, green and blue of `rgb(...)`."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_the_page_prints(browser, page):
    show(browser, page, 1200, 900, "dark")
    # Emulated colours would be printed too.
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert luminance(browser.execute_script("return getComputedStyle(document.body).backgroundColor")) == 255
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    document = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"])
    assert document.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", document)) > 1


def test_no_table_is_cut_on_paper(browser, page):
    # A4 at 96 dots an inch, less its margins.
    show(browser, page, 688, 1000)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    widths = browser.execute_script("return [...document.querySelectorAll('table')].map(table => table.getBoundingClientRect().right)")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert len(widths) == 7 and max(widths) <= 688
