"""Questions in other languages: which one it is, and the result in a few sentences of it.

The assistant speaks English. A table holds what it can say in six other languages; every other
question gets the verdict in English.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from anomalygpt.constants import LOCATIONS
from anomalygpt.replies.words import inspection_words


@dataclass(frozen=True)
class Phrases:
    """What is known of a language.

    Attributes:
        words: that show a question to be in it, in lower case; () for a script of its own.
        where: a pattern of questions for the place.
        count: a pattern of questions for the number.
        speaks: that the assistant speaks English.
        good: that nothing stands out.
        bad: that something is wrong, before `number`.
        number: how many places stand out; {n} is the number, {places} their names.
        guess: that there was no photo of a good part to compare with.
        unsure: that somebody should look.
        places: the names of `constants.LOCATIONS`, in their order.
        comma: between two places.
    """

    words: frozenset[str]
    where: str
    count: str
    speaks: str
    good: str
    bad: str
    number: str
    guess: str
    unsure: str
    places: tuple[str, ...]
    comma: str = ", "


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LANGUAGES: dict[str, Phrases] = {
    "de": Phrases(
        words=_words(
            "ist sind das der die den dem ein eine einen gibt wo was wie viele wieviele kaputt"
            " beschädigt defekt defekte fehler schaden gut schlecht teil bild foto ordnung nicht"
            " hat und ich siehst sehen welche warum bitte ausschuss fehlerhaft hier"
            " irgendwelche mangel mängel anomalie anomalien stelle stellen auf dieses dieser"
        ),
        where=r"\b(?:wo|welche[rnm]? stellen?|position)\b",
        count=r"\b(?:wie ?viele?|anzahl)\b",
        speaks="Ich spreche Englisch; auf Deutsch kann ich nur das Ergebnis sagen.",
        good="Das Teil sieht in Ordnung aus: nichts fällt auf.",
        bad="Das Teil ist nicht in Ordnung.",
        number="Auffällige Stellen: {n} ({places}).",
        guess="Es gab kein Foto eines guten Teils zum Vergleich: das ist geraten.",
        unsure="Ganz sicher ist das nicht; bitte selbst nachsehen.",
        places=(
            *("oben links", "oben", "oben rechts", "links", "Mitte", "rechts"),
            *("unten links", "unten", "unten rechts"),
        ),
    ),
    "fr": Phrases(
        words=_words(
            "est sont le la les un une des il elle ce cette y a-t-il où combien quel quelle pièce"
            " piece défaut défauts defaut defauts cassé cassée abîmé abîmée bon bonne mauvais"
            " image dans sur qu est-ce anomalie anomalies problème correct conforme pas que voyez"
            " vous avez"
        ),
        where=r"\b(?:où|ou (?:est|sont|se)|emplacement|position)\b",
        count=r"\b(?:combien|nombre)\b",
        speaks="Je parle anglais ; en français, je ne peux donner que le résultat.",
        good="La pièce semble correcte : rien ne ressort.",
        bad="La pièce n'est pas correcte.",
        number="Zones anormales : {n} ({places}).",
        guess="Il n'y avait aucune photo d'une bonne pièce pour comparer : c'est une supposition.",
        unsure="Ce n'est pas tout à fait sûr ; veuillez vérifier vous-même.",
        places=(
            *("en haut à gauche", "en haut", "en haut à droite", "à gauche", "au centre"),
            *("à droite", "en bas à gauche", "en bas", "en bas à droite"),
        ),
    ),
    "es": Phrases(
        words=_words(
            "es está esta están el la los las un una hay dónde donde cuántos cuantos cuántas"
            " cuantas qué que pieza defecto defectos roto rota dañado dañada bien mal bueno buena"
            " malo imagen foto en anomalía anomalías algo algún alguna problema tiene ves son"
            " cómo correcto correcta"
        ),
        where=r"\b(?:d[oó]nde|posici[oó]n|lugar)\b",
        count=r"\b(?:cu[aá]nt[oa]s?|n[uú]mero)\b",
        speaks="Hablo inglés; en español solo puedo dar el resultado.",
        good="La pieza parece estar bien: nada llama la atención.",
        bad="La pieza no está bien.",
        number="Zonas anómalas: {n} ({places}).",
        guess="No había ninguna foto de una pieza buena para comparar: es una suposición.",
        unsure="No es del todo seguro; compruébelo usted mismo.",
        places=(
            *("arriba a la izquierda", "arriba", "arriba a la derecha", "a la izquierda"),
            *("en el centro", "a la derecha", "abajo a la izquierda", "abajo"),
            "abajo a la derecha",
        ),
    ),
    "zh": Phrases(
        words=_words(""),
        where=r"哪|何处|何處|位置",
        count=r"几|幾|多少|数量|數量",
        speaks="我只会说英语；用中文只能告诉您结果。",
        good="这个零件看起来没有问题：没有发现异常。",
        bad="这个零件有问题。",
        number="异常区域：{n} 处（{places}）。",
        guess="没有合格品的照片可供比较：这只是猜测。",
        unsure="结果并非完全确定，请亲自查看。",
        places=("左上", "上方", "右上", "左侧", "中间", "右侧", "左下", "下方", "右下"),
        comma="、",
    ),
    "ja": Phrases(
        words=_words(""),
        where=r"どこ|何処|位置|場所|どの(?:部分|辺|あたり)",
        count=r"いくつ|何個|何箇所|何か所|何カ所|数",
        speaks="私は英語を話します。日本語では結果だけをお伝えできます。",
        good="この部品は問題なさそうです。異常は見当たりません。",
        bad="この部品には問題があります。",
        number="異常な箇所：{n}か所（{places}）。",
        guess="比較できる良品の写真がなかったため、これは推測です。",
        unsure="完全に確実ではありません。ご自身でも確認してください。",
        places=("左上", "上", "右上", "左", "中央", "右", "左下", "下", "右下"),
        comma="、",
    ),
    "ko": Phrases(
        words=_words(""),
        where=r"어디|위치|어느",
        count=r"몇|개수|얼마나 많",
        speaks="저는 영어로 말합니다. 한국어로는 결과만 알려 드릴 수 있습니다.",
        good="이 부품은 괜찮아 보입니다. 눈에 띄는 이상이 없습니다.",
        bad="이 부품에 문제가 있습니다.",
        number="이상 영역: {n}곳({places}).",
        guess="비교할 양품 사진이 없었으므로 이것은 추측입니다.",
        unsure="완전히 확실하지는 않으니 직접 확인해 주세요.",
        places=(
            *("왼쪽 위", "위", "오른쪽 위", "왼쪽", "가운데", "오른쪽"),
            *("왼쪽 아래", "아래", "오른쪽 아래"),
        ),
    ),
}
SPEAKS_ENGLISH = "I speak English; please ask in English."

# Words that English has in common with none of the tables, or that decide for English.
_ENGLISH = _words(
    "the is it are there any of this that what where how which why does do did you can should i"
    " and or not with in on at to for ok good bad fine pass fail part image photo defect please"
    " box region a an has have was were be me my your no yes"
)
_SCRIPTS = (
    ("ko", re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
)


def language_of(question: str) -> str:
    """ "en", a key of `LANGUAGES`, or "other"; English where there is nothing to go by."""
    text = unicodedata.normalize("NFKC", question).lower()
    for language, script in _SCRIPTS:
        if script.search(text):
            return language
    letters = [letter for letter in text if letter.isalpha()]
    foreign = sum("LATIN" not in unicodedata.name(letter, "") for letter in letters)
    if foreign > len(letters) / 2:
        return "other"
    words = re.findall(r"[^\W\d_]+", text)
    english = sum(word in _ENGLISH for word in words)
    hits = {
        language: sum(word in phrases.words for word in words)
        + 2 * ("¿" in text and language == "es")
        for language, phrases in LANGUAGES.items()
    }
    best = max(hits, key=lambda language: hits[language])
    if hits[best] > english:
        return best
    return "other" if _is_no_english(words, english) else "en"


def _is_no_english(words: list[str], english: int) -> bool:
    """Three words or more of which inspections know none, some with letters English lacks."""
    known = english + sum(word in inspection_words() for word in words)
    return len(words) > 2 and not known and any(not word.isascii() for word in words)


def wanted_in(language: str, question: str) -> str:
    """ "where", "count" or "ok", as far as the table of the language tells."""
    phrases = LANGUAGES.get(language)
    if phrases is None:
        return "ok"
    text = unicodedata.normalize("NFKC", question).lower()
    for intent, pattern in (("where", phrases.where), ("count", phrases.count)):
        if re.search(pattern, text):
            return intent
    return "ok"


@cache
def place_names(language: str) -> dict[str, str]:
    """What `constants.LOCATIONS` are called in a language of the table."""
    return dict(zip(LOCATIONS, LANGUAGES[language].places, strict=True))
