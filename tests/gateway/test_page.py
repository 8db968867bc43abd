"""The page at the root, in a real headless Chromium that reaches loopback and nothing else."""

import os
from collections.abc import Iterator

import pytest

from tests.gateway.calling import KEY, GatewayProcess
from tests.gateway.chromium import PROGRAMS, Chromium, find_chromium

PROMISE = "TEST_BROWSER"
"""Set where a browser is promised, as in CI: then its absence is a failure."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        said = f"there is no browser here (one of {', '.join(PROGRAMS)}); on Debian: apt-get install chromium"
        if os.environ.get(PROMISE):
            pytest.fail(said)
        pytest.skip(said)
    with Chromium(program) as browser:
        yield browser


@pytest.fixture
def page(browser: Chromium, gateway: GatewayProcess) -> Iterator[Chromium]:
    browser.open(gateway.url)
    browser.evaluate("sessionStorage.clear()")
    browser.open(gateway.url)
    browser.type("#key", KEY)
    yield browser
    # The browser notes an answer 401 of its own; only one test asks for one.
    assert [error for error in browser.errors if "401" not in error] == []


def result(page: Chromium) -> str:
    """Press Run and return what the page then shows."""
    page.click("#run")
    page.until("document.querySelector('.badge') !== null")
    return str(page.evaluate("document.querySelector('#result').innerText"))


def test_the_example_runs_and_its_result_is_shown(page: Chromium) -> None:
    shown = result(page)
    assert shown.startswith("succeeded branch: success")
    assert '"result": 0.25' in shown
    assert "dividing 1 by 4" in shown
    assert "ms" in shown
    assert page.evaluate("document.querySelectorAll('.gutter .error').length") == 0


def test_javascript_is_a_switch_away_and_ones_code_is_kept(page: Chromium) -> None:
    page.type("#code textarea", "def main(a, b): return {'mine': a}")
    choose = (
        "(value) => { const list = document.querySelector('#language'); list.value = value;"
        " list.dispatchEvent(new Event('change')) }"
    )
    page.evaluate(f"({choose})('nodejs')")
    assert "async function main" in page.evaluate("document.querySelector('#code textarea').value")
    assert '"result": 0.25' in result(page)
    page.evaluate(f"({choose})('python3')")
    assert "mine" in page.evaluate("document.querySelector('#code textarea').value")


def test_an_error_is_shown_with_its_line_marked(page: Chromium) -> None:
    page.type("#code textarea", "def main(a, b):\n    x = a\n    return {'r': x / b}")
    page.type("#inputs textarea", '{"a": 1, "b": 0}')
    shown = result(page)
    assert "failed" in shown
    assert "branch: none" in shown
    assert "code_error: ZeroDivisionError: division by zero (line 3)" in shown
    assert "return {'r': x / b}" in page.evaluate("document.querySelector('.source').textContent")
    assert page.evaluate("[...document.querySelectorAll('.gutter .error')].map((e) => e.textContent)") == [
        "3"
    ]


def test_the_fail_branch_is_named(page: Chromium) -> None:
    page.evaluate("document.querySelector('#strategy').value = 'branch'")
    page.type("#inputs textarea", '{"a": 1, "b": 0}')
    assert "exception" in (shown := result(page))
    assert "branch: fail" in shown


def test_findings_of_the_check_stand_below_the_code_and_in_its_margin(page: Chromium) -> None:
    page.type("#code textarea", "import socket\ndef main(a, b):\n    socket.create_connection((a, b))")
    found = page.until("document.querySelector('#findings').innerText")
    assert found.startswith("Line 3: opens a network connection")
    assert page.evaluate("[...document.querySelectorAll('.gutter .error')].map((e) => e.textContent)") == [
        "3"
    ]


def test_what_a_node_says_is_text_and_no_page(page: Chromium) -> None:
    evil = "<img src=x onerror=document.title='taken'>"
    page.type("#code textarea", f'def main(a, b):\n    print("{evil}")\n    return {{"x": "{evil}"}}')
    assert result(page).count(evil) == 2
    assert page.evaluate("document.querySelectorAll('#result img').length") == 0
    assert page.evaluate("document.title") != "taken"


def test_inputs_that_are_no_json_and_a_wrong_key_are_said(page: Chromium) -> None:
    page.type("#inputs textarea", "{")
    page.click("#run")
    page.until("document.querySelector('#result').innerText.startsWith('The inputs are not JSON')")
    page.type("#inputs textarea", "{}")
    page.type("#key", "wrong")
    page.click("#run")
    page.until("document.querySelector('#result').innerText.includes('The key is missing or not known')")
    page.until("!document.querySelector('#run').disabled")


def test_the_reference_needs_nothing_from_elsewhere(browser: Chromium, gateway: GatewayProcess) -> None:
    browser.open(f"{gateway.url}/docs")
    browser.until("document.querySelector('h3') !== null")
    shown = browser.evaluate("document.body.innerText")
    for route in ("POST /v1/jobs", "POST /v1/jobs:batch", "GET /v1/jobs/{id}", "POST /v1/sandbox/run"):
        assert route in shown
    assert browser.errors == []


def test_pages_name_no_other_host(gateway: GatewayProcess) -> None:
    for path in ("/", "/docs", "/page/page.js", "/page/editor.js", "/page/docs.js", "/page/page.css"):
        answer = gateway.call("GET", path, key=None)
        assert answer.status == 200
        assert b"http:" not in answer.body
        assert b"https:" not in answer.body
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
