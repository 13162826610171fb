"""`anomalygpt data draw`: masks by hand, in a browser."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli.shared import add_formulation, add_model_options, add_part_options
from anomalygpt.cli.status import OK, say
from anomalygpt.cli.tooling import Parts, tool
from anomalygpt.errors import ConfigError
from anomalygpt.proxies import without_proxies

if TYPE_CHECKING:
    import numpy as np

    from anomalygpt.data.tools.drawing import Propose

PORT = 7861


def add_draw(parts: Parts) -> None:
    """`draw`, as a subcommand of `anomalygpt data`."""
    parser = tool(
        parts,
        "draw",
        "draw masks by hand, in a browser",
        "Serve a page on which masks are drawn over photos, until Ctrl-C. Every stroke is kept as "
        "a draft; Save writes a PNG of 0 and 255 in the photo's size where the readers of data "
        "sets find it, such as ground_truth/KIND/NAME_mask.png.",
        _draw,
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="a data set with test/KIND, one of its products or kinds, a folder with bad photos, "
        "or photos alone (then ground_truth beside them)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0: any free one")
    parser.add_argument(
        "--open", action="store_true", help="open the page in this desktop's browser"
    )
    parser.add_argument(
        "--from-map",
        action="store_true",
        help="begin with the regions of the model's map where a photo has no mask; compared with "
        "the photos of --reference",
    )
    add_part_options(parser)
    add_formulation(add_model_options(parser))


def _draw(options: argparse.Namespace) -> int:
    if not 0 <= options.port <= 65535:
        raise ConfigError(f"--port is a number from 0 to 65535, got {options.port}")
    if options.reference and not options.from_map:
        raise ConfigError("--reference is for the model's map; add --from-map, or leave it out")
    from anomalygpt.data.tools.drawing import Drawing

    drawing = Drawing(options.folder)
    if options.from_map:
        photos = [canvas.photo for canvas in drawing.canvases]
        drawing = Drawing(options.folder, _proposing(options, photos))
    with without_proxies():  # the page is this machine's own
        from anomalygpt.serving.drawing.server import DrawingServer
        from anomalygpt.serving.listening import OWN_HOSTS
    server = DrawingServer(drawing, options.host, options.port)
    if options.host not in OWN_HOSTS:
        say(f"{options.host} is reached by others: whoever has the address can draw, unencrypted")
    states = drawing.states()
    print(
        f"{len(states)} photos, {states.count('saved')} with a mask, {states.count('draft')} with "
        "a draft",
        flush=True,
    )

    def ready(address: str) -> None:
        print(f"Open {address} in a browser; Ctrl-C ends", flush=True)
        if options.open:
            import webbrowser

            webbrowser.open(address)

    with suppress(KeyboardInterrupt):  # the usual end of a server
        server.run(ready)
    left = drawing.states().count("draft")
    if left:
        print(f"{left} drafts are not saved; `anomalygpt data draw` finds them again", flush=True)
    return OK


def _proposing(options: argparse.Namespace, photos: Sequence[Path]) -> Propose:
    """Loads the model and reads the references; deep photos are read as deep as they."""
    import numpy as np

    from anomalygpt.cli.assistant import assistant_of, reference_paths, remember
    from anomalygpt.images.reading import common_bit_depth
    from anomalygpt.results.shapes import region_masks

    good = reference_paths(options)
    assistant = assistant_of(options, needs_words=False)
    depth = options.bit_depth or common_bit_depth([*good, *photos])
    bank = remember(assistant, good, options, depth)

    def propose(photo: Path) -> np.ndarray:
        found = assistant.inspect(
            photo,
            bank,
            description=options.description,
            category=options.category,
            map_only=True,
            bit_depth=depth,
            formulation=options.formulation,
        )
        marked = np.zeros(found.image_size, dtype=bool)
        for mask in region_masks(found, found.image_size):
            marked |= mask
        return marked

    return propose
