"""Words of a question: which of them tell what is asked for, and what else they may be called."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_WORD = re.compile(r"[^\W_]+")

# Other spellings and forms that cutting off endings does not bring together.
_SAME = {
    **dict.fromkeys(("tooth",), "teeth"),
    **dict.fromkeys(("broke", "broken", "breakage", "breakages"), "break"),
    **dict.fromkeys(("torn", "tore"), "tear"),
    **dict.fromkeys(("bent",), "bend"),
    **dict.fromkeys(("stuck",), "stick"),
    **dict.fromkeys(("lost", "loses"), "lose"),
    **dict.fromkeys(("burnt",), "burn"),
    **dict.fromkeys(("worn", "wore"), "wear"),
    **dict.fromkeys(("woven", "wove"), "weave"),
    **dict.fromkeys(("slit", "slits"), "slit"),
    **dict.fromkeys(("colour", "colours", "coloured", "colouring", "colors", "colored"), "color"),
    **dict.fromkeys(("discolour", "discoloured", "discolouration", "discolourations"), "discolor"),
    **dict.fromkeys(("discoloration", "discolorations", "discolored"), "discolor"),
    **dict.fromkeys(("grey", "greyish"), "gray"),
    **dict.fromkeys(("fibre", "fibres"), "fiber"),
    **dict.fromkeys(("mould", "moulded"), "mold"),
    **dict.fromkeys(("tyre", "tyres"), "tire"),
    **dict.fromkeys(("aluminium",), "aluminum"),
    **dict.fromkeys(("deformation", "deformations", "deformities"), "deform"),
    **dict.fromkeys(("contamination", "contaminated", "contaminations"), "contaminant"),
    **dict.fromkeys(("led", "leds"), "led"),
    **dict.fromkeys(("knives",), "knife"),
}

# What the trade calls by several names; a word may stand in several lines. What stands before ">"
# also finds what stands after it, but not the other way round: a scratch is a line, but few lines
# are scratches.
_GROUPS = """
scratch scuff scrape abrasion abrade rub graze score
line mark > scratch
crack split fracture fissure rupture burst
break shatter chip snap smash fragment rupture
chip nick notch
piece corner rim edge > chip break
hole puncture pierce poke prick perforation bore void
poke indentation dent puncture
dent deform indent indentation crush squeeze squash compress crumple pinch
press cave > dent deform squeeze compress
bend crooked warp kink deform misshapen distort distortion twist splay
lean > bend angle
misshapen deform malformed irregular flatten flattened
missing absent absence lack lacking gone lose empty few fewer void
extra additional surplus
misplace misalign misalignment shift displace
swap wrong > misplace misalign improper
discolor stain color spot patch blotch tint smear fade
dark darken yellow red reddish blue > discolor stain color spot
oil oily grease > stain
liquid moisture > stain
liquid water wet moisture damp
contaminant dirt dirty foreign residue particle debris stuff dust impurity smudge
metal metallic
splinter shard > contaminant metal
glue adhesive residue sticky
open opened unsealed tamper tampered unscrewed ajar
lift seal > open tamper
cap lid closure
cut slash slice slit tear incision gash
knife > cut
fold crease creased wrinkle wrinkled
thread fiber strand yarn filament
fray frayed loose stray unravel ravel
imprint print letter text character number
legible readable read writing > imprint print letter
melt burn overheat scorch char
heat hot thermal > melt burn overheat scorch
overheat > heat thermal
cloth fabric textile
case casing housing body enclosure
point front > tip
lead leads leg legs pin pins
insulation sheath jacket
fuse fused adhere adhered stick
rough uneven bumpy texture coarse
bubble bubbles blister
strand strands wire wires
conductor core
label sticker
outside > surface exterior
level fill
safe safety danger dangerous hazard
usable > function functional functionality use
cross section
clean wipe
quantity count amount number
solder soldering
form shape
rust rusty corrosion corroded oxidation
"""

# Words that tell nothing about what is asked for.
_STOP = frozenset(
    re.findall(
        r"\S+",
        """
