import pytest

from benchmarks.candidates import Clicked, lines, summary


def clicked(diameter: float, true: tuple[float, ...], predicted: tuple[float, ...]) -> Clicked:
    return Clicked("plane", 1, diameter, true, predicted, predicted.index(max(predicted)))


def test_ranking_loses_what_lies_between_the_chosen_and_the_best_candidate():
    some = [clicked(10, (0.8, 0.5, 0.1), (0.5, 0.7, 0.2)), clicked(30, (0.9, 0.2, 0.1), (0.8, 0.3, 0.2))]
    means = summary(some)
    assert means["chosen"] == pytest.approx(0.7)
    assert means["oracle"] == pytest.approx(0.85)
    assert means["bias"] == pytest.approx(0.05)
    assert means["error"] == pytest.approx(((0.2**2 + 0.1**2) / 2) ** 0.5)
    report = list(lines(some))
    assert sum("px" in line for line in report) == 2
    assert any("0.8 to 1.0: true 0.900 (1 candidates)" in line for line in report)
