"""In a wheel, the repository's folder `configs`: the shipped cards and campaigns (see `package-dir` in pyproject.toml).

In a clone this folder holds nothing else; `configs` at the top is the only copy.
"""
