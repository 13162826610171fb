"""`anomalygpt data meta`, `version`, `verify` …: tools that make, change and compare data sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli import drawing, looks
from anomalygpt.cli.status import OK, SOME_FAILED, say
from anomalygpt.cli.tooling import Parts, add_layout, print_findings, told, tool

if TYPE_CHECKING:
    from anomalygpt.data.tools.manifests import Differences

_FORMATS = ("table", "coco", "yolo", "labelme", "labelstudio", "cvat", "lookout")


def run(options: argparse.Namespace) -> int:
    """Run the tool that `add_tools` put into the options."""
    chosen: Callable[[argparse.Namespace], int] = options.tool
    return chosen(options)


def add_tools(parts: Parts) -> None:
    """All tools, as subcommands of `anomalygpt data`."""
    _add_meta(parts)
    _add_version(parts)
    _add_verify(parts)
    _add_labels(parts)
    looks.add_tools(parts)
    drawing.add_draw(parts)


# --- meta ----------------------------------------------------------------------------------------


def _add_meta(parts: Parts) -> None:
    parser = tool(
        parts,
        "meta",
        "write meta.json, the table that AnomalyCLIP and its relatives read",
        "Write meta.json, meta_train.json and meta_test.json from folders of products, also in "
        "groups (COMP_1/product_1). Masks are matched by name. Status 1: the folders have errors, "
        "which are named, and nothing was written.",
        _meta,
    )
    parser.add_argument("root", metavar="ROOT", help="the folder of the data set")
    add_layout(parser)
    parser.add_argument(
        "--output", metavar="DIR", help="where the files go (default ROOT, where readers look)"
    )
    parser.add_argument("--replace", action="store_true", help="write over files of these names")


def _meta(options: argparse.Namespace) -> int:
    from anomalygpt.data.report import table_text
    from anomalygpt.data.tools.meta import collect_meta, write_meta

    meta = collect_meta(options.root, options.dataset)
    rows = [["product", "phase", "good", "bad", "with mask"]]
    for phase, products in meta.table().items():
        for product, entries in products.items():
            bad = [entry for entry in entries if entry["anomaly"]]
            masks = sum(bool(entry["mask_path"]) for entry in bad)
            rows.append([product, phase, *map(str, (len(entries) - len(bad), len(bad), masks))])
    print(table_text(rows, left=2))
    print_findings(meta.root, meta.findings)
    if not meta.is_ready:
        say("nothing was written, because of the errors above")
        return SOME_FAILED
    output = Path(options.output) if options.output else None
    for path in write_meta(meta, output, replace=options.replace):
        say(f"{path} written")
    return OK


# --- versions ------------------------------------------------------------------------------------


def _add_version(parts: Parts) -> None:
    parser = parts.add_parser(
        "version",
        help="keep versions of a collection, with hashes and parents",
        description="Versions of a collection of photos: folders such as 20240910_V0_raw, each "
        "with a manifest of its files, their hashes and where they come from.",
    )
    inner = parser.add_subparsers(dest="version_command", required=True, metavar="ACTION")
    new = tool(
        inner,
        "new",
        "copy a folder as the next version",
        "Copy a folder as the next version of a collection. The folder is only read, older "
        "versions stay as they are, and an interrupted copy goes on where it stopped.",
        _new_version,
    )
    new.add_argument("collection", metavar="COLLECTION", help="the folder of the versions")
    new.add_argument("--source", required=True, metavar="DIR", help="the folder to copy")
    new.add_argument("--text", required=True, help="a few words for the name, such as raw")
    new.add_argument("--parent", metavar="NAME", help="what it was made from (default the latest)")
    new.add_argument("--day", metavar="YYYYMMDD", help="the day in its name (default today)")
    listed = tool(
        inner,
        "list",
        "what the versions hold",
        "One line for each version: photos, good and bad ones by the names of their folders, "
        "files, parent.",
        _list_versions,
    )
    listed.add_argument("collection", metavar="COLLECTION", help="the folder of the versions")
    compared = tool(
        inner,
        "diff",
        "what changed between two versions",
        "Files that are new, missing, changed or moved between two versions or any two folders. "
        "Status 1 where they differ.",
        _compare,
    )
    compared.add_argument("before", metavar="BEFORE", help="a version or folder")
    compared.add_argument("after", metavar="AFTER", help="another one")
    manifest = tool(
        inner,
        "manifest",
        "write down what a folder holds, without a copy",
        "Write a manifest: path, size, SHA-256 and MD5 of every file.",
        _manifest,
    )
    manifest.add_argument("folder", metavar="DIR", help="any folder")
    manifest.add_argument(
        "--output", metavar="FILE", help="the file (default manifest.json in the folder)"
    )


def _add_verify(parts: Parts) -> None:
    parser = tool(
        parts,
        "verify",
        "whether a folder is still as its manifest says",
        "Compare a folder with its manifest, or with a list of sha256sum or md5sum. Status 1: "
        "files changed, are missing, moved or new, and are named.",
        _verify,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder")
    parser.add_argument(
        "--manifest", metavar="FILE", help="the list (default manifest.json in the folder)"
    )


def _new_version(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.versions import create_version
    from anomalygpt.progress import with_bar

    version = create_version(
        options.collection,
        options.source,
        options.text,
        parent=options.parent,
        day=options.day,
        progress=lambda files, total: with_bar(files, total, "files"),
    )
    counts = version.counts()
    print(
        f"{version.folder}: {counts['files']} files, {counts['photos']} photos "
        f"({counts['good']} good, {counts['bad']} bad, {counts['other']} other)"
    )
    return OK


def _list_versions(options: argparse.Namespace) -> int:
    from anomalygpt.data.report import table_text
    from anomalygpt.data.tools.versions import versions_of
    from anomalygpt.errors import DataError

    found = versions_of(options.collection)
    if not found:
        raise DataError(
            f"{options.collection} holds no version (YYYYMMDD_V0_text); "
            "`anomalygpt data version new` makes one"
        )
    rows = [["version", "parent", "photos", "good", "bad", "other", "masks", "files"]]
    for version in found:
        parent = version.manifest.parent if version.manifest else None
        counts = [str(count) for count in version.counts().values()]
        rows.append([version.folder.name, parent or "-", *counts])
    print(table_text(rows, left=2))
    return OK


def _compare(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.versions import compare
    from anomalygpt.progress import with_bar

    found = compare(
        options.before, options.after, lambda files, total: with_bar(files, total, "files")
    )
    return _print_differences(found, "the same files")


def _manifest(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.versions import write_manifest

    output = Path(options.output) if options.output else None
    say(f"{write_manifest(options.folder, output)} written")
    return OK


def _verify(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.manifests import verify
    from anomalygpt.progress import with_bar

    found = verify(
        options.folder,
        options.manifest,
        lambda files, total: with_bar(files, total, "files"),
    )
    return _print_differences(found, f"{options.folder}: as its manifest says")


def _print_differences(found: Differences, none: str) -> int:
    from anomalygpt.files import shown

    if not found:
        print(none)
        return OK
    named = {"changed": found.changed, "missing": found.missing, "new": found.new}
    for word, paths in named.items():
        for path in paths:
            print(f"{word:8}{shown(path)}")
    for before, after in found.moved:
        print(f"{'moved':8}{shown(before)} -> {shown(after)}")
    return SOME_FAILED


# --- labels --------------------------------------------------------------------------------------


def _add_labels(parts: Parts) -> None:
    parser = parts.add_parser(
        "labels",
        help="labels of other programs: COCO, YOLO, LabelMe, CVAT, Label Studio and others",
        description="Labels of other programs to a data set, and back.",
    )
    inner = parser.add_subparsers(dest="labels_command", required=True, metavar="ACTION")
    taken = tool(
        inner,
        "import",
        "make a data set from labels",
        "Copy labelled photos into a new data set: good, bad/KIND, masks/KIND, and the table "
        "labels.csv and labels.json. Read are COCO, YOLO, LabelMe, Label Studio, CVAT for images, "
        "Roboflow's exports, Lookout manifests, and tables with image_id, label and description. "
        "Status 1: some photos could not be used, and are named.",
        _import,
    )
    taken.add_argument("source", metavar="LABELS", help="a label file, or the folder of an export")
    taken.add_argument("output", metavar="OUTPUT", help="the new folder")
    taken.add_argument(
        "--images", metavar="DIR", help="where the photos lie (default beside the labels)"
    )
    taken.add_argument(
        "--unlabelled",
        choices=["leave-out", "normal"],
        default="leave-out",
        help="what photos are of which the labels say nothing (default leave-out, for nobody may "
        "have looked at them)",
    )
    given = tool(
        inner,
        "export",
        "write labels for another program",
        "Write the labels of a data set of any layout. Status 1: some photos or masks could not "
        "be used, and are named.",
        _export,
    )
    given.add_argument("root", metavar="ROOT", help="the data set")
    given.add_argument("output", metavar="OUTPUT", help="the new folder")
    given.add_argument("--format", required=True, choices=_FORMATS, help="which program's")
    add_layout(given)
    given.add_argument(
        "--prefix",
        default="",
        metavar="ADDRESS",
        help="before the names in a Lookout manifest, such as s3://bucket/folder/",
    )


def _import(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.importing import import_labels
    from anomalygpt.progress import with_bar

    made = import_labels(
        options.source,
        options.output,
        images=options.images,
        unlabelled="normal" if options.unlabelled == "normal" else None,
        progress=with_bar,
    )
    print(
        f"{made.output}: {made.good} good, {made.bad} bad, {made.masks} with a mask, from "
        f"{made.format}"
    )
    return told(made.output, made.findings)


def _export(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.exporting import export_labels
    from anomalygpt.progress import with_bar

    made = export_labels(
        options.root,
        options.output,
        options.format,
        layout=options.dataset,
        prefix=options.prefix,
        progress=with_bar,
    )
    print(f"{made.output}: {made.photos} photos: {made.mix}")
    return told(Path(options.root), made.findings)
