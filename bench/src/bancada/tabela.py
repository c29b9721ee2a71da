"""The table of a run. Pure."""

from collections.abc import Sequence
from typing import Any

from bancada.estatistica import razoes, resumir

_CABECALHO = ("scenario", "orders/s", "minimum", "over baseline", "minimum", "p50 ms", "p99 ms", "rounds")


def tabela(medidas: Sequence[dict[str, Any]]) -> str:
    """One row a scenario, in Markdown: medians over the rounds, and minima where more is better."""
    nomes = list(dict.fromkeys(medida["cenario"] for medida in medidas))
    linhas = [_linha(nome, [medida for medida in medidas if medida["cenario"] == nome]) for nome in nomes]
    return em_markdown([_CABECALHO, *linhas])


def _linha(nome: str, medidas: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    taxas = resumir([medida["por_segundo"] for medida in medidas])
    sobre = ("", "")
    if "baseline" in medidas[0]:
        bases = [medida["baseline"]["por_segundo"] for medida in medidas]
        razao = resumir(razoes([medida["por_segundo"] for medida in medidas], bases))
        sobre = (f"{razao.mediana:.2f}", f"{razao.minimo:.2f}")
    latencias = ("", "")
    if "cliente" in medidas[0]:
        p50, p99 = (resumir([medida["cliente"][qual] for medida in medidas]).mediana for qual in ("p50", "p99"))
        latencias = (f"{p50:.1f}", f"{p99:.1f}")
    return (nome, f"{taxas.mediana:,.0f}", f"{taxas.minimo:,.0f}", *sobre, *latencias, str(taxas.rodadas))


def em_markdown(linhas: Sequence[Sequence[str]]) -> str:
    """The first row is the heading; the first column is text, the others are numbers."""
    larguras = [max(len(celula) for celula in coluna) for coluna in zip(*linhas, strict=True)]
    textos = [
        "| "
        + " | ".join(c.rjust(w) if n else c.ljust(w) for n, (c, w) in enumerate(zip(linha, larguras, strict=True)))
        + " |"
        for linha in linhas
    ]
    regua = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for n, w in enumerate(larguras)) + "|"
    return "\n".join([textos[0], regua, *textos[1:]])
