from pathlib import Path


def test_the_folder_operator_is_not_a_package():
    folder = Path(__file__).parents[2]
    assert folder.name == "operator"
    assert not (folder / "__init__.py").exists(), "it would shadow Python's own operator"
