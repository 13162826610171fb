"""What attacks do to verdicts: our score as a network, attacks of a library on it, figures."""
