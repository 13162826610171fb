"""What the assistant answers, by intent and case. Templates; see `wording`.

Yes and No, one rule: only the answer to whether something is wrong ("anomaly") begins with "Yes"
or "No"; "Yes" always means that something is, "No" that nothing is. No other answer begins with
one of these words or with a word that starts like them ("Not", "Nothing"), so that the first
token of the verdict means one thing only. A question such as "Is the part OK?" is answered with
"It looks fine" or "It is not fine".

Words for places, sizes, shares and severities come in through braces only, so that no template
can state a fact that the masks did not give.
"""

from __future__ import annotations

from simulation.dialogues.english.defect_answers import DEFECT_ANSWERS
from simulation.dialogues.english.follow_up_answers import FOLLOW_UP_ANSWERS
from simulation.dialogues.english.talk_answers import TALK_ANSWERS

ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    **DEFECT_ANSWERS,
    **FOLLOW_UP_ANSWERS,
    **TALK_ANSWERS,
}
