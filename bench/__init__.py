"""The figures that the README quotes: one file each with `measure() -> list[Figure]`, all run by `python -m bench`.

Law: a figure is measured on the real thing, with its goal beside it; what was missed is shown as missed.
"""
