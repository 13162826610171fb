"""Numbers and words that several rooms share."""

from __future__ import annotations

from typing import Literal

IMAGEBIND_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGEBIND_STD = (0.26862954, 0.26130258, 0.27577711)

# How a dialogue is written for a language model: as published, or by its tokenizer's own template.
TemplateName = Literal["vicuna_v0", "chat"]

ANOMALY_QUESTION = "Is there any anomaly in the image?"

# Layouts of data sets, as `--dataset` names them; `anomalygpt.data.opening` reads them.
LAYOUT_NAMES = (
    *("mvtec", "visa", "loco", "crackforest", "folder", "good", "pairs", "instructions"),
    *("mmad", "robustmad", "meta"),
)
# Those of multiple-choice questions.
QUESTION_LAYOUTS = ("mmad", "robustmad")

# The 3×3 grid of places, row by row; the map prompts stand in the same order.
LOCATIONS = (
    "top left",
    "top",
    "top right",
    "left",
    "center",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
