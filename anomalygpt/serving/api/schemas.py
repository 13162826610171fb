"""What the service takes and gives, as its OpenAPI document tells it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Picture = Literal["map", "overlay", "mask"]
# A black square of 16 pixels.
_EXAMPLE_DATA = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQAAAAA3iMLMAAAADElEQVR42mNgIA0AAAAwAAEodEl9AAAAAElFTkSuQmCC"
)


def _plain(text: str) -> str:
    """
    Raises:
        ValueError: there are control codes in it.
    """
    if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in text):
        raise ValueError("there are control codes in it")
    return text


Text = Annotated[str, AfterValidator(_plain)]


class Taken(BaseModel):
    """Whatever is sent in: nothing is guessed, and a misspelt name is told."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PhotoIn(Taken):
    """A photo as base64."""

    data: str = Field(
        min_length=4,
        description="the file's bytes as base64, or a data URL; addresses are refused",
        examples=[_EXAMPLE_DATA],
    )
    name: Text | None = Field(None, max_length=200, description="what results call it")


class ProductSettings(Taken):
    """How photos of a product are looked at; what is left out keeps its usual value."""

    model: Text = Field("embedded", max_length=200, description="one of /v1/models")
    rotations: int | None = Field(None, ge=1, le=36, description="turned copies of references")
    flips: bool = Field(False, description="also mirrored copies")
    fixed_pose: bool = Field(False, description="parts always lie the same")
    detail: Literal["auto", "whole"] | Annotated[int, Field(ge=1, le=8)] = "auto"
    bit_depth: int | None = Field(None, ge=8, le=16)
    category: Text | None = Field(None, max_length=64, description='such as "leather"')
    false_alarms: float | None = Field(None, gt=0, lt=1)
    confidence: float = Field(0.95, gt=0, lt=1)


class ProductIn(Taken):
    """A new product."""

    name: Text = Field(min_length=1, max_length=64, examples=["bracket 7"])
    description: Text | None = Field(None, max_length=300)
    settings: ProductSettings = Field(default_factory=lambda: ProductSettings.model_validate({}))
    references: list[PhotoIn] = Field(
        default_factory=list, max_length=16, description="photos of good parts"
    )


class ProductChange(Taken):
    """What is to be another; what is left out stays."""

    name: Text | None = Field(None, min_length=1, max_length=64)
    description: Text | None = Field(None, max_length=300, description='"" for none')
    settings: ProductSettings | None = None


class ReferencesIn(Taken):
    """Photos of good parts to add."""

    photos: list[PhotoIn] = Field(min_length=1, max_length=16)
    role: Literal["reference", "good"] = Field(
        "reference", description="others are compared with references; the limit uses good ones"
    )


class InspectionIn(Taken):
    """Photos to inspect."""

    photos: list[PhotoIn] = Field(min_length=1, max_length=16)
    product: Text | None = Field(
        None, min_length=1, max_length=64, description="a product's name or id"
    )
    references: list[PhotoIn] = Field(
        default_factory=list, max_length=8, description="good parts, where there is no product"
    )
    description: Text | None = Field(None, max_length=300, description="a sentence about the part")
    model: Text | None = Field(None, max_length=200, description="one of /v1/models")
    include: list[Picture] = Field(
        default_factory=list, max_length=3, description="pictures in the answer, PNG as base64"
    )


class JobIn(Taken):
    """A folder to inspect."""

    folder: Text = Field(
        min_length=1, max_length=500, description="below the server's --jobs-root", examples=["."]
    )
    product: Text = Field(min_length=1, max_length=64)


class PhotoOut(BaseModel):
    """A photo of a good part."""

    photo: str = Field(description="SHA-256 of the file")
    name: str
    added: str
    accepted: bool = Field(description="whether it was called anomalous first, and good after all")
    role: Literal["reference", "good"]


class ProductOut(BaseModel):
    """A product."""

    id: str
    name: str
    description: str | None
    settings: dict[str, Any]
    version: int
    references: list[dict[str, Any]]
    good: list[dict[str, Any]]
    limit: dict[str, Any] | None
    ignores_places: bool
    created: str
    changed: str


class InspectionOut(BaseModel):
    """What was found in one photo; `result` is described in docs/inspection-results.md."""

    id: str
    number: int = Field(description="of its line in the log")
    at: str
    who: str
    product: str | None
    product_id: str | None
    product_version: int | None
    photo: str = Field(description="SHA-256 of the file")
    photo_name: str
    photo_kept: bool
    is_anomalous: bool | None
    anomaly_probability: float | None
    anomaly_score: float
    answer: str | None
    feedback: str | None
    result: dict[str, Any]
    pictures: dict[Picture, str] = Field(default_factory=dict, description="PNG as base64")


class FailedPhoto(BaseModel):
    """A photo that could not be inspected, among others that were."""

    photo_name: str
    problem: dict[str, Any]


class InspectionsOut(BaseModel):
    """One line for each photo, in their order."""

    inspections: list[InspectionOut | FailedPhoto]


class JobOut(BaseModel):
    """A folder that is being inspected, or was."""

    id: str
    at: str
    who: str
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    folder: str
    product: str
    total: int
    done: int
    failed: int
    errors: list[str]


class ProductPage(BaseModel):
    """Some products by name."""

    items: list[ProductOut]
    next: str | None = Field(description="where the next ones are; null at the end")


class InspectionPage(BaseModel):
    """Some inspections, the youngest first."""

    items: list[InspectionOut]
    next: str | None = Field(description="where earlier ones are; null at the end")


class JobPage(BaseModel):
    """Some jobs, the youngest first."""

    items: list[JobOut]
    next: str | None = Field(description="where earlier ones are; null at the end")


class PhotoPage(BaseModel):
    """All photos of a product."""

    items: list[PhotoOut]


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(examples=["urn:anomalygpt:problem:not-found"])
    title: str
    status: int
    detail: str = Field(description="what came, what was expected, and what to do")
    errors: list[dict[str, Any]] | None = None
    request_id: str | None = None


# Models that bodies are checked with beside FastAPI, because a form may bring the same.
BODIES: tuple[type[BaseModel], ...] = (
    PhotoIn,
    ProductSettings,
    ProductIn,
    ProductChange,
    ReferencesIn,
    InspectionIn,
    JobIn,
)
