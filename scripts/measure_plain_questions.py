"""Which plain questions are answered as drawn, over made results and without any model.

    python scripts/measure_plain_questions.py --half counted

Results with 0 to 4 regions are made from a seed; each question of `chats.plain_questions` is put
to each of them, and its answer is compared with the regions (`chats.drawn`). A question that the
language model would have to answer counts as not answered. `--half mending --failures` shows what
is to be mended; nobody looks at those of the other list.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.replies import reply_to, understand
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import find_regions
from anomalygpt.verdict import verdict_sentence
from chats.drawn import drawn_of, is_as_drawn
from chats.plain_questions import PlainQuestion, questions

SIDE, LEVEL, MOST = 96, 0.43, 4


def made_result(regions: int, generator: np.random.Generator) -> Inspection:
    """A result with so many regions, in different cells; without any the part is good."""
    values = np.full((SIDE, SIDE), 0.1, np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for cell in generator.choice(9, regions, replace=False):
        row, column = 32 * np.array(divmod(int(cell), 3)) + 16 + generator.integers(-4, 5, 2)
        radius, height = generator.uniform(2, 10), generator.uniform(0.6, 0.9)
        values[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = height
    geometry = ImageGeometry.fit((480, 640), SIDE, "square")
    found = Inspection(
        geometry=geometry,
        anomaly_score=float(values.max()),
        small_map=values,
        is_anomalous=bool(regions),
        anomaly_probability=0.95 if regions else 0.03,
        regions=find_regions(values, geometry, LEVEL) if regions else (),
        level=LEVEL,
        image="part.jpg",
        references=["good.jpg"],
    )
    return replace(found, answer=verdict_sentence(found))


def answer(question: str, result: Inspection) -> str | None:
    """What the result answers; None where a language model would have to."""
    reply = reply_to(understand(question), result, declining=True)
    return None if reply is None else reply.text


def failures(asked: PlainQuestion, results: Sequence[Inspection]) -> list[str]:
    """The answers that are not as drawn, of one question."""
    wrong = []
    for result in results:
        said = answer(asked.text, result)
        fits = said is not None and is_as_drawn(
            asked.kind, asked.boxes, asked.place, said, drawn_of(result)
        )
        if fits is False:
            wrong.append(f"[{len(result.regions)}] {said}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--half", choices=("mending", "counted"), default="counted")
    made.add_argument("--failures", action="store_true", help="show them; of the first list only")
    made.add_argument("--seed", type=int, default=0)
    options = made.parse_args(arguments)
    generator = np.random.default_rng(options.seed)
    results = [made_result(count, generator) for count in range(MOST + 1) for _ in range(2)]
    total, right = Counter[str](), Counter[str]()
    for asked in questions(options.half):
        wrong = failures(asked, results)
        total[asked.kind] += len(results)
        right[asked.kind] += len(results) - len(wrong)
        if wrong and options.failures and options.half == "mending":
            print(f"{asked.kind}: {asked.text}", *wrong[:2], sep="\n    ")
    print("| kind | as drawn | of | share |\n|---|---:|---:|---:|")
    total["all"], right["all"] = total.total(), right.total()
    for kind, count in total.items():
        print(f"| {kind} | {right[kind]} | {count} | {right[kind] / count:.1%} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