a an the this that these those it its itself they them their there here he she his her i me my we
us our you your one ones some somebody someone something any anybody anything every everything all
both each other another and or but if then than so as at by for from in into of off on onto out
over to up with within about after before again already also still only just very too much many
more most less least such same own is are was were be been being am do does did done doing has have
had having can could may might must shall should will would what which who whom whose when where
why how not no nor never now ever please tell describe explain say said call called name named know
known knows mean means meant look looks looking looked see seen sees saw show shows shown seem
seems appear appears recognise recognize notice detect find found finds spot get gets got getting
come comes came coming become becomes became go goes went going happen happens happened make makes
made making give gives given take takes taken put keep let leave leaves left like want need needs
think thing things matter matters sort kind kinds type types state condition way point points
possible possibly perhaps maybe really quite rather bit lot it's photo photos picture image images
product products part parts item items object objects place places time first follow follows
something question answer remain remains regard regarding concerning during while because since
between beside next under below above near side sides sit sits stand stands lie lies hang hangs
exactly usually normally often sometimes always general generally bad badly serious severe
s t re ve ll d m
""",
    )
)

# Words that ask for damage of any kind, rather than for one.
_DAMAGE = frozenset(
    re.findall(
        r"\S+",
        """
fault faults faulty defect defects defective flaw flaws damage damages damaged problem problems
issue issues anomaly anomalies anomalous error errors wrong irregularity irregularities matter
failure failures blemish blemishes imperfection imperfections
""",
    )
)
_NORMAL = re.compile(
    r"\b(?:good|normal|intact|proper|properly|flawless|faultless|perfect|perfectly|sound"
    r"|healthy|correct|correctly|ok|okay|acceptable|accepted|undamaged|unblemished|ideal|regular"
    r"|fine(?! (?:\w+ )?(?:lines?|cracks?|hairs?|scratch\w*|marks?|threads?|dust|powder))"
    r"|in order(?! to\b)|all right|everything (?:is )?right|expected|standard|conform\w*"
    r"|without (?:any )?(?:faults?|flaws?|defects?|damage|problems?|anomal\w+)"
    r"|(?:free of|no) (?:faults?|flaws?|defects?|damage)|nothing (?:is )?wrong"
    r"|(?:how|what) (?:should|must|shall|ought) (?:an?|the|my|our)? ?(?:\w+ ){1,4}?(?:look|be\b)"
    r"|supposed to)\b"
)
_NORMAL_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
good normal intact proper properly fine flawless faultless perfect perfectly sound healthy correct
correctly ok okay acceptable accepted undamaged unblemished ideal order right expected standard
supposed conform conforms conforming
""",
    )
)
_CAUSE = re.compile(
    r"\b(?:causes?|caused|causing|why|how come|reasons?|origins?|comes? from|came from|due to"
    r"|leads? to (?:this|it|that)|what (?:makes|made|leaves|left)|where does \w+ come|source of"
    r"|could have \w+ed|whence|root|blame)\b"
)
_CAUSE_WORDS = frozenset(
    ("cause", "causes", "caused", "causing", "reason", "reasons", "origin", "source", "root")
)
_REMEDY = re.compile(
    r"\b(?:what (?:should|shall|can|must|could|do) (?:i|we|you|one) (?:do|to)\b|what to do|what now"
    r"|should be done|to be done|remed\w+|repair\w*|fix(?:ed|ing)?|prevent\w*|avoid\w*"
    r"|countermeasures?|corrective|how (?:do|can|should) (?:i|we|you) (?:handle|treat|react)"
    r"|rework\w*|next steps?|instructions?|procedure|measures?|actions?)\b"
)
_REMEDY_WORDS = frozenset(
    ("remedy", "remedies", "action", "actions", "measure", "measures", "handle", "react")
)
_ALL_KINDS = re.compile(
    r"\b(?:which|what|list|all|several|different|typical|common|possible)\b[^?.]*\b(?:faults|defects"
    r"|flaws|damages?|problems|issues|anomalies|kinds)\b|\bgo wrong\b|\bmore than one\b"
    r"|\bseveral\b[^?.]*\b(?:at once|at the same time)\b"
)
# A question for a price, which only a passage answers that speaks of one.
_PRICE = re.compile(r"\bhow (?:much|expensive) (?:is|are|was|were)\b")
_PRICE_WORDS = ("price", "cost", "costs", "expensive")

# What several words say together, and one word for it.
_PHRASES = (
    (re.compile(r"\btoo (?:few|little)\b"), "missing"),
    (re.compile(r"\btoo many\b|\bone too much\b"), "extra"),
    (re.compile(r"\bwhere (?:it|they) (?:should|must|ought|belong)"), "misplace"),
    (re.compile(r"\bwrong (?:place|position|way|side)\b|\bupside down\b"), "misplace"),
    (re.compile(r"\b(?:came|comes?|coming|broken|fallen|fell|falls?) off\b"), "break"),
)
# A question that yes or no would answer.
_YES_NO = re.compile(
    r"^\W*(?:is|are|was|were|can|may|could|does|do|did|has|have|will|would|should|must)\b"
)

