"""The wall around generated code on Linux: small files that run inside it, each one layer.

They import nothing but the standard library, so that they can be read, and trusted, by themselves. `docs/security.md`
tells what is promised; `tests/attacks` tries to break it.
"""
