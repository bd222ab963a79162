"""Training in a real browser: pick, watch, stop; come back, touch nothing, and it resumes.

``make test-browser`` runs this; screenshots lie in test-output/ afterwards.
"""

import os
import re
import shutil

import pytest
from support.notebook_copies import ROOT, build_wheel, copy_notebook, kernel_environment
from support.notebook_servers import Classic, Lab, running, wait_for
from support.other_session import OtherSession

from ponytaco.runs.folder import Run

pytestmark = pytest.mark.browser

OUTPUT = ROOT / "test-output"
CHROMIUM = os.environ.get("PONYTACO_CHROMIUM", "/usr/bin/chromium")
# The first three because Chromium runs as root and without a screen; the others keep it off the
# network.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SPOKEN = "How the attention grew, one frame per check"
SECOND = 1000  # Playwright counts in milliseconds


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, request):
    page = browser.new_page(viewport={"width": 1280, "height": 1800})
    page.set_default_timeout(60 * SECOND)
    failed_before = request.session.testsfailed
    yield page
    if request.session.testsfailed > failed_before:
        OUTPUT.mkdir(exist_ok=True)
        page.screenshot(path=OUTPUT / f"failed-{request.node.name}.png")
    page.close()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    from data_prep.demo.espeak import write_demo_archive

    path = tmp_path_factory.mktemp("demo") / "Demo.tar"
    write_demo_archive(path, n_clips=40)
    return path


@pytest.fixture
def storage(tmp_path, archive):
    """A folder with eight characters, so that the list has something to choose from."""
    folder = tmp_path / "storage"
    archives = folder / "soundtools" / "data" / "audio-trimmed-22khz"
    archives.mkdir(parents=True)
    for name in ("Apple", "Berry", "Cherry", "Demo", "Elder", "Fig <b>&", "Grape"):
        shutil.copy(archive, archives / f"{name}.tar")
    return folder


def screenshot(page, server, name):
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / f"{server.name}-{name}.png")


def show(locator):
    """Scroll until something is at the top of the page, or as near to it as possible."""
    locator.last.evaluate("element => element.scrollIntoView()")  # the first may be its source


def panel(page):
    """The live panel: the box that has the Stop button."""
    stop = page.locator("button", has_text=re.compile("^ *(Stop|Stopp)"))
    return page.locator(".widget-vbox", has=stop).last


def step_shown(page):
    found = re.search(r"step ([\d,]+) of", panel(page).inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def pictures(page):
    return [image.get_attribute("src") for image in panel(page).locator("img").all()]


@pytest.mark.parametrize("kind", [Classic, Lab], ids=["classic", "lab"])
def test_pick_watch_stop_and_come_back(kind, page, tmp_path, wheel, storage):
    if kind is Lab and not os.environ.get("PONYTACO_LAB_PYTHON"):
        pytest.skip("PONYTACO_LAB_PYTHON names no environment with JupyterLab")
    work = tmp_path / "work"
    work.mkdir()
    form = {"folder": str(storage), "preset": "tiny", "max_steps": "100000", "wait_seconds": 5}
    copy_notebook("Training.ipynb", work, form)
    model = storage / "colab" / "Demo" / "current_model"
    environment = kernel_environment(tmp_path / "kernel", wheel)
    with running(kind, work, environment) as server:
        page.goto(server.address("Training.ipynb"))
        server.run_all(page)
        with OtherSession(Run(model.parent)):
            pick_demo(page, server)
            take_over(page, server)
            watch(page, server)
        stop(page)
        assert re.search(r"Stopped at step [\d,]+ and saved", page.content())
        assert model.is_file()
        assert (model.parent / "alignment.gif").is_file()
        show(page.get_by_text("Hear what the voice can say so far"))
        screenshot(page, server, "3-stopped")
        stopped_at = step_shown(page)

    # Colab took the machine away; the user opens the page again, runs all, and touches nothing.
    saved = model.stat().st_mtime
    copy_notebook("Training.ipynb", work, form)
    with running(kind, work, environment) as server:
        page.goto(server.address("Training.ipynb"))
        server.run_all(page)
        note = page.get_by_text("unless you choose")
        note.wait_for()
        show(page.get_by_text("Choose the character to train"))
        screenshot(page, server, "4-countdown")
        page.get_by_text(re.compile(r"Resuming Demo at step [\d,]+")).first.wait_for()
        wait_for(lambda: panel(page).count() and step_shown(page) > stopped_at, 60, "the training")
        show(panel(page))
        screenshot(page, server, "5-resumed")
        stop(page)
        assert model.stat().st_mtime > saved

        copy_notebook("Inference.ipynb", work, {"folder": str(storage)})
        page.goto(server.address("Inference.ipynb"))
        server.run_all(page)
        speak_lines(page, server)
        assert (model.parent / "speech" / "lines.zip").is_file()


def pick_demo(page, server):
    """The cell waits for the pick, and its filter works meanwhile."""
    options = page.locator(".widget-dropdown select option")
    use = page.get_by_role("button", name="Use this character")
    use.wait_for()
    assert options.count() == 7
    page.locator(".widget-text input").first.fill("dem")
    wait_for(lambda: options.count() == 1, 20, "the filter")
    show(page.get_by_text("Choose the character to train"))
    screenshot(page, server, "1-pick")
    use.click()


def take_over(page, server):
    """The training cell waits for the other session, until the button is pressed."""
    page.get_by_text("If it has ended, training begins here").wait_for()
    show(page.get_by_text("This trains the voice, or continues"))
    screenshot(page, server, "1-take-over")
    page.locator("button", has_text="Take over").click()
    page.get_by_text("trained here now").wait_for()


def watch(page, server):
    """It trains, and the panel changes while the cell is busy."""
    wait_for(lambda: panel(page).count() and step_shown(page) >= 20, 60, "the first numbers")
    wait_for(lambda: len(pictures(page)) == 2 and all(pictures(page)), 60, "the pictures")
    before = pictures(page)
    wait_for(
        lambda: all(a != b for a, b in zip(before, pictures(page), strict=True)), 60, "changes"
    )
    assert panel(page).locator("audio").count() == 1
    show(panel(page))
    screenshot(page, server, "2-training")


def stop(page):
    """Stop saves, and the next cell speaks."""
    page.locator("button", has_text="Stop and save").click()
    page.get_by_text(SPOKEN).wait_for()


def speak_lines(page, server):
    """The only voice is taken without asking; the text box speaks when its button is pressed."""
    button = page.get_by_role("button", name="Speak all lines")
    button.wait_for()
    assert page.locator("audio").count() == 3  # two sentences, and both joined
    page.locator("textarea[placeholder^=Hello]").fill("One line.\nAnd another.")
    button.click()
    page.get_by_text("2 of 2 lines are in").wait_for()
    show(page.get_by_text("Write several lines"))
    screenshot(page, server, "6-inference")
