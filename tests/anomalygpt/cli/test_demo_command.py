"""What `anomalygpt demo` does before the page opens."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "nonsense://x"])
def test_a_proxy_for_downloads_does_not_keep_the_page_from_opening(proxy: str) -> None:
    """Gradio fails at import on a proxy it cannot use; here the model is missed only after that."""
    script = (
        "import sys\n"
        "sys.modules['socksio'] = None\n"
        "from anomalygpt.cli import main\n"
        "sys.exit(main(['demo', '--model', './nothing', '--port', '0']))\n"
    )
    usual = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**usual, "ALL_PROXY": proxy},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "nothing does not exist; give the folder with an assistant on this machine" in line
    assert done.stdout.startswith("Loading ")


def test_wrong_options_are_told_before_anything_is_loaded(capsys) -> None:
    from anomalygpt.cli import main

    assert main(["demo", "--port", "70000"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--port is a number from 0 to 65535" in err
