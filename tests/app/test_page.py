"""The page in a real browser."""

import base64
import io
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_cli.data.images import open_picture
from tests.app.conftest import COUNT, GRADIOS_WARNINGS, Served
from tests.command_line import lseg

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = [pytest.mark.slow, *GRADIOS_WARNINGS]

PATIENCE_MS = 120_000  # a busy machine is not a fault: at a load of 17 on two cores single steps took a minute


class Seen:
    """A page that somebody has open, and what it asked for: nothing of any other machine."""

    def __init__(self, browser: "BrowserContext", served: Served, width: int = 1400, scheme: Any = "light") -> None:
        self.page: Page = browser.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.set_viewport_size({"width": width, "height": 1000})
        self.page.emulate_media(color_scheme=scheme)
        self.served = served
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if "Policy" in message.text else None)
        self.page.goto(served.address)
        self.result.wait_for()
        self.says("3 labels")

    def __enter__(self) -> "Seen":
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()
        assert self.errors == []
        assert [url for url in self.requests if not url.startswith((self.served.address, "data:", "blob:"))] == []

    @property
    def result(self) -> "Locator":
        return self.page.locator("#lseg-result img")

    def pixels(self, frame: str = "#lseg-result") -> NDArray[np.uint8]:
        """Of the picture that a frame shows."""
        source = self.page.locator(f"{frame} img").get_attribute("src")
        assert source is not None
        with Image.open(io.BytesIO(self.page.request.get(source).body())) as image:
            return np.asarray(image.convert("RGB"))

    def until(self, condition: str, given: object = None) -> None:
        """Waits until a function in JavaScript says so."""
        self.page.wait_for_function(condition, arg=given)

    def changing(self) -> str:
        """What is to be handed to `changed`."""
        return self.result.get_attribute("src") or ""

    def changed(self, before: str) -> None:
        """Waits until another result is shown."""
        self.until("before => document.querySelector('#lseg-result img')?.getAttribute('src') !== before", before)

    def type(self, labels: str) -> None:
        """Takes other labels, and as many chips show them."""
        self.page.locator("#lseg-labels textarea").fill(labels)

    def lists(self, *texts: str) -> None:
        """Waits until the chips are these."""
        self.until(
            "texts => JSON.stringify([...document.querySelectorAll('#lseg-chips input')].map(each => each.value))"
            " === JSON.stringify(texts)",
            list(texts),
        )

    def says(self, text: str) -> None:
        """Waits until the status holds a text."""
        self.page.locator("#lseg-status [role=status]").filter(has_text=re.compile(text)).wait_for()

    def receives(self, path: Path) -> None:
        """Takes a file, as from a dialog."""
        self.page.locator("#lseg-inbox input[type=file]").set_input_files(path)

    def shows(self, title: str) -> None:
        """Waits until a picture is shown."""
        self.page.locator("#lseg-original").filter(has_text=f"Original: {title}").wait_for()

    def shares(self) -> float:
        """Sum of the labels' shares, in percent."""
        texts = self.page.locator(".lseg-figures").all_inner_texts()
        return sum(float(text.split("%")[0].lstrip("<")) for text in texts if text)


@pytest.fixture
def seen(browser: "BrowserContext", served: Served) -> Iterator[Seen]:
    with Seen(browser, served) as made:
        yield made


def test_labels_that_are_typed_change_the_mask(seen: Seen) -> None:
    before, source = seen.pixels(), seen.changing()
    seen.type("sky, other")
    seen.changed(source)
    seen.lists("sky", "other")
    assert (seen.pixels() != before).any()
    assert len(seen.requests) > 20  # which `Seen` looks at


def test_of_labels_that_are_typed_fast_the_last_count(seen: Seen) -> None:
    seen.type("")
    seen.says("Type some labels")
    seen.requests.clear()
    text = "cloud, temple, forest, lake, something else"
    seen.page.locator("#lseg-labels textarea").press_sequentially(text)
    seen.lists(*text.split(", "))
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
    seen.page.locator(".lseg-tip").filter(has_text="sky").wait_for()
    seen.page.locator("#lseg-result").focus()
    seen.page.keyboard.press("ArrowUp")
    seen.page.locator(".lseg-cross").wait_for(state="attached")
    seen.until("() => !document.querySelector('.lseg-cross').hidden")
    seen.page.keyboard.press("Enter")
    seen.page.locator("#lseg-best tbody tr").nth(4).wait_for()


