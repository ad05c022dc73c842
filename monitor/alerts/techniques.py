"""Which attacks a breach of a rule is consistent with, in the words of MITRE ATLAS 5.6.0.

A monitor sees effects, not intentions: the ids say where to look, not what happened. Rules are named in the rule pack,
so the key is the family of evidence in the rule's name; a rule that matches none carries no ids.
"""

TECHNIQUES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("paired", ("AML.T0020", "AML.T0018.000", "AML.T0058")),  # worse than the known-good on the same rows
    ("known_good", ("AML.T0020", "AML.T0018.000", "AML.T0058")),
    ("digest", ("AML.T0058", "AML.T0010.003")),  # an unregistered checkpoint is served
    ("unregistered", ("AML.T0058", "AML.T0010.003")),
    ("redeploy", ("AML.T0058", "AML.T0010.003")),
    ("label", ("AML.T0020",)),  # label flipping; coverage and lag hide it
    ("error", ("AML.T0020", "AML.T0031")),  # poisoned training, eroded integrity
    ("brier", ("AML.T0020", "AML.T0031")),
    ("output", ("AML.T0031", "AML.T0018.000")),
    ("score", ("AML.T0031", "AML.T0018.000")),
    ("volume", ("AML.T0029", "AML.T0046")),  # chaff, denial of service
    ("silence", ("AML.T0029",)),
    ("invalid", ("AML.T0059",)),  # erosion of the data set's integrity
    ("missing", ("AML.T0059",)),
    ("unseen", ("AML.T0059",)),
    ("range", ("AML.T0059",)),
    ("finite", ("AML.T0059",)),
)


def techniques(rule: str) -> tuple[str, ...]:
    """Return the ATLAS technique ids for a rule's name, most specific first.

    >>> techniques("paired_error"), techniques("feature_drift")
    (('AML.T0020', 'AML.T0018.000', 'AML.T0058'), ())
    """
    return next((ids for word, ids in TECHNIQUES if word in rule), ())
