"""`python -m bench` measures everything, `python -m bench look idle` only these."""

from bench.run import main

raise SystemExit(main())
