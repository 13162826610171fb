"""What a result can be asked for, as patterns over plain words; the first that fits.

`tests/anomalygpt/replies` asks in other words than these.
"""

from __future__ import annotations

DEFECT = (
    "(?:defects?|defectives?|anomal(?:y|ies)|flaws?|damages?|faults?|problems?|issues?|errors?"
    "|troubles?|irregularit(?:y|ies)|abnormalit(?:y|ies)|deviations?|imperfections?|blemish(?:es)?"
    "|nonconformit(?:y|ies)|damaged (?:spots?|areas?|places?)|bad (?:spots?|areas?|places?))"
)
REGION = (
    "(?:box(?:es)?|regions?|areas?|markings?|marks?|spots?|places?|rectangles?|zones?|frames?"
    "|finding)"
)
# All of them.
REGIONS = (
    "(?:boxes|regions|areas|markings|marks|spots|places|rectangles|zones|frames|findings|defects"
    "|anomalies|flaws|faults|problems|issues|irregularities)"
)
GOOD = (
    "(?:ok|fine|good|alright|all right|in order|intact|undamaged|flawless|perfect|acceptable"
    "|normal|clean|sound|faultless|usable|conforming|conform|healthy|io|defect free|passable)"
)
BAD = (
    "(?:bad|ng|broken|damaged|defective|faulty|wrong|ruined|unusual|abnormal|odd|off|suspicious"
    "|anomalous|affected|flawed|amiss|strange|weird|out of order|unacceptable|not (?:ok|fine|good))"
)
_IT = "(?:it|this|that|the \\w+|this \\w+|everything|all|they|these|those)"

_MANY = "one|two|three|four|five|six|seven|eight|nine|ten"

