"""The pages of `engine serve` as people meet them: by click and by keyboard, on a phone, in the dark, with every kind of token.

    python walk.py SETTINGS.json

SETTINGS has: chromium (its file), open and guarded (addresses of two servers, the first of the folder that furnish.py fills), token and
read_token (of the second), folder, and pictures (where pictures of the pages go). Ends with 1 and says what is not as it should be.
"""

import json
import pathlib
import re
import sys
import time

from playwright.sync_api import expect, sync_playwright

import furnish

SETTINGS = json.loads(pathlib.Path(sys.argv[1]).read_text())
OPEN, GUARDED, TOKEN, READ_TOKEN = (SETTINGS[name] for name in ["open", "guarded", "token", "read_token"])
SIGHT = pathlib.Path(__file__).with_name("sight.js").read_text()
PICTURES = pathlib.Path(SETTINGS["pictures"])
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
           --disable-sync --disable-dev-shm-usage""".split()
# What a browser says by itself of an answer that is told on the page.
EXPECTED = "Failed to load resource: the server responded with a status of 4"

wrong = []
steps = []


def step(work):
    """A part of the walk, with a fresh browser context each; what goes wrong in one does not keep the others from being walked."""
    steps.append(work)
    return work


def new_page(browser, **settings):
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **settings})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("console", lambda said: said.type == "error" and not said.text.startswith(EXPECTED) and wrong.append(f"{page.url}: {said.text}"))
    return page


FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const ring = one.closest("svg") || one.closest(".editor") || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0);
    return [(one.getAttribute("aria-label") ?? one.innerText ?? one.textContent ?? "").trim().split("\\n")[0], Boolean(ring)];
}"""


def tab_to(page, wanted, most=90):
    """Goes on with Tab until what is called `wanted` has the focus, and shows it."""
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        name, has_ring = page.evaluate(FOCUSED)
        passed.append(name)
        if name == wanted:
            assert has_ring, f"'{wanted}' has the focus and does not show it"
            return
    raise AssertionError(f"Tab does not lead to '{wanted}', but over {passed}")


def region(page, name):
    """A box that scrolls, by its name."""
    return page.locator(f".scroll[aria-label='{name}']")


def run_and_wait(page, pipeline, status):
    """Has a pipeline run from its page, and waits there until its newest run is as expected."""
    page.goto(f"{OPEN}/pipelines/{pipeline}")
    rows = page.locator("[data-part=runs] tbody tr")
    before = rows.count()
    page.get_by_role("button", name="Run now").click()
    page.wait_for_function("before => document.querySelectorAll('[data-part=runs] tbody tr').length > before", arg=before)
    expect(rows.first.locator(".state")).to_have_text(status, timeout=30_000)


@step
def by_click(browser):
    page = new_page(browser)
    page.goto(OPEN)
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()
    page.get_by_role("link", name="orders", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("orders")
    assert page.locator(".graph .node").count() == 6, "one source, a view, two flows, two sinks"
    run_and_wait(page, "orders", "done")
    page.locator("[data-part=runs] tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run 1")
    expect(page.locator("[data-part=loads] tbody tr")).to_have_count(2)
    expect(page.locator("[data-log]")).to_contain_text("committed")
    expect(page.locator("[data-steps] tbody")).to_contain_text("staged")
    page.get_by_role("button", name="Show them").click()
    expect(page.locator("[data-load]")).to_contain_text("in/orders/a.json")

    page.get_by_role("link", name="Catalog").click()
    page.get_by_role("searchbox", name="Filter tables").fill("large")
    expect(page.locator("tbody tr:visible")).to_have_count(1)
    page.get_by_role("searchbox", name="Filter tables").fill("shop.orders")
    page.get_by_role("link", name="orders", exact=True).click()
    expect(region(page, "Columns")).to_contain_text("partition")
    expect(region(page, "Rows").locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Count the rows of every partition").click()
    expect(region(page, "Rows by partition").locator("tbody tr")).to_have_count(len(furnish.DAYS))
    page.get_by_role("button", name="Profile every column").click()
    expect(region(page, "Profile of the columns")).to_contain_text("<b>NL</b>")
    page.get_by_role("link", name="Query", exact=True).last.click()
    expect(page.get_by_role("textbox", name="SQL")).to_have_value("SELECT * FROM lake.shop.orders LIMIT 100")
    expect(page.locator("#answer")).to_contain_text("100 rows")

    # A column comes: the edited file takes effect by itself, and the schema's history says so.
    furnish.edit(pathlib.Path(SETTINGS["folder"]))
    page.goto(f"{OPEN}/pipelines/orders")
    for _ in range(50):
        if "AS code" in page.locator("pre.sql").inner_text():
            break
        page.wait_for_timeout(200)
        page.reload()
    run_and_wait(page, "orders", "done")
    page.goto(f"{OPEN}/catalog/shop/orders")
    expect(page.locator(".versions .diff ins")).to_have_text("+ code VARCHAR")


@step
def by_keyboard(browser):
    page = new_page(browser)
    page.goto(OPEN)
    tab_to(page, "Skip to content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "orders")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("orders")
    tab_to(page, "Pause")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("paused")
    tab_to(page, "Resume")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("paused")
    tab_to(page, "Backfill")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Backfill")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Backfill")).to_be_hidden()
    for place in ["Runs", "Catalog", "Query", "Pipelines"]:
        tab_to(page, place)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name=place, exact=True)).to_have_attribute("aria-current", "page")
    page.keyboard.press("/")
    page.keyboard.type("nightly")
    expect(page.locator("#pipelines tbody tr:visible")).to_have_count(1)


