"""Ways to read one encoder's features, side by side; scripts/compare_peers.py runs them.

`readings` is what each of them offers; `ours`, `plain` and `anomalib_models` are the ways
(`recipes` says how anomalib's are built); `trials` measures and `table` writes down.
"""
