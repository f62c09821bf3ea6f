"""`quota`: what the Kaggle account may still compute this week."""

from __future__ import annotations

import sys
from dataclasses import asdict

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson


def quota(as_json: AsJson = False) -> int:
    """Show the weekly accelerator quota of the Kaggle account."""
    from orchestrator.cli.output.console import Console
    from orchestrator.wiring.kaggle import kaggle_quotas

    account, quotas = kaggle_quotas()
    if as_json:
        rows = [
            {
                **asdict(row),
                "left_s": row.left_s,
                "refresh_at": row.refresh_at.isoformat() if row.refresh_at else None,
            }
            for row in quotas
        ]
        print_json({"account": account, "quotas": rows})
        return 0
    console = Console(sys.stdout)
    console.say(f"Kaggle account {account}")
    for row in quotas:
        refresh = f", refreshes {row.refresh_at:%Y-%m-%d %H:%M} UTC" if row.refresh_at else ""
        console.say(
            f"  {row.resource}: {row.left_s / 3600:.1f} h left of {row.allowed_s / 3600:.1f} h "
            f"({row.used_s / 3600:.1f} h used, {row.reserved_s / 3600:.1f} h reserved){refresh}"
        )
    return 0