def test_pixels_below_a_threshold_lose_their_label(seen: Seen) -> None:
    assert seen.shares() == pytest.approx(100, abs=2)
    source = seen.changing()
    seen.page.get_by_role("spinbutton", name=re.compile("Minimum confidence")).fill("0.9")
    seen.page.keyboard.press("Tab")
    seen.changed(source)
    seen.until(
        "() => [...document.querySelectorAll('.lseg-figures')].reduce((sum, each) => sum + parseFloat(each.innerText),"
        " 0) < 95"
    )


def test_labels_of_the_list_are_renamed_moved_and_removed(seen: Seen) -> None:
    page = seen.page
    first = page.locator("#lseg-chips li").first.locator("input")
    first.fill("cloud=cloud|fog")
    first.press("Enter")
    # Without waiting: each counts, also while the list still shows what was before.
    page.get_by_role("button", name=re.compile("Move down (cloud|sky)")).click()
    page.get_by_role("button", name="Remove tree").click()
    assert page.locator("#lseg-labels textarea").input_value() == "building, cloud=cloud|fog"
    seen.lists("building", "cloud=cloud|fog")
    seen.says("2 labels")
    for name in ("building", "cloud"):
        page.get_by_role("button", name=f"Remove {name}").click()
    seen.lists()
    assert page.locator("#lseg-labels textarea").input_value() == ""


def test_a_name_that_is_wrong_is_mended_in_the_list(seen: Seen) -> None:
    first = seen.page.locator("#lseg-chips li").first.locator("input")
    first.fill("@file")
    first.press("Enter")
    seen.says("no files are read here")
    first.fill("water")
    first.press("Enter")
    seen.lists("water", "building", "tree")


def test_a_label_is_shown_alone_and_as_a_heat_map_and_all_as_outlines(seen: Seen) -> None:
    drawn = [seen.pixels()]
    for button, kind in (("Show alone sky", "one label"), ("Show the heat map of sky", "heat map"), ("", "outlines")):
        source = seen.changing()
        if button:
            seen.page.get_by_role("button", name=button).click()
            seen.page.get_by_role("radio", name=kind, checked=True).wait_for()
        else:
            seen.page.get_by_role("radio", name=kind).check()
        seen.changed(source)
        drawn.append(seen.pixels())
    assert len({pixels.tobytes() for pixels in drawn}) == len(drawn)


def test_a_label_set_takes_the_labels_place_again_and_again(seen: Seen) -> None:
    for labels in ("cityscapes", "sky, road"):
        box = seen.page.get_by_role("combobox", name="Label set")
        box.click()
        seen.page.get_by_role("option", name="cityscapes").click()
        seen.says("1[0-9] labels")
        seen.type(labels)
    seen.says("2 labels")


def test_a_label_is_text_and_never_part_of_the_page(seen: Seen) -> None:
    texts = ['<img src\\=x onerror\\="document.title\\=1">', "${document.title\\=2}", "{{constructor}}", "sky"]
    seen.type(", ".join(texts))
    seen.lists(*texts)
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
    seen.receives(broken)
    seen.says(r"broken\.jpg")
    assert "Traceback" not in seen.page.content()
    seen.type("sky, road")
    seen.says("2 labels")
    seen.shows("0.jpg")


def test_of_pictures_that_are_chosen_fast_the_last_is_shown(seen: Seen) -> None:
    before = seen.pixels("#lseg-original")
    for number in (3, 2, 1):
        seen.page.locator("#lseg-gallery .thumbnail-item").nth(number).click()
    seen.shows("1.jpg, 168 x 120")
    assert seen.pixels("#lseg-original").shape != before.shape
    seen.page.get_by_label("Pictures whose names hold").fill("7")
    seen.page.locator("#lseg-gallery .thumbnail-item").nth(1).wait_for(state="detached")
    seen.page.locator("#lseg-gallery .thumbnail-item").first.click()
    seen.shows("7.jpg")


