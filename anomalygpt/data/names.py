"""What folders and labels are called: which words say good, bad or mask, in which languages.

The only table of such words. What is not in it says nothing: readers then ask or refuse, because a
good part that counts as a defect, or the other way round, spoils every figure without a sign.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

_GOOD = """
good goods normal normals ok okay io fine pass passed passes nominal intact undamaged healthy
flawless faultless accept accepted acceptable conforming conform no_defect no_defects defect_free
defectless without_defect without_defects non_defective not_defective non_defect undefective
anomaly_free no_anomaly non_anomalous not_anomalous fault_free no_fault
gut gute guter gutteil gutteile in_ordnung fehlerfrei fehlerlos einwandfrei mangelfrei
bon bons bonne bonnes conforme conformes sans_défaut sans_défauts
bueno buenos buena buenas correcto correctos correcta sin_defecto sin_defectos
buono buoni buona buone senza_difetti senza_difetto bom boa boas sem_defeito sem_defeitos
goed goede dobry dobre dobra iyi sağlam bra хороший хорошие годный годные годен норма норм
양품 정상 정상품 합격 합격품 良品 良 正常 正常品 合格 合格品 好 好品 無欠陥 无缺陷 無缺陷 無異常
"""
_BAD = """
bad bads defect defects defective defectives defected ng no_good nok ko no_ok not_ok not_okay
not_good not_normal non_normal anomaly anomalies anomalous abnormal abnormals damaged damage broken
error errors faulty fault faults flawed fail failed fails failure reject rejected rejects scrap
unacceptable nonconforming non_conforming non_conform not_accepted nio
schlecht schlechte schlechter schlechtteil schlechtteile ausschuss fehler fehlerhaft defekt defekte
nicht_io nicht_ok nicht_in_ordnung mangelhaft anomalie anomalien beschädigt
mauvais mauvaise mauvaises défaut défauts défectueux défectueuse non_conforme non_conformes
malo malos mala malas defecto defectos defectuoso defectuosos defectuosa no_conforme anomalía
anomalías cattivo cattivi difetto difetti difettoso difettosi scarto scarti ruim ruins defeito
defeitos defeituoso slecht slechte zły złe wada wadliwe kötü hatalı kusurlu
плохой плохие брак дефект дефекты негодный негодные
불량 불량품 결함 비정상 불합격 이상 不良 不良品 異常 异常 異常品 不合格 不合格品 欠陥 欠陥品 缺陷
次品 废品 廃品 坏 坏品
"""
_MASK = """
mask masks ground_truth ground_truths gt label labels annotation annotations segmentation
segmentations maske masken masque masques máscara máscaras 마스크 마스크들 マスク 掩码 掩膜
"""
# Words and numbers around the one that counts: "01_OK", "good parts", "NG images".
_AROUND = (
    "part parts image images img imgs photo photos picture pictures sample samples piece pieces "
    "product products item items class teil teile bild bilder foto fotos pièce pieza piezas "
    "imagen imágenes 제품 이미지 사진 부품 图片 圖片 图像 画像 写真 样本 部品 产品"
)

KNOWN_WORDS = (
    "good, normal, ok, pass, defect-free, gut, bon, bueno, 양품, 良品 …; "
    "bad, defect, ng, ko, fail, anomaly, schlecht, mauvais, malo, 불량, 不良 …"
)

Meaning = Literal["good", "bad"]


def _bare(text: str) -> str:
    """Lower case, one way of writing each sign, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    marks = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return unicodedata.normalize("NFKC", marks)


def _word(name: str) -> str:
    """The word of a name that counts: "01 - OK_Parts" is "ok", "Not-Good" is "notgood"."""
    parts = re.findall(r"[^\W_]+", _bare(name))
    while len(parts) > 1 and (parts[0].isdecimal() or parts[0] in _BESIDE):
        del parts[0]
    while len(parts) > 1 and (parts[-1].isdecimal() or parts[-1] in _BESIDE):
        del parts[-1]
    word = "".join(parts)
    return re.sub(r"^\d+|\d+$", "", word) or word


_BESIDE = frozenset(map(_bare, _AROUND.split()))
_GOOD_WORDS = frozenset(map(_word, _GOOD.split()))
_BAD_WORDS = frozenset(map(_word, _BAD.split()))
_MASK_WORDS = frozenset(map(_word, _MASK.split()))


def meaning(name: str) -> Meaning | None:
    """What the name of a folder or a label says about the parts; None where it says nothing.

    Capitals, accents, blanks, hyphens, numbers and words such as "parts" or "images" around the
    word do not matter.
    """
    word = _word(name)
    if word in _GOOD_WORDS:
        return "good"
    return "bad" if word in _BAD_WORDS else None


def means_masks(name: str) -> bool:
    """Whether a folder of this name holds masks."""
    return _word(name) in _MASK_WORDS
