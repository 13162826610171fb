"""Figures for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from statistics import fmean, pstdev

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from anomalygpt.audit.looking import scores_since
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product
from anomalygpt.results.inspection import Inspection

# Inspections that are compared with each other for the drift, and how few of each are enough.
DRIFT_OVER, DRIFT_FROM = 100, 20
# Products that have figures of their own; the others share "other".
_MOST_PRODUCTS = 200
# Seconds for which the drift is not worked out again.
_DRIFT_KEPT = 15.0
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SHARES = tuple(number / 10 for number in range(1, 11))


class Metrics:
    """All figures of one service; an `Observer` of its engine.

    Attributes:
        registry: that hands them out.
    """

    def __init__(self, plant: Plant, pending: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._names: dict[str, str] = {}
        registry = self.registry
        self._requests = Counter(
            "anomalygpt_requests",
            "Requests that were answered",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "anomalygpt_request_seconds",
            "Time to the end of an answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "anomalygpt_stage_seconds",
            "Time of each stage of an inspection, waiting for others included",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._verdicts = Counter(
            "anomalygpt_inspections",
            "Photos that were inspected",
            ["product", "verdict"],
            registry=registry,
        )
        self._probabilities = Histogram(
            "anomalygpt_anomaly_probability",
            "P(anomaly) of inspected photos",
            ["product"],
            buckets=_SHARES,
            registry=registry,
        )
        queue = Gauge("anomalygpt_queue_jobs", "Jobs that wait or run", registry=registry)
        queue.set_function(pending)
        registry.register(Drift(plant))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request has its answer.

        Args:
            route: the path with its parameters' names.
            method, status: of HTTP.
            seconds: from the first byte of the request to the last of the answer.
        """
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def staged(self, stage: str, seconds: float) -> None:
        """See `Observer`."""
        self._stages.labels(stage).observe(seconds)

    def found(self, product: Product | None, inspection: Inspection) -> None:
        """See `Observer`."""
        name = self._label(product)
        verdict = {True: "anomalous", False: "good", None: "none"}[inspection.is_anomalous]
        self._verdicts.labels(name, verdict).inc()
        if inspection.anomaly_probability is not None:
            self._probabilities.labels(name).observe(inspection.anomaly_probability)

    def _label(self, product: Product | None) -> str:
        if product is None:
            return ""
        if product.id not in self._names and len(self._names) >= _MOST_PRODUCTS:
            return "other"
        return self._names.setdefault(product.id, product.name)


class Drift(Collector):
    """How far the scores of a product went from where they began."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._known: list[tuple[str, float]] = []
        self._at = -_DRIFT_KEPT
        self._lock = threading.Lock()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for each product with enough inspections."""
        family = GaugeMetricFamily(
            "anomalygpt_score_drift",
            f"Mean score of the last {DRIFT_OVER} photos minus that of the first {DRIFT_OVER} "
            "since the product was changed, in standard deviations of the first",
            labels=["product"],
        )
        with self._lock:
            if time.monotonic() - self._at >= _DRIFT_KEPT:
                try:
                    self._known = list(drifts(self._plant))
                except AnomalyGPTError:  # the other figures are still right
                    self._known = []
                self._at = time.monotonic()
            for name, value in self._known:
                family.add_metric([name], value)
        yield family


def drifts(plant: Plant) -> Iterator[tuple[str, float]]:
    """Names of products, and how far their scores went, in standard deviations."""
    for product in plant.products.all(most=_MOST_PRODUCTS):
        first, last = (
            scores_since(
                plant.database, product.id, product.changed, most=DRIFT_OVER, youngest=youngest
            )
            for youngest in (False, True)
        )
        spread = pstdev(first) if len(first) >= DRIFT_FROM else 0.0
        if spread > 0:
            yield product.name, (fmean(last) - fmean(first)) / spread
