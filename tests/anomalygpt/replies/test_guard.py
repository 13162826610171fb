"""What is shown of an answer while it is being written."""

from __future__ import annotations

import numpy as np
import pytest

from anomalygpt.replies.guard import Guard
from anomalygpt.replies.inventions import Known

ANSWERS = {
    "Typical are scratches. There is a deep scratch. Look at the left.": (
        "Typical are scratches. Look at the left."
    ),
    "There is a crack. Ask somebody who knows the part.": "Ask somebody who knows the part.",
    "Look at the left. The damage is at the top.": "Look at the left.",
    "1. Set it aside.\n2. Check the top.\n3. Look at the left.\n": (
        "1. Set it aside.\n3. Look at the left.\n"
    ),
    "I can tell you more. I see:\nA dent at the left.\n": "I can tell you more.",
    "Steps:\n- Set it aside.\n- Ask.": "Steps:\n- Set it aside.\n- Ask.",
    "Use a soft tool, e.g. a brush. It weighs 3 kg!": "Use a soft tool, e.g. a brush.",
    "There is damage e.g. at the top. Ask.": "Ask.",
    "Does it matter? Ask!\n\nKind regards": "Does it matter? Ask!\n\nKind regards",
    "The part is fine.": "",
    "Ask. There is a\nscratch at the left. Wait.": "Ask. Wait.",
    "The part\nis fine.": "",
    "There are\n3 defects.": "",
    "There are\n2 places.": "There are\n2 places.",
    "Keep it\napart.\nAsk": "Keep it\napart.\nAsk",
    "Steps\n\nThere is a dent\n- Ask\n2) Wait\n## End\nShift: late": (
        "Steps\n- Ask\n2) Wait\n## End\nShift: late"
    ),
    "No. It is cracked. Ask.": "No. Ask.",
    "Look at no. 2 first.": "Look at no. 2 first.",
    "": "",
    "  \n": "",
    "No end mark": "No end mark",
    "Nothing stands out": "",
}


@pytest.fixture
def known(made) -> Known:
    return Known(made("left", "right"), "What could have caused it?")


def shown(known: Known, pieces: list[str]) -> list[str]:
    guard = Guard(known)
    given = [*(guard.push(piece) for piece in pieces), guard.finish()]
    assert "".join(given) == guard.shown
    assert guard.written == "".join(pieces)
    return given


@pytest.mark.parametrize("answer", ANSWERS)
def test_sentences_that_invent_are_left_out(known, answer: str) -> None:
    assert "".join(shown(known, [answer])).rstrip() == ANSWERS[answer].rstrip()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("answer", ANSWERS)
def test_the_pieces_do_not_matter(known, answer: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    cuts = sorted(generator.integers(0, len(answer) + 1, int(generator.integers(0, 20))).tolist())
    pieces = [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    assert "".join(shown(known, pieces)) == "".join(shown(known, [answer]))


def test_a_sentence_is_held_back_until_it_is_complete(known) -> None:
    text = "Look at the left. There is a scratch. Ask somebody."
    given = shown(known, [*text])
    assert [each for each in given if each] == ["Look at the left.", " Ask somebody."]
    # It is given when the room behind its end mark has come.
    assert given.index("Look at the left.") == len("Look at the left.")
