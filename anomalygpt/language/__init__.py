"""Any frozen causal language model: loading it, talking with it, and what it says."""
