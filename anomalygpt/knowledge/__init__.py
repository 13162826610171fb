"""What is known about products, in files of the user's own: read, searched, and quoted.

`store.Knowledge` is the folder; `passages` what a passage is, `reading` the formats, `index` the
SQLite file, `names`, `words` and `ranking` how a question finds passages, `dense` the same by
meaning, `quoting` what is made of what was found, `products` which product a photo shows.
"""
