"""The page in a real browser."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.app.conftest import COUNT, GRADIOS_WARNINGS, Served
from tests.command_line import lseg

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.slow, *GRADIOS_WARNINGS]

PATIENCE_MS = 45_000  # a busy machine is not a fault


class Seen:
    """A page that somebody has open, and what it asked for."""

    def __init__(self, browser: "Browser", served: Served, width: int = 1400, scheme: Any = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(served.address)
        self.result.wait_for()

    @property
    def result(self) -> "Locator":
        return self.page.locator("#lseg-result img")

    @property
    def status(self) -> "Locator":
        return self.page.locator("#lseg-status [role=status]")

    def pixels(self, frame: str = "#lseg-result") -> NDArray[np.uint8]:
        """Of the picture that a frame shows."""
        source = self.page.locator(f"{frame} img").get_attribute("src")
        assert source is not None
        with Image.open(io.BytesIO(self.page.request.get(source).body())) as image:
            return np.asarray(image.convert("RGB"))

    def changing(self) -> str:
        """What is to be handed to `changed`."""
        return self.result.get_attribute("src") or ""

    def changed(self, before: str) -> None:
        """Waits until another result is shown."""
        self.page.wait_for_function(
            "before => document.querySelector('#lseg-result img')?.getAttribute('src') !== before", arg=before
        )

    def type(self, labels: str) -> None:
        self.page.locator("#lseg-labels textarea").fill(labels)

    def says(self, text: str) -> None:
        """Waits until the status holds a text."""
        self.page.locator("#lseg-status [role=status]").filter(has_text=re.compile(text)).wait_for()


@pytest.fixture
def seen(browser: "Browser", served: Served) -> Iterator[Seen]:
    made = Seen(browser, served)
    yield made
    assert made.errors == []
    made.context.close()


def test_labels_that_are_typed_change_the_mask(seen: Seen, served: Served) -> None:
    before, source = seen.pixels(), seen.changing()
    seen.type("sky, other")
    seen.changed(source)
    seen.says("2 labels")
    assert (seen.pixels() != before).any()
    chips = seen.page.locator("#lseg-chips li")
    assert [chip.get_attribute("value") for chip in chips.locator("input").all()] == ["sky", "other"]
    assert all(url.startswith((served.address, "data:", "blob:")) for url in seen.requests)


def test_of_labels_that_are_typed_fast_the_last_count(seen: Seen) -> None:
    seen.type("")
    seen.says("Type some labels")
    seen.requests.clear()
    text = "cloud, temple, forest, lake, something else"
    seen.page.locator("#lseg-labels textarea").press_sequentially(text)
    seen.page.locator("#lseg-chips li input[value='something else']").wait_for()  # "so" is a fifth label as well
    fields = seen.page.locator("#lseg-chips li input")
    assert [each.get_attribute("value") for each in fields.all()] == text.split(", ")
    assert sum("queue/join" in url for url in seen.requests) < len(text)


def test_a_click_lists_the_best_labels(seen: Seen) -> None:
    seen.type("sky, building, tree, water, road, other")
    seen.says("6 labels")
    seen.result.click(position={"x": 40, "y": 20})
    rows = seen.page.locator("#lseg-best tbody tr")
    rows.nth(4).wait_for()
    shares = [float(row.locator("td").nth(1).inner_text().rstrip("%")) for row in rows.all()]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    assert rows.first.locator("td").first.inner_text() == "sky"


def test_the_pointer_names_the_label_and_the_keyboard_asks_for_the_best(seen: Seen) -> None:
    seen.type("sky, building, tree, water, road, other")
    seen.says("6 labels")
    seen.result.hover(position={"x": 40, "y": 20})
    tip = seen.page.locator(".lseg-tip")
    tip.filter(has_text="sky").wait_for()
    seen.page.locator("#lseg-result").focus()
    seen.page.keyboard.press("ArrowUp")
    assert seen.page.locator(".lseg-cross").is_visible()
    seen.page.keyboard.press("Enter")
    seen.page.locator("#lseg-best tbody tr").nth(4).wait_for()


def test_pixels_below_a_threshold_lose_their_label(seen: Seen) -> None:
    seen.type("sky, building, tree, water")
    seen.says("4 labels")
    before, source = seen.page.locator(".lseg-figures").all_inner_texts(), seen.changing()
    seen.page.get_by_role("spinbutton", name=re.compile("Minimum confidence")).fill("0.9")
    seen.page.keyboard.press("Tab")
    seen.changed(source)
    after = seen.page.locator(".lseg-figures").all_inner_texts()
    assert sum(float(text.split("%")[0]) for text in before) == pytest.approx(100, abs=2)
    assert sum(float(text.split("%")[0]) for text in after) < 95


def test_a_label_of_the_list_is_renamed_moved_removed_and_shown_alone(seen: Seen) -> None:
    page = seen.page
    first = page.locator("#lseg-chips li").first.locator("input")
    first.fill("cloud=cloud|fog")
    first.press("Enter")
    box = page.locator("#lseg-labels textarea")
    page.wait_for_function("() => document.querySelector('#lseg-labels textarea').value.startsWith('cloud=')")
    page.get_by_role("button", name="Move down cloud").click()
    page.get_by_role("button", name="Remove tree").click()
    page.wait_for_function("() => !document.querySelector('#lseg-labels textarea').value.includes('tree')")
    assert box.input_value() == "building, cloud=cloud|fog"
    seen.says("2 labels")
    source = seen.changing()
    page.get_by_role("button", name="Show the heat map of cloud").click()
    page.get_by_role("radio", name="heat map", checked=True).wait_for()
    seen.changed(source)


def test_a_label_is_text_and_never_part_of_the_page(seen: Seen) -> None:
    seen.type('<img src\\=x onerror\\="document.title\\=1">, ${document.title\\=2}, {{constructor}}, sky')
    seen.says("4 labels")
    fields = seen.page.locator("#lseg-chips li input")
    assert fields.first.input_value() == '<img src\\=x onerror\\="document.title\\=1">'
    assert fields.nth(1).input_value() == "${document.title\\=2}"
    assert fields.nth(2).input_value() == "{{constructor}}"
    assert seen.page.locator("#lseg-chips img").count() == 0
    assert seen.page.title() == "lseg"


def test_what_is_wrong_is_a_sentence_and_the_page_goes_on(seen: Seen, tmp_path: Path) -> None:
    seen.type("")
    seen.says("Type some labels")
    seen.type(", ".join(f"label {number}" for number in range(300)))
    seen.says("These are 300 labels")
    seen.type("@/etc/passwd")
    seen.says("no files are read here")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    seen.page.locator("#lseg-inbox input[type=file]").set_input_files(broken)
    seen.says(r"broken\.jpg")
    assert "Traceback" not in seen.page.content()
    seen.type("sky, road")
    seen.says("2 labels")


def test_a_picture_of_the_gallery_and_one_that_is_dropped(seen: Seen, tmp_path: Path) -> None:
    before = seen.pixels("#lseg-original")
    seen.page.locator("#lseg-gallery button.thumbnail-item, #lseg-gallery .thumbnail-item").nth(1).click()
    seen.page.get_by_text("Original: 1.jpg, 168 x 120").first.wait_for()
    assert seen.pixels("#lseg-original").shape != before.shape
    turned = Image.new("RGB", (90, 60), "navy")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    seen.page.locator("#lseg-inbox input[type=file]").set_input_files(tmp_path / "turned.png")
    seen.page.get_by_text("Original: turned.png, 60 x 90").first.wait_for()
    assert seen.pixels("#lseg-original").shape == (90, 60, 3)


def test_the_mask_that_is_taken_away_is_that_of_segment(
    seen: Seen, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.type("sky, building, tree, other")
    seen.says("4 labels")
    seen.page.get_by_role("tab", name="Take away").click()
    seen.page.get_by_role("button", name="Make mask, overlay").click()
    seen.says("The files are ready")
    with seen.page.expect_download() as download:
        seen.page.locator("#lseg-files a[download]").first.click()
    download.value.save_as(tmp_path / "mask.png")
    monkeypatch.chdir(served.folder)
    assert lseg("segment", "photos/0.jpg", "-l", "sky, building, tree, other", "-o", tmp_path / "out", "-q") == 0
    assert (tmp_path / "mask.png").read_bytes() == (tmp_path / "out" / "masks" / "0.png").read_bytes()


def test_the_command_runs_on_the_folder(seen: Seen, served: Served) -> None:
    seen.page.get_by_role("tab", name="Take away").click()
    assert "lseg segment photos -l 'sky, building, tree' --save overlay -o out" in (
        seen.page.locator("#lseg-command textarea").input_value()
    )
    seen.page.get_by_label("Folder for the results").fill("../elsewhere")
    seen.page.get_by_role("button", name="Run it here").click()
    seen.says("is not a folder under")
    seen.page.get_by_label("Folder for the results").fill("from-the-page")
    seen.page.get_by_role("button", name="Run it here").click()
    seen.page.get_by_text(f"{COUNT} of {COUNT} pictures are segmented").wait_for()
    assert len(list((served.folder / "from-the-page" / "masks").iterdir())) == COUNT


def test_compared_and_on_twelve_pictures(seen: Seen) -> None:
    seen.page.get_by_role("tab", name="Compare").click()
    seen.page.locator("#lseg-labels-a textarea").fill("sky, building")
    seen.page.locator("#lseg-labels-b textarea").fill("flower, water")
    seen.page.get_by_role("button", name="Compare on this picture").click()
    for side in "ab":
        seen.page.locator(f"#lseg-compare-{side} img").wait_for()
    assert (seen.pixels("#lseg-compare-a") != seen.pixels("#lseg-compare-b")).any()
    seen.page.get_by_role("tab", name="Many pictures").click()
    seen.page.get_by_role("button", name="Show these labels on twelve pictures").click()
    seen.says(f"{COUNT} of {COUNT} pictures")
    assert seen.page.locator("#lseg-grid img").count() >= COUNT


def test_two_people_at_once_see_their_own(browser: "Browser", served: Served) -> None:
    one, two = Seen(browser, served), Seen(browser, served, width=420)
    assert len(served.bench.sessions) >= 2
    one.type("sky, water")
    two.type("flower, leaf, other")
    one.says("2 labels")
    two.says("3 labels")
    one.page.locator("#lseg-gallery .thumbnail-item").nth(2).click()
    one.page.get_by_text("Original: 2.jpg").first.wait_for()
    assert two.page.get_by_text("Original: 0.jpg").first.is_visible()
    for each in (one, two):
        each.context.close()
    for _ in range(100):
        if len(served.bench.sessions) == 0:
            break
        time.sleep(0.1)
    assert len(served.bench.sessions) == 0


def test_every_control_has_a_name(seen: Seen) -> None:
    unnamed = seen.page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select, [role=tab], [tabindex="0"]')]
        .filter(each => each.offsetParent !== null && each.type !== 'file')
        .filter(each => !(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby')
            || each.innerText?.trim() || each.title || each.closest('label')?.innerText.trim()
            || (each.labels && each.labels.length) || each.querySelector('img[alt]:not([alt=""])')))
        .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert unnamed == []


# Contrast of every text with what lies behind it, as WCAG 2.2 has it: those below 4.5 (section 1.4.3).
FAINT = """() => {
  const parts = (color) => [...color.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const linear = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const over = (front, back) => [0, 1, 2].map((each) => front[each] * front[3] + back[each] * (1 - front[3]));
  const faint = [];
  for (const each of document.querySelectorAll('body *')) {
    const box = each.getBoundingClientRect();
    const hasText = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!hasText || !box.width || !box.height || getComputedStyle(each).visibility !== 'visible') continue;
    const layers = [];
    for (let node = each; node; node = node.parentElement) layers.push(parts(getComputedStyle(node).backgroundColor));
    const solid = layers.findIndex((layer) => layer[3] === 1);
    const upper = layers.slice(0, solid + 1 || undefined).reverse();
    const back = upper.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    const [one, other] = [light(over(parts(getComputedStyle(each).color), back)), light(back)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.push([contrast.toFixed(2), each.className, each.textContent.trim().slice(0, 60)]);
  }
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser: "Browser", served: Served, scheme: str) -> None:
    seen = Seen(browser, served, scheme=scheme)
    seen.type("sky, road, street, blorfwanter")  # with notices
    seen.says("4 labels")
    for tab in ("Picture", "Compare", "Many pictures", "Take away"):
        seen.page.get_by_role("tab", name=tab, exact=True).click()
        assert seen.page.evaluate(FAINT) == []
    seen.context.close()


def test_a_phone_is_wide_enough(browser: "Browser", served: Served) -> None:
    seen = Seen(browser, served, width=390)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    original, result = (seen.page.locator(f"#lseg-{name}").bounding_box() for name in ("original", "result"))
    assert original is not None
    assert result is not None
    assert result["y"] >= original["y"] + original["height"]  # below it
    seen.context.close()
