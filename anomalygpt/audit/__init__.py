"""The log of a plant: what was inspected and changed, by whom, in a chain that shows tampering."""
