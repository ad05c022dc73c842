"""The dashboards as code: `python -m grafana` writes `grafana/dashboards/*.json`, which is what Grafana is given.

Law: nothing here is part of the daemon, and the daemon knows nothing of it; what a panel shows is a metric of
docs/metrics.md, and a limit is drawn from the metric that exports it, never written into a panel.
"""
