"""What NannyML estimates on its own data, and the counts that ours rests on: makes tests/detectors/nannyml.json.

    python -m bench.estimates PYTHON        an interpreter that has nannyml 0.13.1 (python -m bench peers makes one)

NannyML's data and library are Apache-2.0; the file holds figures of theirs and counts of rows, none of their code.
"""
