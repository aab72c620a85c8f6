"""A verification report as JUnit XML: one test suite for each host."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

#: What XML 1.0 cannot hold, but a console can print.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)


def render(report: Mapping[str, Any]) -> str:
    """The XML text of a report."""
    root = ET.Element("testsuites", name="mshare verify")
    for name, host in report["hosts"].items():
        checks = host["checks"]
        outcomes = [check["outcome"] for check in checks]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=name,
            timestamp=report["created"],
            tests=str(len(checks)),
            failures=str(outcomes.count("failed")),
            errors="0",
            skipped=str(outcomes.count("skipped")),
            time=f"{sum(check['seconds'] for check in checks):.3f}",
        )
        properties = ET.SubElement(suite, "properties")
        for key in ("release", "build_id", "saved_kib"):
            ET.SubElement(properties, "property", name=key, value=str(host.get(key)))
        for check in checks:
            case = ET.SubElement(
                suite, "testcase", classname=name, name=check["name"], time=f"{check['seconds']:.3f}"
            )
            if check["outcome"] != "passed":
                tag = "failure" if check["outcome"] == "failed" else "skipped"
                first = (check["detail"].splitlines() or [""])[0]
                ET.SubElement(case, tag, message=_clean(first)).text = _clean(check["detail"])
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
