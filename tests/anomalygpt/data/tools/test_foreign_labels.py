"""Label files as other programs write them, made by hand."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data import open_data
from anomalygpt.data.masks import read_mask
from anomalygpt.data.tools.formats import coco, labelstudio
from anomalygpt.data.tools.importing import import_labels, read_labels
from anomalygpt.errors import DataError

RING = np.zeros((20, 24), dtype=bool)
RING[3:12, 4:15] = True
RING[5:9, 6:12] = False
RING[15:17, 1:3] = True


@pytest.fixture
def photos(make, tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        make.photo(tmp_path / "photos" / name)
    return tmp_path / "photos"


def imported(source: Path, photos: Path, **options) -> dict[str, np.ndarray | None]:
    """The masks of a data set made of labels, by the names of its photos; None for good parts."""
    output = photos.parent / "made"
    shutil.rmtree(output, ignore_errors=True)
    made = import_labels(source, output, images=photos, **options)
    assert [finding for finding in made.findings if finding.severity == "error"] == []
    found = {}
    for sample in open_data(output).samples:
        name = f"{sample.kind}/{sample.image.name}" if sample.is_anomalous else sample.image.name
        found[name] = read_mask(sample.masks[0]) if sample.masks else None
    return found


def coco_file(folder: Path, annotations: list[dict], **image) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": 20, "width": 24, **image}],
        "categories": [{"id": 3, "name": "scratch"}, {"id": 4, "name": "OK"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, **a} for a in annotations],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_coco_unites_regions_and_boxes(photos: Path, tmp_path: Path) -> None:
    left, right = [1, 1, 4, 1, 4, 4, 1, 4], [3, 1, 8, 1, 8, 4, 3, 4]
    runs = {"size": [20, 24], "counts": [0, 2, 478]}
    annotations = [{"segmentation": [left, right]}, {"bbox": [10, 10, 2, 3]}]
    annotations.append({"segmentation": runs})
    found = imported(coco_file(tmp_path, annotations), photos)
    expected = np.zeros((20, 24), dtype=bool)
    # Where two polygons of a region overlap it is still marked.
    expected[1:4, 1:8] = expected[10:13, 10:12] = True
    expected[0:2, 0] = True
    assert list(found) == ["scratch/a.png"]
    assert np.array_equal(found["scratch/a.png"], expected)


def test_a_label_that_means_good_is_no_defect(photos: Path, tmp_path: Path) -> None:
    file = coco_file(tmp_path, [{"category_id": 4, "bbox": [0, 0, 24, 20]}])
    assert imported(file, photos) == {"a.png": None}


def test_a_photo_without_a_label_is_left_out_or_good(photos: Path, tmp_path: Path) -> None:
    file = coco_file(tmp_path, [])
    with pytest.raises(DataError, match="no photo is left: photos without a label"):
        import_labels(file, tmp_path / "out", images=photos)
    assert imported(file, photos, unlabelled="normal") == {"a.png": None}


def test_labels_of_another_size(photos: Path, tmp_path: Path) -> None:
    file = coco_file(tmp_path, [{"bbox": [10, 10, 20, 20]}], height=40, width=48)
    mask = imported(file, photos)["scratch/a.png"]
    assert mask is not None
    assert mask[5:15, 5:15].all()
    assert mask.sum() == 100
    file = coco_file(tmp_path, [{"bbox": [10, 10, 20, 20]}], height=48, width=40)
    with pytest.raises(DataError, match="labels made for a photo of another shape"):
        import_labels(file, tmp_path / "out", images=photos)


@pytest.mark.parametrize(
    "annotation",
    [
        {"category_id": 9, "bbox": [0, 0, 1, 1]},
        {"image_id": 9, "bbox": [0, 0, 1, 1]},
        {"segmentation": [[1, 2, 3]]},
        {"segmentation": {"size": [20, 24], "counts": [3]}},
        {"bbox": "all"},
    ],
)
def test_annotations_of_coco_that_cannot_be_used(tmp_path: Path, annotation: dict) -> None:
    with pytest.raises(DataError, match=r"instances\.json, annotation 1: \w+Error"):
        coco.read(coco_file(tmp_path, [annotation]))


def test_names_that_several_photos_have(make, photos: Path, tmp_path: Path) -> None:
    make.photo(photos / "1" / "x.png")
    make.photo(photos / "2" / "x.png")
    file = tmp_path / "labels.csv"
    file.write_text("image_id,label,description\nx.png,NG,\na.png,ok,\ngone.png,ok,\n")
    made = import_labels(file, tmp_path / "out", images=photos)
    assert {finding.problem for finding in made.findings} == {
        "names that several photos have",
        "photos of the labels that are not there",
    }
    # With their folders they are known, and do not overwrite each other.
    file.write_text("image_id,label\n1/x.png,error\n2/x.png,error\n")
    made = import_labels(file, tmp_path / "both", images=photos)
    assert sorted(path.name for path in (tmp_path / "both" / "bad" / "defect").iterdir()) == [
        "2_x.png",
        "x.png",
    ]


def test_a_photo_called_mask_is_not_taken_for_one(make, photos: Path, tmp_path: Path) -> None:
    make.photo(photos / "a_mask.png")
    images = [
        {"id": at, "file_name": name, "height": 20, "width": 24}
        for at, name in enumerate(("a.png", "a_mask.png"))
    ]
    boxes = [{"image_id": at, "category_id": 0, "bbox": [at * 9, 0, 3, 3]} for at in (0, 1)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 0, "name": "label"}]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    found = imported(tmp_path / "coco.json", photos)
    first, second = found["defect_label/a.png"], found["defect_label/a_mask_photo.png"]
    assert first is not None
    assert second is not None
    assert first[:3, :3].all()
    assert second[:3, 9:12].all()


def test_yolo_boxes_outlines_and_empty_files(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "yolo"
    for split, name in (("train", "a"), ("train", "b"), ("valid", "c")):
        (root / split / "images").mkdir(parents=True, exist_ok=True)
        (root / split / "labels").mkdir(exist_ok=True)
        shutil.copy(photos / f"{name}.png", root / split / "images")
    (root / "data.yaml").write_text("names: [dent, scratch]\n")
    (root / "train" / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n0 0 0 .25 0 .25 .1 0 .1\n")
    (root / "train" / "labels" / "b.txt").write_text("")
    found = imported(root, root)
    mask = found["scratch/a.png"]
    assert mask is not None
    assert mask[5:15, 6:18].all()
    assert mask[:2, :6].all()
    assert mask.sum() == 120 + 12
    assert found["b.png"] is None
    assert len(found) == 2  # nobody looked at c
    (root / "train" / "labels" / "a.txt").write_text("2 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match=r"a\.txt, line 1: KeyError"):
        read_labels(root)


def test_labelme_shapes(photos: Path, tmp_path: Path) -> None:
    stamp = io.BytesIO()
    Image.fromarray(np.full((2, 3), 255, dtype=np.uint8)).save(stamp, "PNG")
    shapes = [
        {"label": "x", "shape_type": "rectangle", "points": [[4, 5], [1, 2]]},
        {"label": "x", "shape_type": "line", "points": [[10, 10], [14, 10]]},
        {
            "label": "x",
            "shape_type": "mask",
            "points": [[20, 15], [22, 16]],
            "mask": base64.b64encode(stamp.getvalue()).decode(),
        },
    ]
    content = {"shapes": shapes, "imagePath": "..\\photos\\a.png", "imageData": None}
    file = tmp_path / "labels" / "a.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**content, "imageHeight": 20, "imageWidth": 24}))
    mask = imported(file, photos)["x/a.png"]
    assert mask is not None
    expected = np.zeros((20, 24), dtype=bool)
    expected[2:5, 1:4] = expected[10, 10:15] = expected[15:17, 20:23] = True
    assert np.array_equal(mask, expected)
    content["shapes"] = [{"label": "x", "shape_type": "star", "points": []}]
    file.write_text(json.dumps({**content, "imageHeight": 20, "imageWidth": 24}))
    with pytest.raises(DataError, match=r"shape 1: .*'star' is not known"):
        read_labels(file)


def packed_brush(values: np.ndarray) -> list[int]:
    """A stream as Label Studio's brush writes it: one group with every value written out."""
    bits = f"{len(values):032b}" + f"{7:05b}" + "".join(f"{n:04b}" for n in (2, 3, 7, 15))
    bits += "0" + "11" + f"{len(values) - 1:016b}" + "".join(f"{value:08b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def test_label_studio_tasks(photos: Path, tmp_path: Path) -> None:
    frame = {"original_width": 24, "original_height": 20}
    alpha = np.zeros((20, 24, 4), dtype=np.uint8)
    alpha[RING] = 255
    box = {"x": 50, "y": 50, "width": 25, "height": 10, "rectanglelabels": ["dent"]}
    brush = {"format": "rle", "rle": packed_brush(alpha.ravel()), "brushlabels": ["stain"]}
    results = [
        [{"type": "rectanglelabels", "value": box, **frame}],
        [{"type": "brushlabels", "value": brush, **frame}],
        [{"type": "choices", "value": {"choices": ["Good"]}}],
    ]
    names = ("/data/upload/1/0a1b2c3d-a.png", "/data/local-files/?d=some%2Fb.png", "s3://x/c.png")
    cancelled = {"was_cancelled": True, "result": results[2]}
    tasks = [
        {"data": {"image": name}, "annotations": [{"result": result}, cancelled]}
        for name, result in zip(names, results, strict=True)
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    found = imported(tmp_path / "export.json", photos)
    assert sorted(found) == ["c.png", "dent/a.png", "stain/b.png"]
    assert np.array_equal(found["stain/b.png"], RING)
    mask = found["dent/a.png"]
    assert mask is not None
    assert mask[10:12, 12:18].all()
    assert mask.sum() == 12
    for spoiled in (packed_brush(alpha.ravel())[:-9], packed_brush(alpha.ravel()[:-4])):
        with pytest.raises(ValueError, match="a brush "):
            labelstudio.unpacked_brush(spoiled, alpha.size)


def test_cvat_shapes(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "annotations.xml"
    image = '<image id="{0}" name="{1}" width="24" height="20">{2}</image>'
    shapes = (
        '<box label="x" xtl="1" ytl="2" xbr="4" ybr="5"/>'
        '<polygon label="x" points="10,10;12,10;12,13;10,13"/>'
        '<mask label="x" left="20" top="0" width="2" height="2" rle="1,2,1"/>'
    )
    good = image.format(1, "sub/b.png", '<tag label="normal"/>')
    text = f"<annotations>{image.format(0, 'a.png', shapes)}{good}</annotations>"
    file.write_text(text)
    found = imported(file, photos)
    expected = np.zeros((20, 24), dtype=bool)
    expected[2:5, 1:4] = expected[10:13, 10:12] = True
    expected[0, 21] = expected[1, 20] = True
    assert np.array_equal(found["x/a.png"], expected)
    assert found["b.png"] is None
    file.write_text(f'<!DOCTYPE a [<!ENTITY b "c">]>{text}')
    with pytest.raises(DataError, match="definitions of its own"):
        read_labels(file)
    file.write_text(text.replace('left="20"', 'left="23"'))
    with pytest.raises(DataError, match=r"image 'a\.png': .*leads out of the photo"):
        read_labels(file)


def test_a_lookout_manifest_with_two_kinds(photos: Path, tmp_path: Path) -> None:
    pixels = np.full((20, 24, 3), 255, dtype=np.uint8)
    pixels[:5, :5] = (0x2C, 0xA0, 0x2C)
    pixels[10, 10] = (0x1F, 0x77, 0xB4)
    (tmp_path / "masks").mkdir()
    Image.fromarray(pixels).save(tmp_path / "masks" / "a.png")
    colours = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
        "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
        "2": {"class-name": "dent", "hex-color": "#1f77b4", "confidence": 0.0},
    }
    bad = {
        "source-ref": "s3://bucket/set/a.png",
        "anomaly-label": 1,
        "anomaly-label-metadata": {"class-name": "anomaly", "confidence": 1},
        "anomaly-mask-ref": "s3://bucket/set/masks/a.png",
        "anomaly-mask-ref-metadata": {"internal-color-map": colours},
    }
    good = {
        "source-ref": "s3://bucket/set/b.png",
        "label": 0,
        "label-metadata": {"class-name": "normal"},
    }
    file = tmp_path / "train.manifest"
    file.write_text(f"{json.dumps(bad)}\n{json.dumps(good)}\n")
    found = imported(file, photos)
    assert found["b.png"] is None
    mask = found["scratch/a.png"]
    assert mask is not None
    assert mask.sum() == 26
    del colours["2"]
    file.write_text(f"{json.dumps(bad)}\n")
    with pytest.raises(DataError, match=r"line 1: .*colours that its map"):
        read_labels(file)


def test_roboflow_exports(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "robo"
    for split, name in (("train", "a.png"), ("valid", "b.png")):
        (root / split).mkdir(parents=True)
        shutil.copy(photos / name, root / split)
        path = coco_file(root / split, [{"bbox": [1, 1, 2, 2]}], file_name=name)
        path.rename(root / split / "_annotations.coco.json")
    assert sorted(imported(root, root)) == ["scratch/a.png", "scratch/b.png"]
    for split in ("train", "valid"):
        (root / split / "_annotations.coco.json").unlink()
    (root / "train" / "_classes.csv").write_text("filename, dent, good\na.png, 1, 0\n")
    (root / "valid" / "_classes.csv").write_text("filename, dent, good\nb.png, 0, 1\n")
    assert imported(root, root) == {"dent/a.png": None, "b.png": None}
