"""A run of attacks over a tiny data set: what it writes, and going on after Ctrl-C."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT, ConfigError, OutputError
from anomalygpt.evaluation.robustness.attacks import AttackSettings
from anomalygpt.evaluation.robustness.run import PROGRESS, attack
from anomalygpt.evaluation.settings import EvaluationSettings

ATTACKS = AttackSettings(("fgsm", "pgd"), (0, 8, 32), photos=4, steps=3)


def settings(data: Path, **changes: Any) -> EvaluationSettings:
    return EvaluationSettings(str(data), **{"seeds": (0,), **changes})


@pytest.fixture(scope="module")
def ran(assistant: AnomalyGPT, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("attacks") / "out"
    return attack(assistant, settings(tree), ATTACKS, folder), folder


def test_every_photo_is_attacked_in_every_way(ran: Any) -> None:
    results, folder = ran
    assert len(results["photos"]) == 2 * 4 * (1 + 2 * 3)
    assert {row["category"] for row in results["figures"]} == {"disc", "ring", "all"}
    assert json.loads((folder / "attack.json").read_text())["figures"] == results["figures"]
    assert not (folder / PROGRESS).exists()


def test_nothing_changes_at_zero_and_epsilon_is_kept(ran: Any) -> None:
    for each in ran[0]["photos"]:
        assert each["linf"] <= each["epsilon"] + 1e-3
        if each["epsilon"] == 0:
            assert (each["linf"], each["l2"], each["said"]) == (0.0, 0.0, each["said_clean"])


def test_attacks_make_the_true_verdict_less_likely(ran: Any) -> None:
    def sureness(attack_name: str, epsilon: int) -> np.ndarray:
        mine = [
            each
            for each in ran[0]["photos"]
            if (each["attack"], each["epsilon"]) == (attack_name, epsilon)
        ]
        return np.array([e["margin"] if e["is_anomalous"] else -e["margin"] for e in mine])

    clean = sureness("none", 0)
    for name in ATTACKS.attacks:
        lost = clean - sureness(name, 8)
        assert lost.mean() > 0
        assert (lost > 0).mean() > 0.7
    assert sureness("pgd", 8).mean() <= sureness("fgsm", 8).mean() + 0.1


def test_pictures_show_turned_verdicts(ran: Any) -> None:
    results, folder = ran
    assert results["pictures"]
    for each in results["pictures"]:
        assert each["said"] != each["is_anomalous"] == each["said_clean"]
        with Image.open(folder / each["picture"]) as picture:
            assert picture.size[0] == 4 * 256
    page = (folder / "attack.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == len(results["pictures"])
    assert 'src="http' not in page


def test_an_interrupted_run_goes_on_to_the_same_figures(
    assistant: AnomalyGPT, tree: Path, tmp_path: Path, ran: Any
) -> None:
    looked = 0

    def interrupt(*_: Any) -> None:
        nonlocal looked
        looked += 1
        if looked == 60:
            os.kill(os.getpid(), signal.SIGINT)

    handle = assistant.encoder.register_forward_hook(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            attack(assistant, settings(tree), ATTACKS, tmp_path / "out")
    finally:
        handle.remove()
    kept = json.loads((tmp_path / "out" / PROGRESS).read_text())["records"]
    assert 0 < len(kept) < len(ran[0]["photos"])
    again = attack(assistant, settings(tree), ATTACKS, tmp_path / "out")
    assert again["photos"] == ran[0]["photos"]


def test_a_complete_run_is_not_repeated_and_another_refused(
    assistant: AnomalyGPT, tree: Path, ran: Any, encoded: list[int]
) -> None:
    results, folder = ran
    again = attack(assistant, settings(tree), ATTACKS, folder)
    assert again["figures"] == results["figures"]
    assert encoded == []
    with pytest.raises(OutputError, match="another run of attacks"):
        attack(assistant, settings(tree), AttackSettings(), folder)


def test_the_threshold_of_an_encoder_alone_is_attacked(
    encoder_alone: AnomalyGPT, tree: Path, tmp_path: Path
) -> None:
    wanted = AttackSettings(("fgsm",), (4,), photos=2, pictures=0)
    results = attack(encoder_alone, settings(tree, categories=("ring",)), wanted, tmp_path / "out")
    assert results["verdict"] == "threshold"
    assert {each["probability"] for each in results["photos"]} == {None}
    before, after = (
        {e["image"]: e["score"] for e in results["photos"] if e["attack"] == name}
        for name in ("none", "fgsm")
    )
    bad = {e["image"]: e["is_anomalous"] for e in results["photos"]}
    assert all((after[name] < before[name]) == bad[name] for name in before)


@pytest.mark.parametrize(
    "changes",
    [{"no_decoder": True}, {"detail": 2}, {"limit": 3}, {"verdicts": ("language", "threshold")}],
)
def test_settings_that_attacks_do_not_have(
    assistant: AnomalyGPT, tree: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"attacks|attack-photos"):
        attack(assistant, settings(tree, **changes), ATTACKS, tmp_path / "out")
