"""Format ``html``: one self-contained page about the run."""

from ovseg.outputs.report.writer import ReportWriter

__all__ = ["ReportWriter"]
