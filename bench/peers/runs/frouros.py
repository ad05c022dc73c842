"""frouros: `PSI` (10 bins) and the Kolmogorov-Smirnov test, a detector a column, fitted before.

PSI counts the reference again at every comparison, because its bins follow the window.
"""

from frouros.detectors.data_drift import PSI, KSTest


def prepare(window, reference):
    def each_column(kind, value):
        detectors = [kind() for _ in window]
        for detector, column in zip(detectors, reference, strict=True):
            detector.fit(X=column)
        return lambda: [
            float(getattr(detector.compare(X=column)[0], value))
            for detector, column in zip(detectors, window, strict=True)
        ]

    return {
        "PSI": lambda: each_column(PSI, "distance"),
        "Kolmogorov-Smirnov": lambda: each_column(KSTest, "statistic"),
    }
