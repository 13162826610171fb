"""The page of a server that has an expert, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anomalygpt.experts.addresses import read_address
from anomalygpt.experts.consultation import DISAGREE
from anomalygpt.experts.manner import Manner
from anomalygpt.serving.settings import Asking, ServerSettings
from tests.anomalygpt.serving.conftest import PATIENCE, Running, Visitor
from tests.chat_server import MODEL, Act, ChatServer, serving

expect = pytest.importorskip("playwright.sync_api", reason="playwright is missing").expect

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

OPEN = "What would you look for on such parts?"
Serve = Callable[[ServerSettings], Running]


@pytest.fixture
def expert() -> Iterator[ChatServer]:
    with serving(
        Act(("No, ", "it is fine.")), Act(("A round ", "plate.")), Act(("Edges.",))
    ) as one:
        yield one


@pytest.fixture
def page(browser: Any, serve: Serve, expert: ChatServer) -> Iterator[Visitor]:
    address = read_address(f"openai:{MODEL}@{expert.url}")
    settings = ServerSettings(port=0, expert=address, asking=Asking(manner=Manner(thinks=True)))
    running = serve(settings)
    opened = browser.new_context().new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(running.address)
    yield Visitor(opened)
    opened.context.close()


def test_its_opinion_answers_and_thoughts_are_shown(page: Visitor, expert: ChatServer) -> None:
    page.inspect_plate()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("Something is wrong")
    expect(verdict.locator(".opinion")).to_have_text(f"{MODEL} says: No, it is fine. {DISAGREE}")
    page.ask(OPEN)
    expect(page.locator("#chat")).to_contain_text(f"— {MODEL}")
    expect(page.locator("#chat")).to_contain_text("Edges.")
    thoughts = page.get_by_role("button", name=f"What {MODEL} wrote down first").first
    expect(thoughts).to_be_visible()
    page.until_streams_end()
    assert len(expert.heard) == 3
    page.ask("Where is it?")
    expect(page.said("bot").last).to_contain_text("Box 1")
    page.until_streams_end()
    assert len(expert.heard) == 3


def test_who_turns_it_off_sends_it_nothing(page: Visitor, expert: ChatServer) -> None:
    page.locator("#settings button").first.click()
    page.locator("#expert input[type=checkbox]").first.uncheck()
    page.until_streams_end()
    page.inspect_plate()
    expect(page.locator(".verdict")).to_contain_text("Something is wrong")
    assert page.locator(".verdict .opinion").count() == 0
    assert expert.heard == []


def test_a_server_without_an_expert_has_no_such_settings(browser: Any, running: Running) -> None:
    opened = browser.new_context().new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(running.address)
    opened.locator("#settings button").first.click()
    expect(opened.locator("#settings")).to_contain_text("Temperature")
    assert not opened.locator("#expert").is_visible()
    opened.context.close()
