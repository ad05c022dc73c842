"""menelaus: a batch into HDDDM (a histogram a column, mean Hellinger distance) or KdqTreeBatch, with a fresh reference.

Both have one number for all columns. The tree's bootstrap belongs to the reference, so that its size does not matter.
HDDDM is set to decide at the third batch, where it bootstraps nothing.
"""

import pandas as pd
from menelaus.data_drift import HDDDM, KdqTreeBatch


def prepare(window, reference):
    names = [f"n{i:02}" for i in range(len(window))]
    now, then = (pd.DataFrame(values.T, columns=names) for values in (window, reference))

    def histograms():
        detector = HDDDM(detect_batch=3)
        detector.set_reference(then)

        def run():
            detector.update(now)
            return [float(detector.current_distance)]

        return run

    def tree():
        detector = KdqTreeBatch(bootstrap_samples=5)
        detector.set_reference(then)

        def run():
            detector.update(now)
            return [float(detector.drift_state == "drift")]

        return run

    return {"HDDDM": histograms, "KdqTreeBatch": tree}
