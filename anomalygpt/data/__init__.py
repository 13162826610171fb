"""Data sets: photos with labels and masks in the published layouts, and dialogues.

`open_data` reads a data set, `open_instructions` PandaGPT's dialogues, `check` says in plain
words what is wrong with either; docs/data.md shows the layouts.
"""

from __future__ import annotations

from anomalygpt.data.checking import check
from anomalygpt.data.depths import bit_depths
from anomalygpt.data.instructions import Instruction, open_instructions
from anomalygpt.data.left_out import data_notes
from anomalygpt.data.masks import load_mask
from anomalygpt.data.opening import normal_images, open_data, open_questionnaire
from anomalygpt.data.questionnaires import Question, QuestionedPhoto, Questionnaire
from anomalygpt.data.report import CheckReport
from anomalygpt.data.samples import Finding, InspectionData, Sample, Split
from anomalygpt.files import hash_file

__all__ = [
    "CheckReport",
    "Finding",
    "InspectionData",
    "Instruction",
    "Question",
    "QuestionedPhoto",
    "Questionnaire",
    "Sample",
    "Split",
    "bit_depths",
    "check",
    "data_notes",
    "hash_file",
    "load_mask",
    "normal_images",
    "open_data",
    "open_instructions",
    "open_questionnaire",
]
