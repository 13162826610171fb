"""How the small models that come with the product are made.

`notation` writes a photo's defects as nine words, `speech` makes dialogues about them, and
`language` trains a small language model that reads the words and holds such dialogues.
"""
