"""Names on the hub; the network is never touched."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
from huggingface_hub import errors
from safetensors.torch import save_file

from anomalygpt.checkpoints import hub, resolve
from anomalygpt.errors import SourceError


@pytest.fixture
def unreachable(monkeypatch):
    """A machine without a network that does not know it; the hosts that were looked for."""
    hosts = []

    def getaddrinfo(host, *args, **kwargs):
        hosts.append(host)
        raise socket.gaierror("there is no network")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return hosts


@pytest.fixture
def no_network(unreachable):
    yield
    assert not unreachable, "the network was touched"


@pytest.fixture
def online(monkeypatch, tmp_path):
    """A hub with one repository; downloads only note what was asked for."""
    asked = []

    def model_info(self, repository, timeout=None):
        names = ["config.json", "model.safetensors", "pytorch_model.bin", "sub/w.pth"]
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])

    def download(*args, **options):
        asked.append((args, options))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_existing_paths_are_themselves(tmp_path, no_network):
    file = tmp_path / "w.pth"
    file.touch()
    assert resolve(file, kind="file", what="w") == file
    assert resolve(str(tmp_path), kind="folder", what="w") == tmp_path
    with pytest.raises(SourceError, match="is a folder, expected a file with the weights"):
        resolve(tmp_path, kind="file", what="the weights")
    with pytest.raises(SourceError, match="is a file, expected a folder with w"):
        resolve(file, kind="folder", what="w")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("imagebind_huge.pth", "file"),
        ("./a/b/c.pth", "file"),
        ("/nowhere/a/b.pth", "file"),
        ("~/nowhere/b.pth", "file"),
        ("../a/b/c.pth", "file"),
        ("folder/w.pth", "file"),
        ("C:\\weights\\w.pth", "file"),
        ("vicuna", "folder"),
        ("./models/vicuna", "folder"),
        ("a/b/c", "folder"),
        (Path("/nowhere/vicuna"), "folder"),
    ],
)
def test_missing_local_paths_do_not_go_to_the_network(no_network, source, kind):
    with pytest.raises(SourceError, match="does not exist") as caught:
        resolve(source, kind=kind, what="the weights")
    assert "the weights" in str(caught.value)


def test_a_slip_in_a_local_path_does_not_go_to_the_network(tmp_path, monkeypatch, no_network):
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        resolve("weights/v1/w.pth", kind="file", what="w")


def test_files_and_folders_are_fetched(online, tmp_path):
    assert resolve("org/name/sub/w.pth", kind="file", what="w") == tmp_path
    assert resolve(Path("org/name"), kind="folder", what="w") == tmp_path
    (file_args, _), (folder_args, folder_options) = online
    assert file_args == ("org/name", "sub/w.pth")
    assert folder_args == ("org/name",)
    assert "*.bin" in folder_options["ignore_patterns"]


def test_a_file_that_the_repository_lacks(online):
    with pytest.raises(SourceError, match=r"org/name has no file x\.pth"):
        resolve("org/name/x.pth", kind="file", what="w")
    assert not online


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.GatedRepoError, "closed to this account"),
        (errors.RepositoryNotFoundError, "neither a path org/name on this machine nor"),
    ],
)
def test_closed_and_unknown_names(monkeypatch, online, error, message):
    def model_info(self, repository, timeout=None):
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(SourceError, match=message):
        resolve("org/name", kind="folder", what="Vicuna")


def test_an_interrupted_download_is_explained(monkeypatch, online):
    def broken(*args, **options):
        raise ConnectionError("reset")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", broken)
    with pytest.raises(SourceError, match="could not be downloaded") as caught:
        resolve("org/name/sub/w.pth", kind="file", what="ImageBind")
    assert "put the file w.pth on this machine" in str(caught.value)


SCRIPT = """
from anomalygpt.checkpoints import resolve
from anomalygpt.errors import SourceError
for source, kind in (("org/name/imagebind_huge.pth", "file"), ("org/name", "folder")):
    try:
        resolve(source, kind=kind, what="the ImageBind weights")
    except SourceError as error:
        print(error)
"""


@pytest.mark.parametrize(
    "settings", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}]
)
def test_without_a_network_the_error_is_quick_and_says_what_to_put_where(tmp_path, settings):
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "HF_HOME": str(tmp_path), **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    file, folder = done.stdout.splitlines()
    assert "put the file imagebind_huge.pth on this machine and give its path" in file
    assert "cannot be reached" in file
    assert "org/name is not on this machine" in folder
    # Most of it is the import of torch.
    assert time.monotonic() - started < 30


ENCODER = """
import sys
from anomalygpt.encoders import open_encoder
from anomalygpt.errors import SourceError
try:
    open_encoder(sys.argv[1])
    print("opened")
except SourceError as error:
    print(error)
"""


def _opened(name: str, home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """An encoder by its name in a fresh process, with a hub that is not there."""
    return subprocess.run(
        [sys.executable, "-c", ENCODER, name],
        env={**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9", **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.parametrize("name", ["resnet18", "clip/ViT-B-32:laion2b_s34b_b79k"])
def test_an_encoder_by_name_without_a_network_is_one_quick_line(tmp_path, name):
    """The libraries themselves ask again and again, with a line each time."""
    started = time.monotonic()
    done = _opened(name, tmp_path)
    assert time.monotonic() - started < 40  # it was 51 on an idle machine
    (line,) = done.stdout.splitlines()
    assert "cannot be fetched" in line
    assert "--encoder-weights FILE" in line
    assert "Retry" not in done.stderr
    assert done.stderr == ""


def test_an_encoder_that_was_fetched_before_needs_no_network(tmp_path):
    cached = tmp_path / "hub" / "models--timm--resnet18.a1_in1k"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    snapshot = cached / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    save_file(timm.create_model("resnet18").state_dict(), snapshot / "model.safetensors")
    done = _opened("resnet18", tmp_path)
    assert done.stdout == "opened\n"
    assert "Retry" not in done.stderr


@pytest.mark.usefixtures("without_socks")
@pytest.mark.parametrize("source", ["org/name", "org/name/w.pth"])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch, tmp_path, source):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    def touched(*args, **kwargs):
        raise ImportError("the 'socksio' package is not installed")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", touched)
    kind = "file" if source.endswith(".pth") else "folder"
    with pytest.raises(SourceError, match=r"the proxy socks5://127.0.0.1:9 \(ALL_PROXY\) needs"):
        resolve(source, kind=kind, what="w")


def test_the_setting_of_the_library_comes_back(unreachable):
    seen = []

    def fetch():
        with hub.soon_offline():
            seen.append(huggingface_hub.constants.HF_HUB_OFFLINE)
            raise OSError("inside")

    with pytest.raises(OSError, match="inside"):
        fetch()
    assert seen == [True]
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
