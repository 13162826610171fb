"""Stages in which the embedded model is made; `train_embedded.sh` runs them in order.

Each writes down what it was run with, and hashes: `embedded/records.py`.

python scripts/train_embedded.py STAGE --help
"""

from __future__ import annotations

import argparse
import importlib
import sys

from anomalygpt.errors import AnomalyGPTError
from embedded.records import RESULTS, recorded

# Each is a module of `embedded` with `add_arguments(parser)` and `run(options) -> exit status`.
STAGES = {
    "encoder": "learn a space in which damage is far from good parts",
    "evidence": "look at simulated damage with the finished encoder",
    "prompts": "teach the text side and the prompt learner through the frozen language model",
    "heads": "teach a few vectors to draw and score a map without a reference",
    "ship": "put the finished parts into one small folder",
    "ship_talk": "put the trained parts of the preset talk into its folder",
    "verify": "compare the files of a shipped folder with the hashes in its record",
    "language": "teach a small LLaMA to read nine words about a photo, and to talk about it",
    "talk": "teach an installed language model to read nine words, and to answer open questions",
    "talk_prompts": "teach a prompt learner through that language model, and write the preset",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the embedded model, stage by stage.")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, purpose in STAGES.items():
        # Only the stage that is asked for is imported: each brings its own libraries.
        stage = stages.add_parser(name, help=purpose, description=purpose)
        if name in sys.argv[1:2]:
            module = importlib.import_module(f"embedded.{name}")
            module.add_arguments(stage)
            stage.set_defaults(run=module.run)
    options = parser.parse_args()
    try:
        if options.stage in RESULTS:
            return recorded(options.stage, options, options.run)
        return int(options.run(options))
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before or after what a stage can save
        print("stopped; the same command begins again")
        return 130


if __name__ == "__main__":
    sys.exit(main())
