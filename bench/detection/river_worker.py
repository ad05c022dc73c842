"""River's detectors over minute means: runs in river's own venv, with nothing of ours.

    python -P river_worker.py MEANS.npy ALARMS.npz

MEANS f8[minutes, features]; ALARMS has a bool[minutes, features] for each detector, by name.
"""

import sys

import numpy as np
from river.drift import ADWIN, PageHinkley


def main(asked: str, told: str) -> None:
    values = np.load(asked)
    found = {}
    for name, make in (("ADWIN", ADWIN), ("Page-Hinkley", PageHinkley)):
        alarms = np.zeros(values.shape, bool)
        for feature in range(values.shape[1]):
            detector = make()
            for minute, value in enumerate(values[:, feature].tolist()):
                detector.update(value)
                alarms[minute, feature] = detector.drift_detected
        found[name] = alarms
    np.savez(told, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
