"""The one reader of everything that comes from outside: JSON, lines of JSON, zips.

Sessions read cards and tickets with it, and the half that runs here reads the same files. So it uses the standard
library alone: a session may have no pydantic. YAML is read here only, so cards and campaigns are checked by pydantic
(`stores/yaml`), within the same limits.
"""
