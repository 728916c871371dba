import json

import pytest

from training import judge
from training.config import ReleaseConfig

RULE = ReleaseConfig(known=["old"], gain=0.01, loss=0.005)


def scores(**each: float) -> dict[str, dict[str, float]]:
    return {
        name: {"click_1": value, "click_3": value, "box": value, "oracle": 0.0, "hurt": 0.0}
        for name, value in each.items()
    }


def test_a_score_is_the_mean_of_three_measures_and_then_of_sets():
    found = {"a": {"click_1": 0.3, "click_3": 0.6, "box": 0.9, "oracle": 0.1, "hurt": 0.2}, **scores(b=0.8)}
    assert judge.mean_score(found) == pytest.approx(0.7)
    assert judge.mean_score(found, ["a"]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("old", "new", "released"),
    [(0.8, 0.53, True), (0.796, 0.53, True), (0.794, 0.6, False), (0.8, 0.51, False), (0.85, 0.5, True)],
    ids=["gains", "loses little", "loses too much of what was known", "gains too little", "gains on what was known"],
)
def test_what_gains_enough_and_loses_little_is_released(old, new, released):
    assert judge.verdict(scores(old=0.8, new=0.5), {"candidate": scores(old=old, new=new)}, RULE) == (
        "candidate",
        released,
    )


@pytest.mark.parametrize(("kind", "released"), [(0.53, True), (0.51, False)])
def test_generated_kinds_must_gain_by_themselves_and_count_for_nothing_else(kind, released):
    rule = ReleaseConfig(known=["old"], gain=0.0, loss=0.0, generated=["drawn"], generated_gain=0.02)
    before, after = scores(old=0.8, drawn=0.5), scores(old=0.8, drawn=kind)
    assert judge.verdict(before, {"candidate": after}, rule) == ("candidate", released)


def test_only_the_best_candidate_may_be_released():
    # The best one loses too much on known sets: the other does not take its place.
    candidates = {"bold": scores(old=0.7, new=0.9), "careful": scores(old=0.8, new=0.6)}
    assert judge.verdict(scores(old=0.8, new=0.5), candidates, RULE) == ("bold", False)


def test_scores_are_kept_and_not_measured_again(tmp_path, monkeypatch, capsys):
    measured = []

    def score(file, config, data):
        measured.append((file.name, config.release.gain))
        return scores(old=0.8, new=0.5 if file.name == "before" else 0.6)

    monkeypatch.setattr(judge, "score", score)
    config = tmp_path / "run.toml"
    config.write_text('[release]\nknown = ["old"]\ngain = 0.02\n')
    arguments = ["--config", str(config), "--data", str(tmp_path), "--scores", str(tmp_path / "scores.json")]
    judge.main([*arguments, str(tmp_path / "before")])
    assert "released" not in capsys.readouterr().out
    judge.main([*arguments, str(tmp_path / "before"), str(tmp_path / "after")])
    assert measured == [("before", 0.02), ("after", 0.02)]
    assert capsys.readouterr().out.splitlines()[-1] == "after: released"
    assert set(json.loads((tmp_path / "scores.json").read_text())) == {"before", "after"}