@step
def a_run_is_watched_without_a_reload(browser):
    page = new_page(browser)
    page.goto(f"{OPEN}/pipelines/slow")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_load_state()
    page.evaluate("window.isSame = true")
    expect(page.locator("h1 .state")).to_have_text("running")
    rows = page.locator("[data-part=graph] tbody td:nth-child(5)")
    seen = []
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and len(set(seen)) < 3:
        if rows.count():
            seen.append(rows.first.inner_text())
        page.wait_for_timeout(200)
    assert len(set(seen)) >= 3, f"rows of a run that goes on do not grow on its page: {seen}"
    page.get_by_role("button", name="Pause").focus()
    expect(page.locator("[data-part=runs] tbody tr").first.locator(".state")).to_have_text("done", timeout=40_000)
    assert page.evaluate("window.isSame"), "the page was loaded anew"
    assert page.evaluate("document.activeElement.innerText") == "Pause", "what had the focus has it no more"


@step
def an_error_is_read_with_its_line(browser):
    page = new_page(browser)
    page.goto(f"{OPEN}/pipelines/broken")
    expect(page.get_by_role("alert")).to_contain_text("nowhere")
    expect(page.locator(".sql .wrong")).to_contain_text("INSERT INTO nowhere")
    run_and_wait(page, "refunds", "failed")
    # It is tried again by itself.
    page.wait_for_function("() => document.querySelectorAll('[data-part=runs] tbody tr').length > 1")
    page.locator("[data-part=runs] tbody a").first.click()
    expect(page.get_by_role("alert")).to_contain_text("a lot")
    expect(page.locator(".alert .sql .wrong")).to_contain_text("REPLACE INTO paid_back")
    attempts = page.get_by_role("navigation", name="Attempts")
    expect(attempts.get_by_role("link")).to_have_text([re.compile("Attempt 1"), re.compile("Attempt 2")])
    attempts.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed")
    page.get_by_role("button", name="Retry").click()
    page.wait_for_function("() => document.querySelectorAll('[data-part=runs] tbody tr').length > 2")
    page.goto(f"{OPEN}/runs")
    page.get_by_label("Status").select_option("failed")
    page.wait_for_url("**/runs?*status=failed")
    expect(page.locator("tbody tr").first).to_contain_text("refunds")
    assert set(page.locator("tbody .state").all_inner_texts()) == {"failed"}


@step
def sql_is_written_and_its_rows_are_seen_drawn_and_taken_away(browser):
    page = new_page(browser)
    page.goto(f"{OPEN}/query")
    editor, answer = page.get_by_role("textbox", name="SQL"), page.locator("#answer")
    editor.fill("SELECT country, count(*) AS orders FROM ")
    editor.press("End")
    page.keyboard.type("lake.shop.or")
    choices = page.get_by_role("listbox", name="Completions")
    expect(choices.get_by_role("option").first).to_contain_text("lake.shop.orders")
    page.keyboard.press("Enter")
    page.keyboard.type(" GROUP BY cou")
    expect(choices.get_by_role("option").first).to_contain_text("country")
    page.keyboard.press("Tab")
    page.keyboard.type(" ORDER BY 1")
    page.keyboard.press("Control+Enter")
    expect(answer).to_contain_text("4 rows")
    assert editor.input_value() == "SELECT country, count(*) AS orders FROM lake.shop.orders GROUP BY country ORDER BY 1"
    page.get_by_role("button", name="Chart").click()
    assert page.locator("[data-chart-place] rect.mark").count() == 4
    head = page.get_by_role("columnheader", name="country")
    head.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(answer.locator("tbody tr").first).to_contain_text("IT")
    with page.expect_download() as csv:
        page.get_by_role("button", name="CSV").click()
    text = pathlib.Path(csv.value.path()).read_text()
    assert csv.value.suggested_filename == "query.csv" and text.startswith("country,orders\n") and "<b>NL</b>,1" in text, text
    with page.expect_download() as parquet:
        page.get_by_role("button", name="Parquet").click()
    assert pathlib.Path(parquet.value.path()).read_bytes()[:4] == b"PAR1"

    editor.fill("SELECT country,\n  amont\nFROM lake.shop.orders")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(answer.get_by_role("alert")).to_contain_text("amont")
    answer.get_by_role("button", name="Go to line 2").click()
    marked = "() => { const area = document.querySelector('textarea'); return area.value.slice(area.selectionStart, area.selectionEnd); }"
    assert page.evaluate(marked) == "amont"

    editor.fill("SELECT sum(value % 7) FROM generate_series(1, 100000000000)")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Cancel").click()
    expect(answer).to_contain_text("canceled")
    for _ in range(50):
        running = re.search(r"^engine_http_queries (\d+)$", page.request.get(f"{OPEN}/metrics").text(), re.MULTILINE)[1]
        if running == "0":
            break
        page.wait_for_timeout(100)
    assert running == "0", "a query that was canceled goes on in the server"
    page.reload()
    expect(page.locator("[data-history] button")).to_have_count(3)


