"""Plain questions about a result, and some that it cannot answer, in words nobody tuned on.

Those of `ASKED` were written before the patterns of `anomalygpt.replies` were read. They are for
mending: who changes the patterns may look at those that fail. Those of `fresh_questions` are only
counted; once one of them was looked at, it moves here, and a new one is to be written. No test and
no pattern takes words from either.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from chats.fresh_questions import FRESH

Half = Literal["mending", "counted"]
# A question, or one with the numbers of boxes or the place that it asks about.
Row = str | tuple[str | int, ...]


class PlainQuestion(NamedTuple):
    """One question.

    Attributes:
        kind: a key of `ASKED`.
        text: its words.
        boxes: numbers of the boxes that it asks about.
        place: the place that it asks about, of `constants.LOCATIONS`.
    """

    kind: str
    text: str
    boxes: tuple[int, ...] = ()
    place: str | None = None


def questions(half: Half) -> list[PlainQuestion]:
    """Those for mending, or those that are only counted."""
    asked = ASKED if half == "mending" else FRESH
    return [_question(kind, row) for kind, rows in asked.items() for row in rows]


def _question(kind: str, row: Row) -> PlainQuestion:
    text, *about = (row,) if isinstance(row, str) else row
    boxes = tuple(each for each in about if isinstance(each, int))
    places = [each for each in about if isinstance(each, str)]
    return PlainQuestion(kind, str(text), boxes, places[0] if places else None)


ASKED: dict[str, tuple[Row, ...]] = {
    "ok": (
        "So, can this one go out to the client?",
        "Would you pass or reject it?",
        "Good or bad?",
        "Did it survive the drop test, as far as you see?",
        "Is there cause for concern here?",
        "Can I ship it?",
        "Anything I should worry about?",
        "Is that a reject?",
        "Does this piece look healthy to you?",
        "What's your call on this one?",
        "tell me if this part is ok pls",
        "Has it got any flaws?",
        "Spot anything weird?",
        "Is everything the way it ought to be?",
        "Would you let that through?",
        "Is it in proper shape?",
        "Everything alright with that?",
        "Do we have a bad part?",
    ),
    "count": (
        "What is the number of boxes?",
        "How many spots did you draw?",
        "Give me the total of marked areas.",
        "Is there more than one thing wrong?",
        "how many red rectangles are there",
        "Just one, or several?",
        "Count the marks for me.",
        "Number of findings?",
        "In how many places is it damaged?",
        "How many separate things did you find?",
        "Are there several defects?",
        "How many outlines does the picture show?",
        "What's the tally?",
        "And how many of those are there altogether?",
        "Is it a single flaw?",
        "How much boxes you see?",
    ),
    "where": (
        "Whereabouts is it?",
        "Show me where to look.",
        "Which part of the picture is affected?",
        "In what corner should I search?",
        "Point me to the trouble.",
        "Which regions stand out?",
        "Where on the part do you see something?",
        "What is the position of the defect?",
        "Where did you put the boxes?",
        "On which side is it?",
        "location please",
        "Where exactly are the marks?",
        "Which areas have you highlighted?",
        "Where's the bad bit?",
        "Where should the repair man look?",
        "Locate the anomalies.",
    ),
    "cell": (
        ("Is there something in the upper left?", "top left"),
        ("What about the lower right corner?", "bottom right"),
        ("Does the centre look alright?", "center"),
        ("And the top?", "top"),
        ("Is the left-hand side fine?", "left"),
        ("Anything at the bottom?", "bottom"),
        ("How is the right edge doing?", "right"),
        ("Is the bottom left free of marks?", "bottom left"),
        ("Did you mark anything in the top right?", "top right"),
        ("Is one of the boxes in the middle?", "center"),
        ("Would you say the upper right corner is intact?", "top right"),
        ("Check the lower left for me.", "bottom left"),
        ("Is the area at the very top damaged too?", "top"),
        ("Is the middle ok?", "center"),
    ),
    "size": (
        "How big is the damaged area?",
        "What share of the photo is it?",
        "Is it large or small?",
        "How much of the part is affected?",
        "What is the size of the marks?",
        "How many percent does it take up?",
        "How wide are the boxes?",
        "Give me the dimensions.",
        "What's the extent of the damage?",
        "How many pixels is that?",
        "Is it a tiny spot?",
        "How much space does it cover?",
    ),
    "sure": (
        "How confident are you in that?",
        "Could you be mistaken?",
        "What's the probability?",
        "Is that a guess?",
        "How reliable is this result?",
        "With what certainty do you say so?",
        "Can I count on that?",
        "How likely is it that this part is bad?",
        "Are you positive?",
        "Should I double check it by eye?",
        "How safe is your judgement?",
        "Any doubts?",
    ),
    "worst": (
        "Which box is the most serious?",
        "Which one should I look at first?",
        "What stands out most?",
        "Which mark is the strongest?",
        "Where is it worst?",
        "What's the most obvious finding?",
        "Which of the spots is the gravest?",
        "Which box has the highest score?",
        "Name the most striking region.",
        "Which one bothers you the most?",
    ),
    "largest": (
        "Which box is the biggest?",
        "What's the largest mark?",
        "Where is the biggest one?",
        "Which region covers the most?",
        "Show the biggest area.",
        "Which of them takes up most room?",
    ),
    "smallest": (
        "Which box is the smallest?",
        "What's the tiniest mark?",
        "Where is the smallest one?",
        "Which region is the least large?",
    ),
    "box": (
        ("What does box 1 mean?", 1),
        ("What's in box 2?", 2),
        ("Tell me about #1.", 1),
        ("Explain region 3.", 3),
        ("What is number two?", 2),
        ("Describe the second box please.", 2),
        ("What did you mark with 1?", 1),
        ("what's up with box no. 2", 2),
        ("Why is there a box 1?", 1),
        ("marking 2?", 2),
        ("And the third one?", 3),
        ("What about box one?", 1),
        ("What am I looking at in rectangle 1?", 1),
        ("Give me details on mark number 2.", 2),
        ("Talk me through the first finding.", 1),
        ("What is the 2nd spot about?", 2),
        ("What does the 1 in the picture stand for?", 1),
        ("box 3 please", 3),
        ("I don't understand box 1.", 1),
        ("Say more about area 2.", 2),
        ("What's the deal with #3?", 3),
        ("Can you interpret box 2 for me?", 2),
        ("Is box 1 bad?", 1),
        ("How serious is the second one?", 2),
        ("Should I worry about box 3?", 3),
        ("Is #1 a real defect?", 1),
        ("How strongly does box 2 stand out?", 2),
        ("What score did box 1 get?", 1),
    ),
    "box_where": (
        ("Where is box 1?", 1),
        ("Where do I find the second mark?", 2),
        ("Where's #3?", 3),
        ("In which corner is box 2?", 2),
        ("What is the position of region 1?", 1),
        ("Where does number two lie?", 2),
        ("On what side is the first box?", 1),
        ("Locate box 3.", 3),
        ("Whereabouts is marking 2?", 2),
        ("Is box 1 at the top or at the bottom?", 1),
    ),
    "box_size": (
        ("How big is box 1?", 1),
        ("How large is the second region?", 2),
        ("What size is #3?", 3),
        ("How many pixels wide is box 2?", 2),
        ("What's the area of mark 1?", 1),
        ("What are the dimensions of number two?", 2),
        ("How much of the photo does box 1 cover?", 1),
        ("Size of box 3?", 3),
        ("How tall is the first one?", 1),
        ("what percentage is box 2", 2),
    ),
    "compare": (
        ("Compare box 1 and box 2.", 1, 2),
        ("Which is worse, 1 or 2?", 1, 2),
        ("Is box 2 larger than box 1?", 2, 1),
        ("What's the difference between #1 and #2?", 1, 2),
        ("How do the first and the second box differ?", 1, 2),
        ("Is the first one bigger than the third?", 1, 3),
        ("box 2 vs box 3", 2, 3),
        ("Put regions 1 and 3 side by side.", 1, 3),
    ),
    "list": (
        "List all boxes.",
        "Enumerate everything you found.",
        "Go through the marks one by one.",
        "Give me an overview of all regions.",
        "Tell me about each box.",
        "Summarise the findings.",
        "What do the boxes mean?",
        "What do the numbers in the picture mean?",
        "Run down the list of spots for me.",
        "What did you find?",
    ),
    "missing": (
        ("What is box 14?", 14),
        ("Where is box 0?", 0),
        ("How big is #99?", 99),
        ("Tell me about the fifteenth mark.", 15),
        ("Explain box zero.", 0),
        ("Is region 20 serious?", 20),
        ("Compare box 1 and box 40.", 1, 40),
        ("What does number thirteen mean?", 13),
        ("box -1?", -1),
        ("Where do I find mark 100?", 100),
    ),
    "unanswerable": (
        "Who damaged it?",
        "What caused box 1?",
        "When did the mark in the second box appear?",
        "How deep is the scratch in millimetres?",
        "How much will the repair of box 2 cost?",
        "What is the part called?",
        "Which machine made the first defect?",
        "Does the box contain a crack or a stain?",
        "How heavy is it?",
        "How many of these did we sell in May?",
        "Where was this part manufactured?",
        "Which worker was on duty?",
        "Is my stock portfolio safe?",
        "How large is the factory hall?",
        "How sure is the customer about his order?",
        "Where is the nearest hardware store?",
        "How many boxes fit on a pallet?",
        "What's the box office result of that film?",
        "Where should we ship the box?",
        "What is the temperature of the surface?",
        "Is the inner wall corroded?",
        "How long until it breaks?",
        "Will the second shift fix it?",
        "Which glue was used here?",
        "Sing me a song.",
        "What's the weather like in Oslo?",
        "How many people work at your company?",
        "Can you call the supplier about box 1?",
        "Who are you voting for?",
        "Is it heavier than the previous one?",
        "What hardness does the steel have?",
        "Which standard does it have to meet?",
        "How old is this thing?",
        "What does the invoice say?",
        "Is the underside scratched?",
        "How many layers of paint does it have?",
        "Where did the first customer complain?",
        "What is the second law of thermodynamics?",
        "Which drawer is number two in?",
        "How large was last year's scrap rate?",
        "Will it rust by next winter?",
        "What does the barcode encode?",
        "Was the mould cleaned before casting?",
        "What is 17 times 23?",
        "Does the screw inside have the right thread?",
        "How did the part before this one come out?",
        "Where does the copper come from?",
        "Who wrote Hamlet?",
    ),
}
