"""Talks in which a foreign model speaks, or what is known is quoted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError, ExpertError
from anomalygpt.experts.consultation import DISAGREE, OWN, Consultation
from anomalygpt.experts.manner import NOTATIONS, Manner
from anomalygpt.knowledge.store import NOTHING
from anomalygpt.results import highlights
from anomalygpt.results.certainty import UNSURE, how_sure
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.sentences import sentence
from tests.plates import BAD, OTHER_GOOD
from tests.voices import GONE, ScriptedVoice

YES, NO = "Yes, a scratch at the left.", "No, it is fine."
OPEN = "What would you look for on such parts?"
QUOTE = "“Scratches come from chips that are trapped under the clamp."


# --- the verdict -------------------------------------------------------------------------------


def test_the_verdict_is_the_measured_one_with_an_opinion_beside_it(begin, embedded) -> None:
    talk = begin(ScriptedVoice(YES))
    own = begin(None).judge()
    found = talk.judge()
    assert (found.is_anomalous, found.anomaly_probability) == (True, own.anomaly_probability)
    assert found.answer == own.answer
    assert found.opinion is not None
    assert (found.opinion.model, found.opinion.answer) == ("scripted", YES)
    assert (found.opinion.is_anomalous, found.opinion.agrees) == (True, True)
    assert talk.turns[0].speaker == OWN
    assert talk.history[0] == (ANOMALY_QUESTION, f"{own.answer}\n\nscripted says: {YES}")


@pytest.mark.parametrize(("photo", "words"), [(BAD, NO), (OTHER_GOOD, YES)])
def test_where_the_two_disagree_everything_says_so(begin, photo, words) -> None:
    talk = begin(ScriptedVoice(words), photo)
    found = talk.judge()
    assert found.opinion is not None
    assert found.opinion.agrees is False
    assert how_sure(found) == UNSURE
    for text in (talk.history[0][1], sentence(found)):
        assert text.count(DISAGREE) == 1
    assert found.is_anomalous is (photo == BAD)


def test_an_opinion_that_is_no_yes_or_no_is_shown_and_decides_nothing(begin) -> None:
    found = begin(ScriptedVoice("Hard to say.")).judge()
    assert found.opinion is not None
    assert (found.opinion.is_anomalous, found.opinion.agrees) == (None, None)
    assert DISAGREE not in sentence(found)


def test_the_opinion_is_asked_for_without_our_verdict(begin) -> None:
    voice = ScriptedVoice(YES)
    begin(voice).judge()
    texts, pictures = voice.last()
    assert pictures == 3  # the good part, the part, the evidence
    assert not [text for text in texts if "something is wrong, probability" in text]
    assert "stand out" in " ".join(texts)


def test_an_expert_may_decide(begin) -> None:
    manner = Manner(decider="expert")
    talk = begin(ScriptedVoice(NO, yes=0.1), BAD, manner)
    found = talk.judge()
    assert (found.is_anomalous, found.anomaly_probability) == (False, pytest.approx(0.1))
    assert not found.regions
    assert found.model["verdict"] == "scripted"
    assert talk.turns[0].speaker == "scripted"
    assert "10 %" in talk.ask("How likely is it an anomaly?")
    yes = begin(ScriptedVoice(YES, yes=0.7), OTHER_GOOD, manner).judge()
    assert yes.is_anomalous
    assert yes.regions  # who says yes must show where


def test_an_expert_that_decides_without_a_probability_says_none(begin) -> None:
    talk = begin(ScriptedVoice(YES), BAD, Manner(decider="expert"))
    found = talk.judge()
    assert (found.is_anomalous, found.anomaly_probability) == (True, None)
    assert "without a probability" in talk.ask("How sure are you?")
    assert "0 %" not in talk.ask("How sure are you?")


def test_an_expert_that_is_to_decide_must_say_yes_or_no(begin) -> None:
    with pytest.raises(ExpertError, match="no yes or no"):
        begin(ScriptedVoice("Hmm."), BAD, Manner(decider="expert")).judge()
    with pytest.raises(ExpertError, match="nobody is there"):
        begin(ScriptedVoice(GONE), BAD, Manner(decider="expert")).judge()


def test_without_its_expert_the_verdict_is_still_there(begin) -> None:
    talk = begin(ScriptedVoice(GONE))
    found = talk.judge()
    assert found.is_anomalous
    assert found.opinion is None
    assert talk.fault is GONE
    assert found.cautions[-1] == "scripted was not heard: nobody is there."


def test_results_with_an_opinion_are_read_back(begin) -> None:
    found = begin(ScriptedVoice(NO)).judge()
    again = Inspection.from_json(found.to_json())
    assert again.opinion == found.opinion
    assert json.loads(found.to_json())["opinion"]["agrees"] is False
    bare = json.loads(found.to_json())
    del bare["opinion"]  # as results of before have none
    assert Inspection.from_json(json.dumps(bare)).opinion is None


# --- questions ---------------------------------------------------------------------------------


def test_what_the_result_tells_is_told_by_the_result(begin) -> None:
    voice = ScriptedVoice(YES)
    talk = begin(voice)
    talk.judge()
    asked = len(voice.heard)
    plain = begin(None)
    plain.judge()
    for question in ("Where is it?", "How many are there?", "How large is box 1?"):
        assert talk.ask(question) == plain.ask(question)
        assert talk.turns[-1].speaker == OWN
    assert len(voice.heard) == asked


@pytest.mark.parametrize("question", [OPEN, "What colour is it?", "Was ist das?", "Who made it?"])
def test_what_is_open_is_answered_by_the_voice(begin, question) -> None:
    voice = ScriptedVoice(YES, "Look at the edges.")
    talk = begin(voice)
    talk.judge()
    pieces = list(talk.stream(question))
    assert "".join(pieces).strip() == "Look at the edges."
    assert len(pieces) == 4
    assert talk.turns[-1].speaker == "scripted"
    texts, pictures = voice.last()
    assert pictures == 3
    assert texts[-1] == question
    assert [text for text in texts if "something is wrong, probability" in text]


def test_a_question_of_both_kinds_is_answered_by_both(begin) -> None:
    talk = begin(ScriptedVoice(YES, "Stop the line."))
    talk.judge()
    said = talk.ask("Where is it, and what should I do?")
    first, second = said.split("\n\n")
    assert "left" in first
    assert second.strip() == "Stop the line."
    assert talk.turns[-1].speaker == f"{OWN} and scripted"


def test_a_voice_reads_what_was_said_before(begin) -> None:
    voice = ScriptedVoice(YES, "First.", "Second.")
    talk = begin(voice)
    talk.judge()
    talk.ask("Where is it?")
    talk.ask(OPEN)
    talk.ask("And on other parts, what would you look for?")
    texts, _ = voice.last()
    assert "Where is it?" in texts
    assert talk.history[1][1] in texts
    assert "First." in texts
    roles = [message.role for message in voice.heard[-1]]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]


def test_words_alone_show_no_picture(begin) -> None:
    for voice, manner in (
        (ScriptedVoice(YES), Manner(notation="words")),
        (ScriptedVoice(YES, sees=False), Manner()),
    ):
        talk = begin(voice, BAD, manner)
        talk.judge()
        talk.ask(OPEN)
        assert all(
            isinstance(part, str)
            for messages in voice.heard
            for message in messages
            for part in message.parts
        )


def test_on_a_good_part_the_evidence_marks_nothing(begin) -> None:
    voice = ScriptedVoice(NO)
    talk = begin(voice, OTHER_GOOD, Manner(notation="bbox"))
    talk.judge()
    talk.ask(OPEN)
    parts = voice.heard[-1][1].parts
    pictures = [part for part in parts if not isinstance(part, str)]
    photo, marked = (np.asarray(picture) for picture in pictures[1:])
    np.testing.assert_array_equal(photo, marked)
    assert "nothing stands out" in " ".join(p for p in parts if isinstance(p, str)).lower()


def test_a_voice_that_speaks_against_the_verdict_is_answered(begin) -> None:
    talk = begin(ScriptedVoice(YES, "The part is fine and can be used."))
    talk.judge()
    said = talk.ask(OPEN)
    assert said.endswith(f"(Measured: {talk.inspection.answer} {DISAGREE})")
    agreeing = begin(ScriptedVoice(YES, "Look for scratches at the edges."))
    agreeing.judge()
    assert DISAGREE not in agreeing.ask(OPEN)


def test_thoughts_come_once_and_are_no_part_of_the_answer(begin) -> None:
    voice = ScriptedVoice(YES, "It is a plate.", "Look at the edges.", "Again.")
    talk = begin(voice, BAD, Manner(thinks=True))
    talk.judge()
    assert talk.ask(OPEN).strip() == "Look at the edges."
    assert talk.turns[-1].thoughts == "It is a plate."
    texts, _ = voice.last()
    assert "It is a plate." in texts
    assert talk.ask("What else would you look for on such parts?").strip() == "Again."
    assert talk.turns[-1].thoughts == ""
    assert len(voice.heard) == 4


def test_who_stops_listening_keeps_what_was_said(begin) -> None:
    talk = begin(ScriptedVoice(YES, "One two three.", "Go on."))
    talk.judge()
    pieces = talk.stream(OPEN)
    assert next(pieces) == "One "
    pieces.close()
    assert talk.history[-1] == (OPEN, "One")
    assert talk.ask(OPEN).strip() == "Go on."


def test_an_error_leaves_the_talk_as_it_was(begin) -> None:
    talk = begin(ScriptedVoice(YES, GONE, "Here again."))
    talk.judge()
    before = list(talk.turns)
    with pytest.raises(ExpertError):
        talk.ask(OPEN)
    assert talk.turns == before
    assert talk.ask(OPEN).strip() == "Here again."


def test_a_talk_begins_anew(begin) -> None:
    talk = begin(ScriptedVoice(YES))
    talk.judge()
    talk.ask(OPEN)
    fresh = talk.restart()
    assert fresh.history == []
    fresh.judge()
    assert len(fresh.history) == 1
    with pytest.raises(ConfigError, match="first turn"):
        fresh.judge()


@pytest.mark.parametrize("wrong", [{"notation": "circles"}, {"decider": "nobody"}])
def test_unknown_manners_are_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        Manner(**wrong)


def test_manners_know_the_notations_that_there_are() -> None:
    assert NOTATIONS == highlights.NOTATIONS


def test_an_empty_question_is_refused(begin) -> None:
    with pytest.raises(ConfigError, match="empty"):
        begin(ScriptedVoice(YES)).stream("  ")


# --- what is known -----------------------------------------------------------------------------


def test_without_a_voice_what_is_known_is_quoted_with_its_source(begin, knowledge) -> None:
    talk: Consultation = begin(None, knowledge=knowledge)
    talk.judge()
    said = talk.ask("What causes scratches?")
    assert said.startswith(QUOTE)
    assert "(plate/plate.md, scratch)" in said
    assert talk.turns[-1].speaker == OWN
    assert talk.turns[-1].sources == ("plate/plate.md, scratch",)


def test_what_nobody_knows_is_said(begin, knowledge) -> None:
    talk = begin(None, knowledge=knowledge)
    talk.judge()
    assert talk.ask("Who won the cup?").endswith(NOTHING)
    assert talk.turns[-1].sources == ()
    plain = begin(None)
    plain.judge()
    assert NOTHING not in plain.ask("Who won the cup?")


def test_a_voice_reads_what_is_known_and_its_source(begin, knowledge) -> None:
    voice = ScriptedVoice(YES, "Chips under the clamp [plate/plate.md, scratch].")
    talk = begin(voice, knowledge=knowledge)
    talk.judge()
    talk.ask("What causes scratches?")
    texts, _ = voice.last()
    assert "[plate/plate.md, scratch] Scratches come from chips" in texts[-1]
    assert texts[-1].endswith("What causes scratches?")
    assert talk.turns[-1].sources == ("plate/plate.md, scratch",)
    assert "Scratches come from chips" not in talk.history[-1][0]


def test_what_is_known_fits_its_budget(begin, knowledge) -> None:
    voice = ScriptedVoice(YES)
    talk = begin(voice, BAD, Manner(known_tokens=5), knowledge)
    talk.judge()
    talk.ask("What causes scratches?")
    texts, _ = voice.last()
    assert texts[-1] == "What causes scratches?"
