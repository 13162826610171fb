"""What was found: inspections, regions, maps, pictures of them, and how sure they are."""

from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region, find_regions

__all__ = ["Inspection", "Region", "find_regions"]