def picture(folder: Path, name: str) -> Path:
    """A photograph in a format that browsers do not show, or show otherwise."""
    path, small = folder / name, Image.fromarray(load_sample_image("china.jpg")).resize((96, 64))
    if name.startswith("turned"):
        exif = Image.Exif()
        exif[0x0112] = 6
        small.save(path, exif=exif)
    elif path.suffix == ".heic":
        pytest.importorskip("pillow_heif").from_pillow(small).save(path)
    else:
        Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) * 16 + 1000).save(path)
    return path


def test_every_picture_is_shown_as_it_is_segmented(seen: Seen, tmp_path: Path) -> None:
    for name in ("turned.jpg", "photo.heic", "deep.png", "deep.tif"):
        path = picture(tmp_path, name)
        seen.receives(path)
        seen.shows(name)
        expected = np.asarray(open_picture(path).image).astype(int)
        # As JPEG; upside down it would be 76 and more.
        assert np.abs(seen.pixels("#lseg-original") - expected).mean() < 8, name


PASTE = """async ([data, how]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  if (how === 'button') {
    await navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})]);
  } else {
    const given = new DataTransfer();
    given.items.add(new File([bytes], 'copied.png', {type: 'image/png'}));
    const event = how === 'keys'
      ? new ClipboardEvent('paste', {clipboardData: given, bubbles: true, cancelable: true})
      : new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true});
    (how === 'keys' ? document.body : document.querySelector('#lseg-inbox button')).dispatchEvent(event);
  }
}"""


def test_pictures_are_pasted_and_dropped(seen: Seen) -> None:
    for how, title, width in (("keys", "copied.png", 90), ("drop", "copied.png", 80), ("button", "clipboard.png", 70)):
        data = io.BytesIO()
        Image.new("RGB", (width, 60), "navy").save(data, "PNG")
        seen.page.evaluate(PASTE, [base64.b64encode(data.getvalue()).decode(), how])
        if how == "button":
            seen.page.locator("#lseg-inbox").get_by_label("Paste from clipboard").click()
        seen.shows(f"{title}, {width} x 60")
        assert seen.pixels("#lseg-original").shape == (60, width, 3)


def test_a_picture_is_taken_with_the_camera(seen: Seen) -> None:
    inbox = seen.page.locator("#lseg-inbox")
    inbox.get_by_label("Capture from camera").click()
    inbox.get_by_title("grant webcam access").click()
    seen.until("() => document.querySelector('#lseg-inbox video')?.videoWidth > 0")  # before, it is a photo of nothing
    inbox.get_by_label("capture photo").click()
    seen.shows("image")
    assert min(seen.pixels("#lseg-original").shape[:2]) > 100


