"""Screenshots of the page in five states, two of which the documentation shows; needs chromium and playwright.

python recipes/app/screenshots.py photos/ --out shots/
"""

import argparse
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from lseg_cli.app.options import AppOptions
from lseg_cli.app.server import address_of, listen, make_server, workplace
from lseg_cli.app.workbench import Workbench

LABELS = "sky, temple, tree, water, hill, other"
OTHERS = "sky, building, plant, lake, other"
PICTURE = "china"  # in a name


def main() -> None:
    """Takes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", help="pictures, one of them of a temple called china")
    parser.add_argument("--out", type=Path, default=Path("shots"))
    parser.add_argument("--schemes", nargs="+", choices=("light", "dark"), default=("light", "dark"))
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with served(tuple(settings.paths)) as address, sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        for scheme in settings.schemes:
            take(browser, address, settings.out, scheme)
        browser.close()


@contextmanager
def served(paths: tuple[str, ...]) -> Iterator[str]:
    """The page's address."""
    options = AppOptions(paths=paths, port=0)
    with workplace() as folder, listen(options) as listener:
        bench = Workbench(options, folder)
        server = make_server(bench)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield address_of(listener, options.host)
        server.should_exit = True
        thread.join()
        bench.close()


def take(browser: Any, address: str, out: Path, scheme: str) -> None:
    """Five states in light or dark."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
    page = opened(context, address)
    shoot(page, out / f"start-{scheme}.jpg")
    label(page, LABELS)
    page.locator("#lseg-result img").click(position={"x": 200, "y": 60})
    page.locator("#lseg-best tbody tr").first.wait_for()
    shoot(page, out / f"result-{scheme}.jpg")
    page.get_by_role("button", name="Show the heat map of temple").click()
    page.locator("#lseg-result").filter(has_text="heat map of temple").wait_for()
    shoot(page, out / f"heat-map-{scheme}.jpg")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#lseg-labels-a textarea").fill(LABELS)
    page.locator("#lseg-labels-b textarea").fill(OTHERS)
    page.get_by_role("button", name="Compare on this picture").click()
    page.locator("#lseg-compare-b img").wait_for()
    shoot(page, out / f"compare-{scheme}.jpg")
    page.get_by_role("tab", name="Many pictures").click()
    page.get_by_role("button", name="Show these labels on twelve pictures").click()
    page.locator("#lseg-status").filter(has_text=re.compile(r"(\d+) of \1 pictures")).wait_for()
    shoot(page, out / f"many-{scheme}.jpg")
    page.get_by_role("tab", name="Take away").click()
    page.get_by_role("button", name="Make mask, overlay").click()
    page.locator("#lseg-status").filter(has_text="The files are ready").wait_for()
    shoot(page, out / f"take-away-{scheme}.jpg")
    context.close()
    phone = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    page = opened(phone, address)
    label(page, LABELS)
    shoot(page, out / f"phone-{scheme}.jpg")
    phone.close()


def opened(context: Any, address: str) -> Page:
    """A page with the picture of the temple."""
    page: Page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator("#lseg-result img").wait_for()
    page.get_by_label("Pictures whose names hold").fill(PICTURE)
    page.locator("#lseg-gallery .thumbnail-item").nth(1).wait_for(state="detached")
    page.locator("#lseg-gallery .thumbnail-item").first.click()
    page.get_by_text(re.compile(f"Original: .*{PICTURE}")).first.wait_for()
    page.get_by_label("Pictures whose names hold").fill("")
    page.locator("#lseg-gallery .thumbnail-item").nth(1).wait_for()
    return page


def label(page: Page, text: str) -> None:
    """Types labels and waits for their masks."""
    page.locator("#lseg-labels textarea").fill(text)
    page.locator("#lseg-status").filter(has_text=f"{len(text.split(','))} labels").wait_for()


def shoot(page: Page, path: Path) -> None:
    """The whole page, once it is still."""
    page.wait_for_timeout(1500)
    page.screenshot(path=os.fspath(path), full_page=True, type="jpeg", quality=80)


if __name__ == "__main__":
    main()
