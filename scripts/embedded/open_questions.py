"""Open questions about a result, in many words, and answers that add nothing to it.

What a result tells is answered from the result (`anomalygpt.replies`); these are the questions
beyond: what one would look for, what to do, what a box means, a line for the log. An answer may
say what holds for any part, and what the result says about this one; what the photo does not tell
is declined. Phrasings in `held_out` are never trained on, only measured.

Templates as in `simulation.dialogues.english.wording`; besides its words they take {damages}, a
list of kinds of damage; {box}, {box_place}, {box_share} and {box_score} of a region that is asked
for; {term} and {meaning}, {other} and {other_meaning}.
"""

from __future__ import annotations

from embedded.open_knowledge import KNOWLEDGE
from embedded.open_result import RESULT
from embedded.open_topic import Topic

TOPICS: dict[str, Topic] = {**KNOWLEDGE, **RESULT}
