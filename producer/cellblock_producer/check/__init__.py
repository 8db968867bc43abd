"""Looks at the code of a node before it runs: would it be refused, why, at which line.

Advice, never the boundary: that is the sandbox, which does not ask what was found here. Nothing of the code
is executed, imported or compiled. Python needs nothing more; JavaScript needs the extra `check`.
"""

from .finding import MAX_FINDINGS, CheckUnavailable, Finding, FindingKind, refuses
from .look import PACKAGES, check

__all__ = ["MAX_FINDINGS", "PACKAGES", "CheckUnavailable", "Finding", "FindingKind", "check", "refuses"]
