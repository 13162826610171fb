"""A foreign model answers: what it is sent, and how its answers are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anomalygpt import AnomalyGPT, ConfigError, Inspection
from anomalygpt.data import Question
from anomalygpt.evaluation.questions.embedded import EmbeddedAnswerer
from anomalygpt.evaluation.questions.voices import VoiceAnswerer
from anomalygpt.experts.voice import Message

YES_NO = {"A": "Yes.", "B": "No."}
DETECTION = Question("Anomaly Detection", "Is anything wrong?", YES_NO, "A")
WHAT = Question("Object Analysis", "What is it?", {"A": "A ring.", "B": "A disc."}, "B")


def texts(message: Message) -> str:
    return "\n".join(part for part in message.parts if isinstance(part, str))


def pictures(message: Message) -> list[Image.Image]:
    return [part for part in message.parts if not isinstance(part, str)]


def found_on(photo: Path, inspection: Inspection) -> tuple[Any, ...]:
    return (f"Found on {photo.name}: {inspection.is_anomalous}.", Image.new("RGB", (20, 20)))


def test_a_voice_sees_templates_and_photo_before_mmad_questions(voice, parts: Path) -> None:
    model = voice(["B"])
    about = VoiceAnswerer(model, by_probability=False).open(
        parts / "stained.png", [parts / "good.png", parts / "other.png"], "It is round."
    )
    answer = about.answer(DETECTION, YES_NO)
    assert (answer.text, answer.shares, about.probability) == ("B", None, None)
    ((message,),) = model.heard
    assert message.role == "user"
    assert [picture.size for picture in pictures(message)] == [(96, 80)] * 3
    told = texts(message)
    assert "It is round." in told
    assert "2 photos of good parts:" in told
    assert "Is anything wrong?\nA. Yes.\nB. No.\n" in told
    assert told.index("It is round.") < told.index("good parts:") < told.index("Is anything")


def test_mmad_questions_are_asked_one_by_one_or_after_each_other(voice, parts: Path) -> None:
    alone, after = voice(["A", "B"]), voice(["A", "B"])
    for model, protocol in ((alone, "separate"), (after, "cumulative")):
        about = VoiceAnswerer(model, by_probability=False, protocol=protocol).open(
            parts / "stained.png", [], None
        )
        about.answer(DETECTION, YES_NO)
        about.answer(WHAT, WHAT.options)
    assert [len(messages) for messages in alone.heard] == [1, 1]
    assert len(pictures(alone.heard[1][0])) == 1
    assert [message.role for message in after.heard[1]] == ["user", "assistant", "user"]
    assert texts(after.heard[1][1]) == "A"
    assert pictures(after.heard[1][2]) == []


def test_mmad_letters_by_probability_where_a_voice_tells_any(voice, parts: Path) -> None:
    model = voice(["never"], shares={"A": 1.0, "B": 3.0})
    answer = VoiceAnswerer(model).open(parts / "good.png", [], None).answer(DETECTION, YES_NO)
    assert answer.text == "B"
    assert answer.shares == {"A": 0.25, "B": 0.75}
    assert len(model.heard) == 1
    mute = voice(["The answer is A."])
    answer = VoiceAnswerer(mute).open(parts / "good.png", [], None).answer(DETECTION, YES_NO)
    assert (answer.text, answer.shares) == ("The answer is A.", None)
    assert len(mute.heard) == 2


def test_a_voice_may_think_before_mmad_questions(voice, parts: Path) -> None:
    model = voice(["A disc with a stain.", "A", "B"])
    about = VoiceAnswerer(model, by_probability=False, think=True).open(
        parts / "stained.png", [], None
    )
    assert about.answer(DETECTION, YES_NO).text == "A"
    about.answer(WHAT, WHAT.options)
    assert [len(messages) for messages in model.heard] == [1, 3, 3]
    described, thoughts, asked = model.heard[2]
    assert len(pictures(described)) == 1
    assert texts(thoughts) == "A disc with a stain."
    assert texts(asked).startswith("What is it?")


def test_an_assistants_evidence_goes_to_the_voice_of_an_mmad_run(
    voice, parts: Path, assistant: AnomalyGPT
) -> None:
    inspect = EmbeddedAnswerer(assistant).inspect
    for sees, shown in ((True, 3), (False, 0)):
        model = voice(["A"], sees=sees)
        answerer = VoiceAnswerer(
            model, by_probability=False, inspect=inspect, evidence=found_on, notes={"kind": "words"}
        )
        assert answerer.mark["kind"] == "words"
        about = answerer.open(parts / "stained.png", [parts / "good.png"], None)
        about.answer(DETECTION, YES_NO)
        (message,) = model.heard[0]
        assert "Found on stained.png: " in texts(message)
        assert len(pictures(message)) == shown


def test_a_blind_voice_without_evidence_would_guess_in_mmad(voice) -> None:
    with pytest.raises(ConfigError, match="sees no pictures, so it would guess"):
        VoiceAnswerer(voice(["A"], sees=False))
    with pytest.raises(ConfigError, match="come together"):
        VoiceAnswerer(voice(["A"]), evidence=found_on)


def test_marks_tell_how_a_voice_is_asked_about_mmad(voice) -> None:
    usual = VoiceAnswerer(voice(["A"])).mark
    for changed in ({"think": True}, {"protocol": "cumulative"}, {"by_probability": False}):
        assert VoiceAnswerer(voice(["A"]), **changed).mark != usual
    assert VoiceAnswerer(voice(["A"], name="other")).mark != usual
    assert VoiceAnswerer(voice(["A"])).known_photos is None


def test_a_whole_mmad_run_of_a_voice(mmad: Path, ask, voice) -> None:
    results = ask(mmad, VoiceAnswerer(voice(["A"], shares={"A": 0.7, "B": 0.2, "C": 0.1})))
    figures = results["trials"][0]["figures"]["mean"]
    assert figures["auroc"]["questions"] == 8
    assert figures["auroc"]["value"] == 0.5  # half of its "A" mean yes, whatever the photo is
    assert results["products_seen"]["is_known"] is False
