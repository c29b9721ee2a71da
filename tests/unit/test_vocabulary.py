"""One vocabulary: technical words are English, domain words are Portuguese (docs/glossary.md)."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TECHNICAL = frozenset((Path(__file__).parent / "portuguese_technical_words.txt").read_text().split())
"""Portuguese words outside the domain vocabulary, collected from former identifiers."""
PROGRAMS = ("services", "operator", "conferir", "painel")
TREES = (*PROGRAMS, "lib", "contracts", "bench", "local", "client", "demo", "tests", "k8s", "conftest.py")
BASELINE = "bench/baseline/"
"""The transactions that the bench compares with, written before this vocabulary and kept as they are."""
PROSE = (*TREES, "docs", "charts", "gateway", "*.md")
OTHER_CODE = (
    "charts/*.yaml",
    "charts/*.tpl",
    "gateway/*.yaml",
    "gateway/*.lua",
    "k8s/*.yaml",
    "painel/src/*.js",
    "*.sh",
)
NOT_CODE = (":!*/texts.js", ":!k8s/samples")
"""Texts for people, and the data of shops."""
COMMENTS = {".js": r"(?s:/\*.*?\*/)|(?<![:'\"])//[^\n]*", ".lua": r"--[^\n]*"}
"""Comments of languages in which they do not begin with #."""
SHARP_COMMENTS = r"(?<!\S)#[^\n]*|(?s:\{\{-? /\*.*?\*/)"
"""Those of YAML, shells and templates."""
SENTENCES = r"""(["'])[A-Z][^"'{}=\n]* [^"'{}=\n]*\1"""


def words(identifier: str) -> list[str]:
    """The words of a name in snake_case or CamelCase, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)]


def identifiers(source: Path) -> Iterator[str]:
    """The file name, and every name that the code defines or uses."""
    yield source.stem
    for node in ast.walk(ast.parse(source.read_text())):
        for attribute in ("id", "attr", "name", "arg", "asname"):
            name = getattr(node, attribute, None)
            if isinstance(name, str):
                yield name


def sources(tree: str) -> list[Path]:
    """The Python files below a folder; or the file itself."""
    return [ROOT / tree] if tree.endswith(".py") else sorted((ROOT / tree).rglob("*.py"))


@pytest.mark.parametrize("tree", TREES)
def test_technical_words_are_english(tree: str):
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(tree)
        for name in identifiers(path)
        if TECHNICAL.intersection(words(name))
    }
    assert not found, "\n".join(sorted(found))


def tracked(*patterns: str) -> list[str]:
    """The files in git that match one of the patterns; all without patterns."""
    command = ["git", "ls-files", "--", *patterns]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_file_names_are_english():
    named = [file for file in tracked() if not file.startswith(BASELINE) and not file.endswith("/agora.sql")]
    assert not [file for file in named if TECHNICAL.intersection(words(file.replace("/", " ")))]


def columns_and_tables() -> set[str]:
    """The names of tables, views and their columns in both databases."""
    schemas = [(ROOT / "services" / service / "db/schema.sql").read_text() for service in ("estoque", "pedidos")]
    found = set[str]()
    for schema in schemas:
        for table, body in re.findall(r"^CREATE TABLE public\.(\w+) \((.*?)^\)", schema, re.MULTILINE | re.DOTALL):
            found |= {table, *re.findall(r"^    ([a-z]\w*) ", body, re.MULTILINE)}
        for view, body in re.findall(r"^CREATE VIEW public\.(\w+) AS(.*?);", schema, re.MULTILINE | re.DOTALL):
            found |= {view, *re.findall(r" AS (\w+)", body)}
    return found


def names_in_sql(statement: str) -> set[str]:
    """The lower-case identifiers of a statement, without its comments and string literals."""
    code = re.sub(r"--[^\n]*|'[^']*'", " ", statement)
    return set(re.findall(r"[a-z_][a-z0-9_]*", code))


def test_names_in_sql_are_english():
    domain = columns_and_tables() | {"agora"}
    columns = set(words(" ".join(domain)))
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in [path for tree in TREES for path in (ROOT / tree).rglob("*.sql")]
        if not path.relative_to(ROOT).as_posix().startswith(BASELINE)
        for name in names_in_sql(path.read_text()) - domain
        if TECHNICAL.intersection(words(name)) - columns
    }
    assert not found, "\n".join(sorted(found))


def test_a_portuguese_name_in_sql_is_found():
    assert names_in_sql("select lugar from visto -- quantos\nwhere status = 'tarde'") >= {"lugar", "visto"}
    assert not names_in_sql("select lugar -- quantos\nwhere status = 'tarde'") & {"quantos", "tarde"}
    assert {"pedido", "expira_em", "disponivel", "transacao"} <= columns_and_tables()


def glossary() -> set[str]:
    """The words that the glossary explains: those in the first column of its tables."""
    rows = (ROOT / "docs/glossary.md").read_text().splitlines()
    return {word for row in rows if row.startswith("|") for word in words(row.split("|")[1])}


def names_in_code(code: str, suffix: str) -> set[str]:
    """The names in a YAML file, template, script or program, without its comments and quoted sentences."""
    code = re.sub(COMMENTS.get(suffix, SHARP_COMMENTS), " ", code)
    return set(re.findall(r"[A-Za-z_][\w-]*", re.sub(SENTENCES, " ", code)))


def test_names_in_manifests_scripts_and_the_page_are_english():
    domain = glossary() | set(words(" ".join(columns_and_tables()))) | {"agora"}
    files = [ROOT / file for file in tracked(*OTHER_CODE, *NOT_CODE)]
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        if path.is_file() and not path.is_symlink()
        for name in names_in_code(path.read_text(), path.suffix)
        if TECHNICAL.intersection(words(name)) - domain
    }
    assert not found, "\n".join(sorted(found))


def test_a_portuguese_name_in_a_manifest_a_script_or_the_page_is_found():
    yaml = "{{- /* lugar */}}\nname: pedido-teste # fila\nargs: [--mais, 'Uma frase']"
    assert names_in_code(yaml, ".yaml") >= {"name", "pedido-teste", "mais"}
    assert not names_in_code(yaml, ".yaml") & {"lugar", "fila", "frase"}
    javascript = "/** fila */\nconst lugar = 'https://loja/mais' // todas\nconst vagas = 'Uma frase'"
    assert names_in_code(javascript, ".js") >= {"lugar", "mais", "vagas"}
    assert not names_in_code(javascript, ".js") & {"fila", "todas", "frase"}
    assert names_in_code("local lugar = 1 -- fila", ".lua") == {"local", "lugar"}
    assert names_in_code("lugar=${fila#x} # mais", ".sh") == {"lugar", "fila", "x"}
    assert TECHNICAL.intersection(words("pedido-teste")) - glossary()
    assert {"pedido", "expira", "problemas", "sistema"} <= glossary()


def test_a_portuguese_technical_word_is_found():
    assert TECHNICAL.intersection(words("_ler_itens"))
    assert TECHNICAL.intersection(words("FilaDeTrabalho"))
    assert not TECHNICAL.intersection(words("PedidoCriado"))


@pytest.mark.parametrize(
    "words", ["anew", "to be had", "such a one", "there are not", "be had", "whoever", "all the same"]
)
def test_sentences_use_modern_english(words: str):
    found = subprocess.run(
        [
            "git",
            "grep",
            "--line-number",
            "--word-regexp",
            "--fixed-strings",
            words,
            "--",
            *PROSE,
            f":!{Path(__file__).relative_to(ROOT)}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1, found.stdout or found.stderr
