"""The verification report: results of all hosts as JSON (schema 1), JUnit XML and a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import CheckFailed, UserError
from . import html, junit, sharing

SCHEMA = 1
OUTCOMES = ("passed", "failed", "skipped")


def make(results: Mapping[str, Mapping[str, Any]], now: datetime | None = None) -> dict[str, Any]:
    """A report of the results that `fleet.check` returns.

    Returns: schema, created (UTC, ISO 8601), release (of all hosts, or None when they differ), hosts (name
    -> release, build_id, checks, measurement, saved_kib), checks (count of each outcome), plot (axes and
    series: points are processes and KiB).
    """
    hosts: dict[str, Any] = {}
    for name, result in sorted(results.items()):
        facts, measured = result.get("facts") or {}, result.get("measure")
        hosts[name] = {
            "release": facts.get("release"),
            "build_id": facts.get("build_id"),
            "granularity": facts.get("mshare_info"),
            "mount": facts.get("mount"),
            "regions": facts.get("regions") or {},
            "checks": result["checks"],
            "measurement": measured,
            "saved_kib": sharing.saved_kib(measured),
        }
    releases = {host["release"] for host in hosts.values()}
    counts = Counter(check["outcome"] for host in hosts.values() for check in host["checks"])
    return {
        "schema": SCHEMA,
        "created": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "release": releases.pop() if len(releases) == 1 else None,
        "hosts": hosts,
        "checks": {outcome: counts[outcome] for outcome in OUTCOMES},
        "plot": _plot(hosts),
    }


def _plot(hosts: Mapping[str, Any]) -> dict[str, Any]:
    """The curves of all hosts that were measured."""
    series = []
    for name, host in hosts.items():
        for kind in ("private", "shared"):
            curve = (host["measurement"] or {}).get(kind)
            if curve:
                points = [list(pair) for pair in zip(curve["counts"], curve["growth_kib"], strict=True)]
                series.append({"host": name, "kind": kind, "points": points})
    return {"x": "processes that touched every page", "y": "growth of PageTables, KiB", "series": series}


def load(path: Path) -> dict[str, Any]:
    """Read a report.

    Raises:
        UserError: it is not there, or not a report of this schema.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"reading the report: {error}", "`mshare verify` writes build/report.json") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or "hosts" not in data:
        raise UserError(
            f"{path} is not a verification report of schema {SCHEMA}", "make it with `mshare verify`"
        )
    return data


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write report.json and, beside it, the JUnit XML (.xml) and the page (.html)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    path.with_suffix(".xml").write_text(junit.render(report))
    path.with_suffix(".html").write_text(html.render(report))


def raise_for_failures(report: Mapping[str, Any]) -> None:
    """End as a failed check when one failed.

    Raises:
        CheckFailed: it names each, host and reason.
    """
    failed = [
        f"  {name}: {check['title']}: {check['detail']}"
        for name, host in report["hosts"].items()
        for check in host["checks"]
        if check["outcome"] == "failed"
    ]
    if failed:
        raise CheckFailed("checks failed:\n" + "\n".join(failed), "the report has the rest")


def raise_for_unmeasured(report: Mapping[str, Any]) -> None:
    """End as a failed check when a host was not measured, shared and private.

    Raises:
        CheckFailed: it names each, host and reason.
    """
    without = [
        f"  {name}: {(host['measurement'] or {}).get('skipped') or 'no region was measured'}"
        for name, host in report["hosts"].items()
        if host["saved_kib"] is None
    ]
    if without:
        raise CheckFailed(
            "not measured:\n" + "\n".join(without), "give the hosts more memory, or leave out --measure"
        )
