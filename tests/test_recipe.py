from pathlib import Path

import pytest

from gyrocompass import config
from gyrocompass import recipe as recipes
from gyrocompass.config import PPO, Recipe
from gyrocompass.errors import InputError
from gyrocompass.recipe import build, load

DOCS = Path(__file__).parent.parent / "docs"


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def test_settings_are_laid_over_the_recipe_and_quick_between_them(tmp_path):
    path = write(tmp_path, "ppo: {kl_coef: 0.2, steps: 9}\nquick: {ppo: {steps: 3}}\n")
    assert load(path).ppo.steps == 9
    quick = load(path, ["ppo.learning_rate=1e-5", "seed=4"], quick=True)
    assert (quick.ppo.steps, quick.ppo.kl_coef, quick.ppo.learning_rate, quick.seed) == (3, 0.2, 1e-5, 4)


@pytest.mark.parametrize(
    ("text", "settings", "says"),
    [
        ("ppo: {kl_ceof: 0.1}", [], r"unknown key 'ppo\.kl_ceof'; the nearest one is 'ppo\.kl_coef'"),
        ("", ["ppo.lerning_rate=1"], r"nearest one is 'ppo\.learning_rate'"),
        ("", ["sead=1"], "nearest one is 'seed'"),
        ("ppo: {steps: many}", [], r"ppo\.steps = 'many'"),
        ("ppo: {steps: 0}", [], "greater than 0"),
        ("ppo: 3", [], r"ppo = 3"),
        ("", ["ppo.steps"], "expected KEY=VALUE"),
        ("- a", [], "a recipe is a mapping"),
        ("a: [", [], "not valid YAML"),
    ],
)
def test_what_can_t_be_used_is_one_line_that_names_the_file(tmp_path, text, settings, says):
    with pytest.raises(InputError, match=says) as caught:
        load(write(tmp_path, text), settings)
    assert "\n" not in str(caught.value)
    if not says.startswith("expected"):
        assert "recipe.yaml" in str(caught.value)


def test_a_missing_recipe_names_the_shipped_ones(tmp_path):
    shipped = "the shipped ones are cai, cai_study, emergence, frontier, grids, hacking, rlhf, spectrum, town"
    with pytest.raises(InputError, match=shipped):
        load(tmp_path / "none.yaml")


ROADS = {"town": "rlhf", "spectrum": "cai"}
"""The pipelines of recipes that have another name."""


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", recipes.shipped())
def test_every_shipped_recipe_is_valid(name, quick):
    assert load(recipes.recipe_path(name), quick=quick).pipeline == ROADS.get(name, name)


def test_a_shipped_recipe_is_found_by_name_and_by_path():
    assert load(recipes.recipe_path("recipes/town.yaml")) == load(recipes.recipe_path("town"))


def test_as_yaml_reads_back(tmp_path):
    recipe = build(Recipe, {"ppo": {"kl_target": 6.0}})
    assert load(write(tmp_path, recipes.as_yaml(recipe))) == recipe


def test_the_reference_page_is_up_to_date():
    """Rewrite it with: gyro settings > docs/settings.md"""
    assert (DOCS / "settings.md").read_text() == recipes.reference()


def test_no_stage_has_more_settings_than_a_person_can_hold():
    for kind in (
        config.SFT,
        config.Reward,
        config.Sampling,
        config.Evaluation,
        config.Preferences,
        config.Compute,
    ):
        assert len(kind.model_fields) <= 12, kind
    assert len(PPO.model_fields) <= 17