# In this order: what is more special first.
INTENTS: tuple[tuple[str, str], ...] = (
    (
        "social",
        r"^(?:(?:ok|well|great|perfect|alright|good|oh) )?(?:hello|hi|hey|greetings|welcome"
        r"|good (?:morning|afternoon|evening|day|night|work|job|bye)|goodbye|bye|see you|thanks?"
        r"|thank you|many thanks|have a nice|until next|that (?:is|was) (?:all|everything)"
        r"|we are done|well done|great|i see$|i see thanks|new part$|quick check$|sorry|cheers"
        r"|i have no more questions|that helps|that was helpful)\b(?! how (?:many|sure|bad))"
        r"|^(?:who|what)(?: exactly)? are you$|what can (?:you do|i ask)"
        r"|are you (?:a |an )?(?:human|person|robot|machine|real|there|ai|bot)\b|your (?:name|job"
        r"|task|purpose)\b|yourself\b"
        r"|how can you help|talking to\b|what do you do$|good for$|what are you for",
    ),
    (
        "beyond",
        r"\b(?:weighs?|weight|how heavy|costs?|price|expensive|serial|batch|lot number|supplier"
        r"|manufacturer|company|factory|alloy|material|temperature|smells?|loud|hollow"
        r"|inside(?! (?:of )?(?:the |this |that |each )?(?:\w+ )?(?:box|region|rectangle|frame"
        r"|mark|number))"
        r"|other side|back side|the back|root cause|causes?(?! (?:for|of) (?:concern|alarm|worry"
        r"|complaint))|caused|to blame|shift|operator|machine"
        r"|load|how long (?:it )?will|made (?:it|of|from|in)|how deep|depth|thickness|how old"
        r"|when was|when did|tolerances?"
        r"|drawing|(?<!to )(?<!to the )(?<!to our )customers?|electric\w*|conducts?|voltage|who"
        r"|whose|(?:comes?|came) from"
        r"|manufactur\w+|where (?:should|shall|can|do|could) (?:i|we|you|they) (?:ship|send|store"
        r"|deliver|put|buy|order|return|bring)"
        r"|(?:was|were) (?:it|this|they|the \w+) (?:made|produced|taken|tested|photographed)"
        r"|(?:it|image|photo|picture|part|factory) was (?:made|produced|taken)"
        r"|(?<!how )(?:does|will|would) (?:it|the part|this part) (?:still )?(?:work|function|last"
        r"|hold))\b"
        r"|\bhow (?:did|does|could|can|do) .*\b(?:happen|occur|arise|come about|get (?:there|here"
        r"|in))\b"
        r"|\bhow (?:often|long (?:does|did|has|until|ago|before))\b|^since when\b"
        r"|\bwhen (?:did|was|were|will|is|does|has)\b"
        r"|\b(?:previous|earlier|yesterday|tomorrow|tonight|(?:last|next|this) (?:week|month|year"
        r"|quarter|shift|batch|inspection|audit|lot|order|delivery|night))\b"
        r"|\b(?:underside|underneath|rear|reverse|inner|interior|hidden|behind (?:it|the)"
        r"|responsib\w+|liab\w+|legal\w*|warranty|insurance|complain\w*|favou?rite)\b"
        r"|^(?:please )?(?:can you |could you |will you )?(?:translate|sing|play|order|phone|email"
        r"|book"
        r"|buy|calculate|spell|cook|fix|repair)\b(?! (?:or|it|this|that|needed|necessary))",
    ),
    ("colour", r"\bcolou?r(?:s|ed)?\b"),
    (
        "doubt",
        r"^(?:but )?(?:i|we|my \w+|the customer) (?:think|believe|thinks|believes|says?|disagree"
        r"|do not (?:see|agree|believe)|can not see|see nothing|see (?:a|no|something)|am sure"
        r"|can see)\b|\byou (?:are wrong(?! about what)|missed|overlooked)\b|^that can not be\b"
        rf"|\badmit\b|\blooks? (?:{GOOD}|{BAD}) to me\b"
        r"|just (?:a |the )?(?:shadow|reflection|light|normal look)|\b(?:look|check) again\b",
    ),
    (
        "sure",
        r"\b(?:sure|certain|certainty|confident|confidence|probabilit(?:y|ies)|probable|likelihood"
        r"|likely|chances?|odds|trust|rely|reliable|reliability|trustworthy|mistaken|definite"
        r"|accurate|accuracy|(?<!can you )(?<!could you )guess(?:ing|ed)?|false alarm|positive"
        r"|convinced|dependable"
        r"|(?:count|bank|depend) on|how (?:safe|solid|firm|sound) (?:is|are)"
        r"|guarantee|swear|vouch|bet|double check|check (?:it|this|that) (?:myself|by (?:eye"
        r"|hand)))\b"
        r"|\b(?:any|no|have|is there) doubts?\b"
        r"|\byou (?:might |may |could )?(?:be |err|misjudge|a?re )?(?:wrong|err)\b|^really$"
        r"|^p(?: anomaly)?$|\bcould (?:it|that|this) be wrong\b|^right$|^correct$",
    ),
    (
        "why",
        r"\b(?:why|how do you know|reasons?|explain (?:your|this|the) (?:answer|verdict|finding)"
        r"|explain that|explanation|justify|what makes you|how come|on what do you base|based on"
        r"|evidence|leads you|speaks for|basis|how did you (?:come|reach|get))\b",
    ),
    (
        "smallest",
        r"\b(?:smallest|tiniest|littlest|slightest|weakest|faintest|mildest"
        r"|least (?:large|big|serious|severe|obvious|critical|important|strong)"
        r"|stands? out (?:the )?least)\b|^which (?:one |box |of them )?is (?:the )?(?:smaller"
        r"|weaker)$",
    ),
    (
        "worst",
        r"\b(?:worst|largest|biggest|greatest|gravest|strongest|hugest|widest|main"
        r"|most (?:serious|severe|obvious|critical|important|anomalous|suspicious|striking"
        r"|dangerous|noticeable|visible|prominent|pronounced|urgent|significant)"
        r"|stands? out (?:the )?most"
        r"|matters? (?:the )?most|look\w* (?:at )?first|(?:larger|bigger|worse) than (?:the|all"
        r"|any|another) (?:others?|ones?|rest))\b"
        r"|^which (?:one |box |of them )?is (?:the )?(?:larger|bigger|worse|stronger)$"
        r"|\bwhich\b.*\bmost\b"
        r"|(?<!in )(?<!at )\bwhich (?:box|region|defect|anomaly|flaw|one|of (?:them|these))\b",
    ),
    (
        "count",
        r"\bhow many\b(?! (?:mm|cm|pixels?|percent|millimet\w*|inch\w*))|\bnumber of\b|\bcount\b"
        rf"|\b(?:total|sum) of\b|\btally\b|\bhow much {REGIONS}\b"
        rf"|\b(?:amount|quantity) of (?:the )?{REGIONS}\b|\bmultiple\b"
        rf"|\b(?:are|is) there (?:only |just |exactly )?(?:\d+|{_MANY})\b"
        r"|\bmore than one\b|\bone or (?:more|several|two|many)\b|^(?:are there )?many$"
        rf"|\b(?:only|just|exactly) (?:the )?one\b|\bseveral\b|\bmany {DEFECT}\b",
    ),
    (
        "boxes",
        r"\b(?:list|enumerate|give|name|describe|explain|show|tell|go (?:through|over)|(?:walk|run"
        r"|talk)(?: me)?"
        r" (?:through|down|over)) (?:me )?(?:about )?(?:(?:all|each|every|of|the|both|these|those"
        rf"|list) )*(?:{REGIONS}|numbers|everything)\b|\bone by one\b"
        rf"|\b(?:list|meaning) of (?:all )?(?:the )?(?:{REGIONS}|numbers)\b|\b(?:each"
        rf"|every) (?:single )?{REGION}\b"
        rf"|^(?:all|both)(?: of them| {REGIONS})?$|\b(?:tell|explain|describe) .*\bboth\b"
        rf"|\bwhat (?:do|are) (?:all )?(?:the|these|those|all) (?:\w+ )?(?:{REGIONS}|numbers)"
        r"(?:$| (?:\w+ )*(?:mean|stand for|show|say|tell|for|about)\b)"
        rf"|^compare (?:them|(?:all |the |these |both )*{REGIONS})$"
        r"|^(?:what (?:is|are) )?(?:an? |the )?(?:box|boxes|regions|markings|rectangles)$",
    ),
    (
        "report",
        r"\b(?:8d|reports?|protocol|summary|summaris\w*|summariz\w*|sum \w* ?up|overview|facts"
        r"|essentials|results?|findings|conclusion|outcome|certificate|recap|record"
        r"|what should i write|in (?:short|brief|a nutshell|one sentence|a few words))\b"
        r"|^(?:the )?details$|\blog (?:line|entry)\b|\bfor the log\b|\bdocument (?:it|this|that)\b",
    ),
    (
        "percentage",
        r"^(?:(?:give me|what|the|a|and|in|as|which|me|can you|is|that|it) )*percent\w*$",
    ),
    (
        "coverage",
        rf"\bhow much\b(?! of a problem).*\b(?:photo|image|picture|area|surface|part|{DEFECT}"
        r"|affected|damaged|covered|marked|total|altogether|overall)\b"
        r"|\b(?:total|overall|whole) (?:\w+ )?(?:areas?|size|surface)\b"
        r"|\b(?:affected|damaged|defective|marked) (?:share|surface|extent)\b"
        r"|\b(?:coverage|covers?|extents?|share|percent\w*|fraction|portion|proportion|ratio"
        r"|widespread)\b"
        r"|\bhow (?:large|big)\b.*\b(?:total|altogether|overall|together)\b|^(?:the )?areas?$"
        r"|\bhow far does\b.*\b(?:extend|reach)\b",
    ),
    (
        "advice",
        r"\b(?:scrap(?:ped|ping)?|reject(?:ed)?|accept(?:ed|able)?|ship(?:ped|ping)?|keep|discard"
        r"|rework(?:ed)?|repair(?:ed)?|release|deliver(?:ed)?|sort (?:it |this )?out|throw|bin it"
        r"|recommend\w*|suggest\w*|advi[cs]e|proceed|pass (?:it|this) on|send (?:it|this)"
        r"|next step|approv\w+|sign (?:it |this |that |them )?off|hold (?:it |this |that "
        r"|them )?back"
        r"|sell|saleable|safe to use|fit for (?:use|sale|purpose)|(?:go|goes|let \w+) (?:out"
        r"|through)|(?:go|goes|out) to (?:the |our |a )?"
        r"(?:clients?|customers?|buyers?))\b|\bwhat (?:should|shall|must|can|do) (?:i|we) do\b"
        r"|\bwhat would you do\b"
        rf"|^what (?:now|next)$|\b(?:can|may|should|could) (?:i|we|{_IT}) (?:still )?(?:be )?use"
        r"|\bwhat to do\b|\bhow (?:should|do) (?:i|we) (?:go on|continue|proceed)\b|\bstill us",
    ),
    (
        "severity",
        r"\b(?:sever\w+|serious\w*|concern\w*|alarming|(?:cause|reason) for alarm|critical|grave"
        r"|how bad|how badly|worry|worried|cosmetic|minor"
        r"|major|dangerous|matter|big (?:problem|deal)|how much of a problem|tolerable|harmless"
        r"|rate)\b",
    ),
    (
        "size",
        r"\b(?:how (?:large|big|small|(?:long|wide|high|tall|thick|deep)(?= (?:is|are)\b|$))"
        r"|sizes?|dimensions?|diameter"
        r"|millimet\w*|mm|cm|inch(?:es)?|pixels?|(?:large|big|small|tiny) or (?:large|big|small)"
        r"|how much (?:space|room))\b"
        rf"|^is (?:it|that|the {DEFECT}) (?:a )?(?:large|big|small|tiny)\b",
    ),
    (
        "reference",
        r"^(?!good \w+$).*\b(?:compar\w+|references?|differ(?:s|ent|ences?)?|(?:the )?same as"
        r"|match(?:es)?|good (?:part|one|example|piece|photo|sample)s?|golden sample|master)\b"
        r"(?<!a good part)(?<!a good one)(?<!a good piece)",
    ),
    (
        "method",
        r"\bhow (?:do|did|does) (?:you|this|it|that|the \w+) (?:work|do|find|decide|inspect|check"
        r"|judge|tell|detect|know what)|\bwhat (?:did|do|have|were) you (?:check|look|inspect"
        r"|examine|test|measure|analy[sz]e|consider|use|done)|\bmethod\b|\bhow was (?:it|this|that)"
        r" (?:checked|inspected|tested|judged|done)|\bwhat (?:was|is|has been|were) (?:checked"
        r"|inspected|tested|examined)|\bhow can you tell\b|\bhow .* inspection work"
        r"|\bwhat is an? (?:anomaly|defect)\b|\bmean by\b|\bwhen do you call\b|\byou measure\b",
    ),
    ("score", r"\b(?:scores?|threshold|level|heat ?map|map)\b"),
    (
        "clean",
        r"\b(?:rest|elsewhere|everything else|anywhere else|other (?:\w+ )?(?:areas|parts|places"
        r"|regions|spots)|limited to|spread|remaining)\b"
        rf"|\b(?:where|which (?:areas|parts|places|regions))\b.*\b{GOOD}\b",
    ),
    (
        "where",
        r"\b(?:where\w*|locat\w+|positions?|point to|show me|place of|at what place|coordinates?"
        r"|(?:in|on|at) (?:what|which) (?:\w+ )?(?:area|region|part|place|corner|side|edge|end)"
        r"|(?:what|which) (?:part|place|area|corner|region|section) of|highlight\w*"
        rf"|(?:what|which) {REGIONS}|point (?:me |us )?to)\b",
    ),
    (
        "kind",
        r"\b(?:what|which) (?:kind|type|sort|class)\b|\bwhat (?:exactly )?(?:is|are|does|do)"
        rf" (?:wrong|the {DEFECT}|these|the {REGION}|(?:it|the {DEFECT}) (?:look|resemble|mean))"
        rf"|\bdescribe (?:the |this |that )?{DEFECT}\b|\bwhat looks wrong\b|\bor something else\b"
        r"|\b(?:classify|name|identify) (?:it|the)\b|\b(?:shaped?|elongated|round|compact)\b"
        rf"|\bwhat would you call\b|\bwhat do(?:es)? (?:the )?{REGION} mean\b"
        r"|^what (?:exactly is it|could it be|might it be)$|\blooking at there\b",
    ),
    (
        "part",
        r"\bwhat (?:is|am i|are we) (?:it|this|that|the (?:part|object|product|thing|item)"
        r"|looking at|in (?:the|this) (?:photo|image|picture)|shown)$"
        r"|\b(?:what|which) (?:part|product|object|item|component) is (?:it|this|that)\b"
        r"|\bdescribe (?:the|this) (?:part|object|photo|image"
        r"|picture|product)\b|\bwhat (?:does|is in) (?:the|this) (?:photo|image|picture)\b"
        r"|\bwhat does (?:it|the (?:photo|image|picture)) show\b",
    ),
    (
        "see",
        r"\bwhat (?:do|can|did) you (?:see|notice|find|say|tell me|think|observe)\b"
        r"|\bwhat you (?:see|notice|find)\b|\btell me about (?:it|this|the part)\b"
        r"|\bhow does (?:it|the \w+|this \w+) look\b|\bcondition\b|\bstate of\b"
        r"|^(?:have a )?(?:look at|inspect|examine|check) (?:it|this|the \w+|this \w+)(?: please)?$"
        r"|\bhow is (?:it|the part|this part)\b",
    ),
    (
        "anomaly",
        rf"^.{{0,60}}?\b{DEFECT}\b|\b(?:anything|something|nothing) (?:is |looks? |be )?(?:{BAD}"
        r"|not right|broken)|\b(?:notice|see|find|spot|detect) anything\b"
        r"|^(?:is there (?:any|one)|are there any|does it|do you)$"
        r"|\b(?:is|are) there (?:an?|any|some) (?:box|boxes|regions?|marks?|markings?|spots?)\b",
    ),
    (
        "ok",
        rf"^good (?:one|part|piece)$|\b(?:{GOOD}|{BAD}|pass(?:es|ed)?|fails?|failed|flunk"
        r"|verdict|decision|judg\w+|quality|yes or no|go or no go|no go|go no go|thumbs up"
        r"|as (?:it|they) should|good to go|all clear|sufficient|up to (?:standard|scratch|par)"
        r"|within (?:spec\w*|limits)|qualif\w+|harmed|spoil\w*|worn|happened to (?:it|this|that"
        r"|the)"
        r"|looks? (?:\w+ )?(?:right|normal)|(?:ought|supposed|meant) to (?:be|look)|your (?:call"
        r"|take|opinion)"
        r"|in (?:a )?(?:\w+ )?(?:shape|condition))\b",
    ),
)
