"""`anomalygpt knowledge`: what is known about products, in files of the user's own."""

from __future__ import annotations

import argparse
import json

from anomalygpt.cli.shared import positive
from anomalygpt.cli.status import ERROR, OK, SOME_FAILED, plain, say

SUMMARY = "keep and search what is known about products"


def run(options: argparse.Namespace) -> int:
    """`anomalygpt knowledge add|list|search|remove`."""
    return {"add": _add, "list": _list, "search": _search, "remove": _remove}[
        options.knowledge_command
    ](options)


def _add(options: argparse.Namespace) -> int:
    """Status 1 where some files were refused, 2 where all were."""
    from anomalygpt.files import shown
    from anomalygpt.knowledge.files import add_files
    from anomalygpt.knowledge.store import Knowledge

    added = add_files(options.sources, options.knowledge, options.product)
    for line in added.refused:
        say(line)
    if not added.names:
        return ERROR
    for name in added.names:
        print(f"added: {shown(name)}")
    for line in Knowledge.open(options.knowledge).contradictions:
        say(line)
    return SOME_FAILED if added.refused else OK


def _list(options: argparse.Namespace) -> int:
    """Status 1 where some files cannot be used."""
    from anomalygpt.knowledge.store import Knowledge

    knowledge = Knowledge.open(options.knowledge)
    for name, passages in knowledge.files.items():
        products = sorted({each.product for each in passages if each.product})
        most = ", ".join(products[:_MOST_NAMED]) + ", …" * (len(products) > _MOST_NAMED)
        count = f"{len(passages)} passage{'s' * (len(passages) != 1)}"
        print(plain(f"{name}: {count}, {most or 'about products in general'}"))
    for line in knowledge.problems:
        say(line)
    return SOME_FAILED if len(knowledge.problems) > len(knowledge.contradictions) else OK


# Products of one file that are named.
_MOST_NAMED = 6


def _search(options: argparse.Namespace) -> int:
    from anomalygpt.errors import SourceError
    from anomalygpt.files import shown
    from anomalygpt.knowledge.dense import sentence_encoder
    from anomalygpt.knowledge.store import Knowledge, product_like, quoted

    dense = None if options.dense is None else sentence_encoder(options.dense)
    knowledge = Knowledge.open(options.knowledge, dense=dense)
    for line in knowledge.problems:
        say(line)
    if options.product is not None and product_like(options.product, knowledge.products) is None:
        there = ", ".join(knowledge.products[:_MOST_NAMED]) or "none"
        more = ", …" * (len(knowledge.products) > _MOST_NAMED)
        raise SourceError(
            f"nothing tells of the product {shown(options.product)}; there are {there}{more}"
        )
    found = knowledge.search(options.question, product=options.product, limit=options.limit)
    if options.json:
        rows = [
            {
                "text": each.passage.text,
                "excerpt": each.excerpt,
                "product": each.passage.product,
                "kind": each.passage.kind,
                "source": each.passage.source,
                "score": round(each.score, 4),
            }
            for each in found
        ]
        print(json.dumps({"question": options.question, "found": rows}))
    else:
        print(plain(quoted(found), keep_lines=True))
    return OK


def _remove(options: argparse.Namespace) -> int:
    from anomalygpt.files import shown
    from anomalygpt.knowledge.files import remove_files

    for name in remove_files(options.name, options.knowledge):
        print(f"removed: {shown(name)}")
    return OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt knowledge`."""
    parser.description = (
        "What is known about products: a folder of markdown, text, PDF and JSON files, searched "
        "by words. Answers are quotations with their source."
    )
    parts = parser.add_subparsers(dest="knowledge_command", required=True, metavar="SUBCOMMAND")
    added = _part(
        parts,
        "add",
        "copy files into the folder",
        "Copy files, and the files of folders, into the folder of knowledge; each is read first. "
        "Status 0: all were; 1: some were refused, and are named; 2: none could be added.",
    )
    added.add_argument("sources", nargs="+", metavar="SOURCE", help="files, or folders of them")
    added.add_argument("--product", metavar="NAME", help="the product that they are about")
    _part(
        parts,
        "list",
        "name the files, and what is wrong with them",
        "Name each file with its passages and products. Status 1: some files cannot be used, and "
        "are named.",
    )
    searched = _part(
        parts,
        "search",
        "answer a question with quotations",
        "Print the passages that answer a question, word for word, each with its source.",
    )
    searched.add_argument("question", help="in your own words, in quotation marks")
    searched.add_argument("--product", metavar="NAME", help="what the question is about")
    searched.add_argument(
        "--limit", type=positive, default=3, metavar="N", help="passages at most (default 3)"
    )
    searched.add_argument(
        "--dense",
        metavar="MODEL",
        help="also search by meaning with this model of sentence-transformers, a folder or a name "
        "(extra dense)",
    )
    searched.add_argument("--json", action="store_true", help="print one JSON object")
    removed = _part(
        parts,
        "remove",
        "delete a file from the folder",
        "Delete one file, or all files of knowledge in a product's folder; photos stay.",
    )
    removed.add_argument("name", metavar="NAME", help="a file or folder, as `list` names it")


def _part(
    parts: argparse._SubParsersAction[argparse.ArgumentParser], name: str, short: str, whole: str
) -> argparse.ArgumentParser:
    part = parts.add_parser(name, help=short, description=whole)
    part.add_argument("--knowledge", required=True, metavar="DIR", help="the folder of knowledge")
    return part