@step
def tokens_open_what_they_should(browser):
    page = new_page(browser)
    page.goto(f"{GUARDED}/pipelines/orders")
    token = page.get_by_label("Token")
    expect(token).to_be_focused()
    page.keyboard.type("this-is-a-guess-that-is-wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    token.fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{GUARDED}/pipelines/orders")
    expect(page.get_by_role("button", name="Run now")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{GUARDED}/sign-in")
    page.goto(GUARDED)
    page.get_by_label("Token").fill(READ_TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("read only")).to_be_visible()
    for path in ["/", "/pipelines/orders", "/runs"]:
        page.goto(GUARDED + path)
        for name in ["Run", "Run now", "Pause", "Backfill", "Cancel", "Retry"]:
            assert page.get_by_role("button", name=name, exact=True).count() == 0, f"{path} offers '{name}' to who may only read"
    page.goto(f"{GUARDED}/query?sql=SELECT 1 AS one")
    expect(page.locator("#answer")).to_contain_text("1 row")


def places():
    """Every page, by a name for its picture."""
    yield from {
        "overview": "/",
        "pipeline": "/pipelines/orders",
        "pipeline-broken": "/pipelines/broken",
        "run": "/pipelines/orders/runs/1",
        "run-failed": "/pipelines/refunds/runs/2",
        "runs": "/runs",
        "catalog": "/catalog",
        "table": "/catalog/shop/orders",
        "query": "/query?sql=SELECT country, day, count(*) AS orders, sum(amount) AS amount FROM lake.shop.orders GROUP BY country, day ORDER BY day, country",
        "query-mistake": "/query?sql=SELECT%0A  amont FROM lake.shop.orders",
        "missing": "/pipelines/ordres",
    }.items()


@step
def every_page_can_be_read_in_both_themes_and_on_a_phone(browser):
    # Contrast is a matter of the theme and room one of the width: each of either, and not each with each.
    for theme, width in [("light", 1280), ("dark", 390)]:
        page = new_page(browser, color_scheme=theme, viewport={"width": width, "height": 900})
        for name, path in [*((name, OPEN + path) for name, path in places()), ("sign-in", f"{GUARDED}/sign-in")]:
            page.goto(path)
            if name.startswith("query"):
                page.wait_for_selector("#answer table, #answer [role=alert]")
            if name == "query":
                page.get_by_role("button", name="Chart").click()
            if name == "table":
                page.wait_for_selector("[aria-labelledby=sample] table")
            if name.startswith("run-") or name == "run":
                page.wait_for_selector("[data-log] div")
            page.screenshot(path=PICTURES / f"{name}-{theme}-{width}.png", full_page=True)
            where = f"{name}, {theme}, {width} wide"
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 0:
                wrong.append(f"{where}: {over} pixels wider than the screen")
            wrong.extend(f"{where}: contrast {found}" for found in page.evaluate(SIGHT))
            unnamed = page.evaluate("""() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, summary")]
                .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
                .filter((one) => !(one.innerText ?? one.textContent ?? "").trim() && !one.getAttribute("aria-label") && !one.labels?.length && !one.querySelector("title"))
                .map((one) => one.outerHTML.slice(0, 80))""")
            wrong.extend(f"{where}: has no name: {one}" for one in unnamed)
        page.context.close()


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    only = sys.argv[2:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=SETTINGS["chromium"], args=FLAGS)
        for work in steps:
            if only and work.__name__ not in only:
                continue
            begun = time.monotonic()
            try:
                work(browser)
            except Exception as error:  # What the others find is told as well.
                wrong.append(f"{work.__name__}: {str(error)[:2000]}")
                for number, context in enumerate(browser.contexts):
                    for page in context.pages:
                        page.screenshot(path=PICTURES / f"failed-{work.__name__}-{number}.png")
            for context in browser.contexts:
                context.close()
            print(f"{work.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
        browser.close()
    for one in wrong:
        print(f"wrong: {one}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
