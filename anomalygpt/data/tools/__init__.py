"""Tools that make, change and compare data sets; none of them changes what it reads.

One module for each: `meta`, `versions` and `manifests`, `importing` and `exporting`, `cleaning`,
`augmenting`, `looking`. docs/data-tools.md shows what each does.
"""
