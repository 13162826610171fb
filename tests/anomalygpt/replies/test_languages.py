"""Questions in other languages get the result in a few sentences of theirs."""

from __future__ import annotations

import pytest

from anomalygpt.constants import LOCATIONS
from anomalygpt.replies import reply_to, understand
from anomalygpt.replies.languages import LANGUAGES, language_of

QUESTIONS = {
    "de": ("Ist das Teil in Ordnung?", "Wo ist der Fehler?", "Wie viele Fehler gibt es?"),
    "fr": ("Est-ce que la pièce est bonne ?", "Où est le défaut ?", "Combien de défauts ?"),
    "es": ("¿Está bien la pieza?", "¿Dónde está el defecto?", "¿Cuántos defectos hay?"),
    "zh": ("这个零件合格吗？", "缺陷在哪里？", "有几个缺陷？"),
    "ja": ("この部品は大丈夫ですか？", "欠陥はどこですか？", "欠陥はいくつありますか？"),
    "ko": ("이 부품은 정상인가요?", "결함이 어디에 있나요?", "결함이 몇 개인가요?"),
}
CASES = [(language, *asked) for language, questions in QUESTIONS.items()
         for asked in zip(("ok", "where", "count"), questions, strict=True)]  # fmt: skip


def test_every_language_is_asked() -> None:
    assert QUESTIONS.keys() == LANGUAGES.keys()


@pytest.mark.parametrize(("language", "intent", "question"), CASES)
def test_language_and_question_are_recognised(language: str, intent: str, question: str) -> None:
    for spelled in (question, question.lower(), question.rstrip("?？ ")):
        (asked,) = understand(spelled)
        assert (asked.language, asked.intent) == (language, intent)


@pytest.mark.parametrize(("language", "intent", "question"), CASES)
def test_the_result_is_told(made, language: str, intent: str, question: str) -> None:
    phrases = LANGUAGES[language]
    names = dict(zip(LOCATIONS, phrases.places, strict=True))
    good = reply_to(understand(question), made(references=0)).text
    assert phrases.speaks in good
    assert phrases.good in good
    assert phrases.guess in good
    bad = reply_to(understand(question), made("left", "bottom right")).text
    assert phrases.speaks in bad
    assert phrases.good not in bad
    assert (phrases.bad in bad) is (intent == "ok")
    assert phrases.guess not in bad
    assert "2" in bad
    assert names["left"] in bad
    assert names["bottom right"] in bad


@pytest.mark.parametrize("question", ["Деталь в порядке?", "هل القطعة سليمة؟", "Część jest całą?"])
def test_any_other_language_gets_the_verdict_in_english(made, question: str) -> None:
    said = reply_to(understand(question), made("left")).text
    assert "I speak English" in said
    assert "1 region stands out, at the left" in said


def test_the_language_model_reads_english(made) -> None:
    reply = reply_to(understand("결함이 몇 개인가요?"), made("left"))
    assert reply.question is not None
    assert (reply.question + reply.in_english).isascii()


@pytest.mark.parametrize(
    "question",
    ["Is it OK?", "defect?", "Is the jalapeño ok?", "café label fine?", "?", "42", "on the left?"],
)
def test_english_stays_english(question: str) -> None:
    assert language_of(question) == "en"
