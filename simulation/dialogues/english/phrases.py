"""Words and phrases that the templates of the dialogues share; see `wording`."""

from __future__ import annotations

A_DEFECT = "[{a_defect}|a {size} {defect}]"

EXTRA_ONE = (
    "[|| It covers {share} of the {photo}.| I would call it {severity}.| It looks {severity}."
    "| The rest looks fine.]"
)
EXTRA_MANY = (
    "[|| The largest is {size}.| Together they cover {total} of the {photo}."
    "|{and_largest}| I would call the damage {severity}."
    "| The largest is {size} and covers {share} of the {photo}.]"
)
IS_AT_MANY = "[they are|you find them|I see them|look] at the {where}"

# Words that the templates share. Those that depend on the facts are added to these.
WORDS: dict[str, str] = {
    "photo": "[image|image|photo|picture]",
    "defect": "[defect|anomaly|flaw|irregularity|fault]",
    "defects": "[defects|anomalies|flaws|irregularities|damaged spots]",
    "a_defect": "[a defect|an anomaly|a flaw|an irregularity|a damaged spot|a fault]",
    "a_size_defect": "a {size} {defect}",
    "fine_verb": "[looks fine|is fine|seems fine|looks undamaged|looks as it should]",
    "see_it": "[I see|there is|I can see]",
    "see_them": "[I see|there are|I can see]",
    "look_many": IS_AT_MANY,
    "extra_one": f"[{EXTRA_ONE}| It is {{size}}.]",
    "extra_many": EXTRA_MANY,
    "together": "Together they cover {total} of the {photo}.",
    "rated": "[In total, {total} of the {photo} is affected.|I go by the affected area only.]",
    "size_note": "only {size}",
    "alone": "[By itself I can still inspect it.|Give me one and I can compare.]",
    "only": "[I only see the surface.|I can only speak about visible damage.|Please look it up.]",
    "offer": "[Ask me whether something is wrong, where, and how bad it is.|I can tell you whether "
    "the {part} looks damaged.|Ask me anything about visible damage.]",
    "more": "[Do you have another question?|Ask me whenever you like.|Is there anything else?]",
    "back": "[Come back any time.|Take care.|Until the next {part}.]",
}