# How a sentence speaks of causes, and of what to do.
TELLS_CAUSE = re.compile(
    r"\b(?:caus(?:e|es|ed|ing)|because|due to|owing to|results? (?:from|of)|resulting from"
    r"|resulted from|aris\w+|attribut\w+|stem\w* from|originat\w+|comes? from|mishandl\w+"
    r"|subjected to|exposure to|suggest(?:s|ing)?|indicat(?:e|es|ing|ive)|handling|during)\b",
    re.IGNORECASE,
)
TELLS_REMEDY = re.compile(
    r"\b(?:necessitat\w+|requir\w+|should be|must be|needs? to be|replac\w+|repair\w*|remov\w+"
    r"|reject\w*|discard\w*|scrap\w*|clean(?:ed|ing)? (?:it|the|with)|re-?work\w*|inform\w*|check"
    r"|corrective|attention|sort out|prevent\w*|avoid\w*|stop the|before usage|set aside)\b",
    re.IGNORECASE,
)
# Headings and classes under which normal parts, causes and measures are told.
SAYS_NORMAL = re.compile(
    r"^(?:good|normal\b.*|ok|fine|intact|reference|perfect|nominal|.*\b(?:normal|good) state)$",
    re.IGNORECASE,
)
SAYS_CAUSE = re.compile(r"\b(?:cause|causes|reason|reasons|origin|root cause)\b", re.IGNORECASE)
SAYS_REMEDY = re.compile(
    r"\b(?:remed\w+|what to do|actions?|measures?|repair|rework|handling|procedure|instructions?"
    r"|countermeasures?)\b",
    re.IGNORECASE,
)
SAYS_ALL = re.compile(
    r"^(?:bad|combined|defects?|defective|faults?|anomal\w+|kinds of (?:damage|defects?))\b",
    re.IGNORECASE,
)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, in one spelling each."""
    return [_SAME.get(word, word) for word in _WORD.findall(folded(text))]


def folded(text: str) -> str:
    """A text in lower case, in one form of each letter."""
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def is_telling(word: str) -> bool:
    """Whether a word tells what is asked for: no filler, no number or single letter alone."""
    return word not in _STOP and word not in _DAMAGE and len(word) > 1


def asks_normal(question: str) -> bool:
    """Whether a question is about parts as they should be."""
    return bool(_NORMAL.search(folded(question)))


def asks_yes_no(question: str) -> bool:
    """Whether a question would be answered with yes or no."""
    return bool(_YES_NO.search(folded(question)))


def phrases_in(question: str) -> list[str]:
    """Words for what several words of a question say together, such as "too few"."""
    text = folded(question)
    return [word for pattern, word in _PHRASES if pattern.search(text)]


def asks_cause(question: str) -> bool:
    """Whether a question asks where something comes from."""
    return bool(_CAUSE.search(folded(question)))


def asks_remedy(question: str) -> bool:
    """Whether a question asks what to do."""
    return bool(_REMEDY.search(folded(question)))


def asks_all(question: str) -> bool:
    """Whether a question asks for several kinds of damage, or which there are."""
    return bool(_ALL_KINDS.search(folded(question)))


def asks_damage(question: str) -> bool:
    """Whether a question has a word for damage of any kind."""
    return not _DAMAGE.isdisjoint(words_of(question))


def intent_words() -> frozenset[str]:
    """Words that ask for a normal part, a cause or a measure, and tell nothing else."""
    return _NORMAL_WORDS | _CAUSE_WORDS | _REMEDY_WORDS


def must_have(question: str) -> tuple[str, ...]:
    """Words of which a passage must have one to answer at all; none for most questions."""
    return _PRICE_WORDS if _PRICE.search(folded(question)) else ()


@cache
def _alike() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in _GROUPS.strip().splitlines():
        asking, _, told = line.partition(">")
        group = {_SAME.get(word, word) for word in asking.split()}
        others = {_SAME.get(word, word) for word in told.split()} or group
        for word in group:
            found.setdefault(word, set()).update(others)
    return {word: frozenset(others - {word}) for word, others in found.items()}


def alike(word: str) -> frozenset[str]:
    """Other words for the same, in the trade."""
    found = _alike()
    for form in forms(word):
        if form in found:
            return found[form]
    return frozenset()


def forms(word: str) -> list[str]:
    """A word, and what is left of it without an ending."""
    cut = [word]
    for ending, instead in (
        ("ies", "y"),
        ("es", ""),
        ("s", ""),
        ("ed", ""),
        ("ing", ""),
        ("y", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            cut += [word[: -len(ending)] + instead]
            if ending in ("ed", "ing"):
                cut.append(word[: -len(ending)] + "e")
    return cut


def singular(word: str) -> str:
    """A word without the ending of a plural, for comparing names."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
