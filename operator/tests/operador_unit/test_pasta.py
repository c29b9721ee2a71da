from pathlib import Path


def test_the_folder_operator_is_no_package():
    pasta = Path(__file__).parents[2]
    assert pasta.name == "operator"
    assert not (pasta / "__init__.py").exists(), "it would shadow Python's own operator"
