"""Multiple-choice questions about photos: who answers, how answers are read, figures, results.

`run.evaluate_questions` asks all of them; docs/evaluation.md says what is measured and how.
"""
