"""What a data directory holds and whether it is whole, without changing it; and a new one from what can be read of it.

`check_directory` and `salvage_directory` are what `dotkafka check` runs.
"""

from dotkafka.inspection.check import check_directory
from dotkafka.inspection.problems import Problem
from dotkafka.inspection.report import Content, DirectoryReport, PartitionReport, TopicReport
from dotkafka.inspection.salvage import RecoveredPartition, SalvageReport, salvage_directory

__all__ = [
    "Content",
    "DirectoryReport",
    "PartitionReport",
    "Problem",
    "RecoveredPartition",
    "SalvageReport",
    "TopicReport",
    "check_directory",
    "salvage_directory",
]