def test_the_mask_that_is_taken_away_is_that_of_segment(
    seen: Seen, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.type("sky, building, tree, other")
    seen.says("4 labels")
    seen.page.get_by_role("tab", name="Take away").click()
    seen.page.get_by_role("button", name="Make mask, overlay").click()
    seen.says("The files are ready")
    links = seen.page.locator("#lseg-files a[download]")
    names = [name.get_attribute("download") for name in links.all()]
    assert names == ["0-mask.png", "0-overlay.jpg", "0-sky.png", "labels.yaml"]
    with seen.page.expect_download() as download:
        links.first.click()
    download.value.save_as(tmp_path / "mask.png")
    monkeypatch.chdir(served.folder)
    assert lseg("segment", "photos/0.jpg", "-l", "sky, building, tree, other", "-o", tmp_path / "out", "-q") == 0
    assert (tmp_path / "mask.png").read_bytes() == (tmp_path / "out" / "masks" / "0.png").read_bytes()


def test_results_are_written_under_the_start_folder_alone(seen: Seen) -> None:
    seen.page.get_by_role("tab", name="Take away").click()
    seen.page.get_by_label("Folder for the results").fill("../elsewhere")
    seen.page.get_by_role("button", name="Run it here").click()
    seen.says("is not a folder under")


def test_the_command_runs_on_the_folder(seen: Seen, served: Served) -> None:
    from playwright.sync_api import TimeoutError as TooLate  # noqa: PLC0415  the package may be missing

    seen.page.get_by_role("tab", name="Take away").click()
    assert "lseg segment photos -l 'sky, building, tree' --save overlay -o out" in (
        seen.page.locator("#lseg-command textarea").input_value()
    )
    told = seen.page.get_by_text(f"{COUNT} of {COUNT} pictures are segmented")
    # Gradio may lose the answers to a click while the stream of the ones before is being closed; the run goes on, and
    # the next click follows it.
    for _ in range(4):
        seen.page.get_by_role("button", name="Run it here").click()
        with suppress(TooLate):
            told.wait_for(timeout=PATIENCE_MS / 4)
            break
    assert told.is_visible()
    assert len(list((served.folder / "out" / "masks").iterdir())) == COUNT


def compare(seen: Seen) -> None:
    """Compares, and waits for both results."""
    seen.page.get_by_role("button", name="Compare on this picture").click()
    for side in "ab":
        seen.page.locator(f"#lseg-compare-{side} img").wait_for()
    seen.says("Compared on")


def test_two_label_sets_are_compared(seen: Seen) -> None:
    seen.page.get_by_role("tab", name="Compare").click()
    seen.page.get_by_role("combobox", name="Model B").click()
    seen.page.get_by_role("option", name="lseg-tiny").click()
    seen.page.locator("#lseg-labels-a textarea").fill("sky, building")
    seen.page.locator("#lseg-labels-b textarea").fill("flower, water")
    compare(seen)
    assert (seen.pixels("#lseg-compare-a") != seen.pixels("#lseg-compare-b")).any()


def test_two_models_are_compared(seen: Seen, served: Served) -> None:
    if len(served.bench.models.names) < 2:
        pytest.skip("needs the package onnx, to make another model")
    seen.page.get_by_role("tab", name="Compare").click()
    compare(seen)  # as the page begins: the same labels, the first model and the last
    assert (seen.pixels("#lseg-compare-a") == seen.pixels()).all()
    assert (seen.pixels("#lseg-compare-a") != seen.pixels("#lseg-compare-b")).any()


def test_labels_are_shown_on_many_pictures(seen: Seen) -> None:
    seen.page.get_by_role("tab", name="Many pictures").click()
    seen.page.get_by_role("button", name="Show these labels on twelve pictures").click()
    seen.says(f"{COUNT} of {COUNT} pictures")
    seen.page.locator("#lseg-grid img").nth(COUNT - 1).wait_for()


def test_two_people_at_once_see_their_own(browser: "BrowserContext", served: Served) -> None:
    with Seen(browser, served) as one, Seen(browser, served, width=420) as two:
        assert len(served.bench.sessions) >= 2
        one.type("sky, water")
        two.type("flower, leaf, other, stem")
        one.says("2 labels")
        two.says("4 labels")
        one.page.locator("#lseg-gallery .thumbnail-item").nth(2).click()
        one.shows("2.jpg")
        assert two.page.locator("#lseg-original").filter(has_text="Original: 0.jpg").is_visible()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while len(served.bench.sessions) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)  # the server is told that pages are closed some time later
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


def test_the_tab_key_goes_from_the_labels_to_the_result_to_the_list(seen: Seen) -> None:
    seen.page.locator("#lseg-labels textarea").focus()
    passed = list[str]()
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        passed.append(seen.page.evaluate("document.activeElement.closest('[id^=lseg]')?.id ?? ''"))
        if passed[-1] == "lseg-chips":
            break
    stops = [name for name in dict.fromkeys(passed) if name in ("lseg-original", "lseg-result", "lseg-chips")]
    assert stops == ["lseg-original", "lseg-result", "lseg-chips"]


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
def test_every_text_can_be_read(browser: "BrowserContext", served: Served, scheme: str) -> None:
    with Seen(browser, served, scheme=scheme) as seen:
        seen.type("sky, road, street, blorfwanter")  # with notices
        seen.says("4 labels")
        for tab in ("Picture", "Compare", "Many pictures", "Take away"):
            seen.page.get_by_role("tab", name=tab, exact=True).click()
            assert seen.page.evaluate(FAINT) == []


def test_a_phone_is_wide_enough(browser: "BrowserContext", served: Served) -> None:
    with Seen(browser, served, width=390) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
        original, result = (seen.page.locator(f"#lseg-{name}").bounding_box() for name in ("original", "result"))
        assert original is not None
        assert result is not None
        assert result["y"] >= original["y"] + original["height"]  # below it
