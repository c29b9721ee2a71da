"""The command line without a system: arguments, languages, exit codes, the panel's figures."""

import base64
import json
import os
import re
import socket
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import click
import pytest
import scripted
from http_here import serving
from rich.console import ConsoleDimensions

from reserva import errors
from reserva.cli import app, exit_codes, language
from reserva.cli.exit_codes import ExitCode
from reserva.cli.language import Texts
from reserva.cli.output import Output
from reserva.cli.params import with_wait_number
from reserva.cli.screen import bar, left
from reserva.cli.settings import new_settings, subject
from reserva.cli.stock import table as balances_table
from reserva.cli.terminal import Terminal
from reserva.cli.texts import TEXTS
from reserva.types import Saldo

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "client/src/reserva/cli").glob("*.py"))
COMMANDS = ["pedir", "fechar", "cancelar", "renovar", "pedido", "pedidos", "seguir", "estoque", "status", "cartas"]
COMMANDS += ["conferir", "completar"]
ORDER = "019ab3f2-7c00-7000-8000-0000000000a1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "TOKEN_FILE", "CLIENTE"):
        monkeypatch.delenv(f"RESERVA_{name}", raising=False)
    monkeypatch.delenv("AMQP_URL", raising=False)
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        code = app.run(words)
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


# Words


@pytest.mark.parametrize(
    ("words", "portuguese", "english"),
    [
        ("pedir CAFE", "'CAFE': escreva SKU=QUANTIDADE", "'CAFE': write SKU=QUANTITY"),
        ("pedir CAFE=0", "de 1 a 1000000", "from 1 to 1000000"),
        ("pedir CAFE=1000001", "de 1 a 1000000", "from 1 to 1000000"),
        ("pedir CAFE=-1", "de 1 a 1000000", "from 1 to 1000000"),
        ("pedir -CAFE=1", "a opção -C não existe", "there is no option -C"),
        ("pedir CAF\u00c9=1", "um SKU tem de 1 a 64", "a SKU has 1 to 64"),
        ("pedir A=1", "falta o cliente", "no customer"),
        ("pedir", "falta SKU=N", "SKU=N is missing"),
        ("pedir A=1 --esperar=31", "de 1 a 30", "from 1 to 30"),
        ("pedir A=1 --esperar=x", "de 1 a 30", "from 1 to 30"),
        ("pedir A=1 --prazo 0", "a partir de 1", "of 1 or more"),
        ("pedir A=1 --clinte ana", "seria --cliente?", "did you mean --cliente?"),
        ("pedir A=1 --cliente", "--cliente requer um valor", "--cliente needs a value"),
        ("pedir A=1 --json=1", "--json não aceita valor", "--json takes no value"),
        ("pedri A=1", "seria pedir?", "did you mean pedir?"),
        ("fechar 7", "'7' não é o id de um pedido", "'7' is not the id of an order"),
        (f"seguir {ORDER} {ORDER}", "argumentos demais", "too many arguments"),
        ("seguir", "falta o pedido ou o cliente", "no order or customer"),
        ("pedidos --todos --status Aberto", "um destes: Criado, EstoqueReservado", "one of Criado, EstoqueReservado"),
        ("estoque --url localhost:8080", "escreva http://HOST:PORTA", "write http://HOST:PORT"),
        ("estoque --url http://h:99999", "escreva http://HOST:PORTA", "write http://HOST:PORT"),
        ("estoque --url http://h:x", "escreva http://HOST:PORTA", "write http://HOST:PORT"),
        ("estoque --url http://x..y", "escreva http://HOST:PORTA", "write http://HOST:PORT"),
        ("pedir A=1 --cliente ana --chave \u00e7", "de 1 a 128 caracteres ASCII", "1 to 128 printable ASCII"),
        ("estoque \udcff", "não é texto em UTF-8", "is not UTF-8 text"),
        (
            "estoque --arquivo-do-token /nonexistent",
            "não foi possível ler /nonexistent",
            "/nonexistent cannot be read",
        ),
        ("completar tcsh", "um destes: bash, zsh, fish", "one of bash, zsh, fish"),
        ("cartas replay x", "precisa de AMQP_URL", "needs AMQP_URL"),
    ],
)
def test_bad_input_is_reported_in_both_languages(run: Run, words: str, portuguese: str, english: str):
    for name, sentence in (("pt", portuguese), ("en", english)):
        code, out, err = run("--idioma", name, *words.split())
        assert (code, out) == (ExitCode.USAGE, "")
        assert sentence in err
        assert err.startswith({"pt": "erro: ", "en": "error: "}[name])
        assert "--help" in err
        assert "Traceback" not in err


@pytest.mark.parametrize("name", ["pt", "en"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_every_command(run: Run, command: str, name: str):
    code, out, err = run(*command.split(), "--help", "--idioma", name)
    heading = {"pt": "Uso: reserva", "en": "Usage: reserva"}[name]
    assert (code, err) == (0, "")
    assert out.startswith(f"{heading} {command}".rstrip())
    foreign = {"pt": r"\b(the|Show|order|COMMAND)\b", "en": r"\b(uma?|pedidos são|Opções|Mostra)\b"}[name]
    assert not re.search(foreign, out), out
    assert "RESERVA_URL" in out
    if not command:
        assert all(re.search(rf"^  {one} ", out, re.M) for one in COMMANDS)


def test_without_arguments_it_shows_the_help(run: Run):
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Comandos" in err


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("A=1 --esperar", "A=1 --esperar=5"),
        ("--esperar A=1", "--esperar=5 A=1"),
        ("--esperar 7 A=1", "--esperar=7 A=1"),
        ("--esperar=7 A=1", "--esperar=7 A=1"),
        ("-- --esperar", "-- --esperar"),
    ],
)
def test_waiting_without_a_number_takes_the_default(words: str, read: str):
    assert with_wait_number(words.split()) == read.split()


# Languages


@pytest.mark.parametrize(
    ("argv", "environ", "chosen"),
    [
        ("", {}, "en"),
        ("", {"LANG": "pt_BR.UTF-8"}, "pt"),
        ("", {"LANG": "pt_BR.UTF-8", "LC_ALL": "C"}, "en"),
        ("", {"LANG": "en_US", "LC_MESSAGES": "pt_PT"}, "pt"),
        ("estoque --idioma en", {"LANG": "pt_BR"}, "en"),
        ("estoque --idioma=pt", {}, "pt"),
        ("estoque --idioma xx", {"LANG": "pt"}, "pt"),
    ],
)
def test_the_language_is_the_requested_one_or_the_locales(argv: str, environ: dict[str, str], chosen: str):
    assert language.choose(argv.split(), environ) == chosen


def test_every_text_has_both_languages_with_the_same_placeholders():
    for key, (portuguese, english) in TEXTS.items():
        places = [
            sorted(filter(None, (f for _, f, _, _ in string.Formatter().parse(t)))) for t in (portuguese, english)
        ]
        assert places[0] == places[1], key


def test_every_text_is_used_and_every_used_text_exists():
    source = "".join(path.read_text() for path in SOURCES if path.name != "texts.py")
    used = set(re.findall(r"""["']([a-z]+(?:\.[A-Za-z_]+)?)["']""", source))
    families = ("motivo.", "column.")
    unused = {key for key in TEXTS if key not in used and not key.startswith(families) and not key.endswith(".help")}
    assert unused == set()
    called = set(re.findall(r'(?:text|refuse|Error)\(\s*(?:self\.text\(\s*)?"([a-z]+\.[a-z_.]+)"', source))
    assert called - TEXTS.keys() == set()
    assert {f"{one}.help" for one in COMMANDS} <= TEXTS.keys()


def test_the_customer_is_the_tokens_unless_another_is_named(monkeypatch: pytest.MonkeyPatch):
    payload = base64.urlsafe_b64encode(b'{"sub": "ana"}').decode().rstrip("=")
    assert subject(f"x.{payload}.y") == "ana"
    for other in (None, "", "opaque", "a.b.c", f"x.{base64.urlsafe_b64encode(b'[1]').decode()}.y", "x.é.y"):
        assert subject(other) is None
    monkeypatch.setenv("RESERVA_TOKEN", f"x.{payload}.y")
    assert new_settings(Texts("en"), os.environ).named_customer() == "ana"
    monkeypatch.setenv("RESERVA_CLIENTE", "bia")
    assert new_settings(Texts("en"), os.environ).named_customer() == "bia"


# Exit codes


def test_exit_codes_are_documented():
    table = (ROOT / "docs/client.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)] == [code.value for code in ExitCode]


def test_every_error_has_an_exit_code():
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.ProblemError) and kind is not errors.ProblemError:
            error = kind(errors.Answer(400), {})
            assert (exit_codes.of_error(error) == ExitCode.SERVER_ERROR) == (kind is errors.ServerError), name


def test_an_unreachable_gateway_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESERVA_URL", "http://127.0.0.1:1/")
    code, out, err = run("estoque", "--prazo", "1", "--tabela")
    assert (code, out) == (ExitCode.UNREACHABLE, "")
    assert err.startswith("erro: http://127.0.0.1:1 não responde")
    assert "make up" in err
    code, _, err = run("estoque", "--prazo", "1")
    assert "cannot be reached" in json.loads(err)["detail"]
    _, _, err = run("estoque", "--prazo", "1", "-v")
    assert "again in" in err, "-v reports attempts"


# The panel


STATE = {
    "em": "2026-11-26T12:00:00Z",
    "partes": [
        {"nome": "pedidos", "replicas": [{"nome": "pedidos-1", "ativa": True}, {"nome": "pedidos-2", "ativa": True}]},
        {"nome": "operator", "replicas": [{"nome": "operator", "ativa": None}]},
    ],
    "pedidosPorSegundo": 12.5,
    "decisao": {"p50": 0.04, "p99": 0.2},
    "outbox": {"pedidos": {"profundidade": 3, "idade": 0.5}, "estoque": None},
    "cartas": {"estoque.pedidos": 2, "pedidos.status": 0},
    "reservasPorVencer": None,
    "conferencia": {"violacoes": 0, "ultima": "2026-11-26T12:00:00Z"},
    "novo": {"x": 1},
}


@contextmanager
def panel(status: int, body: object, balances: object = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/painel/sistema"
            content = json.dumps(body if there else balances or {"itens": [], "proximo": None}).encode()
            self.send_response(status if there else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serving(Handler) as url:
        yield url


def test_the_panels_figures_are_shown(run: Run):
    with panel(200, STATE) as url:
        code, out, _ = run("status", "--url", url, "--tabela")
        assert code == 0
        for shown in ("pedidos-1", "no ar", "não se sabe", "12.5", "0.04 s, 0.2 s", "3, 0.5 s", "violações"):
            assert shown in out
        assert json.loads(run("status", "--url", url)[1])["pedidosPorSegundo"] == 12.5
        code, out, _ = run("cartas", "--url", url, "--tabela")
        assert code == 0
        assert re.search(r"estoque\.pedidos +2", out)
        code, out, _ = run("conferir", "--url", url, "--tabela")
        assert (code, "nenhuma violação" in out) == (0, True)


def test_a_part_that_is_down_and_violations_exit_with_check_failed(run: Run):
    down = {**STATE, "partes": [{"nome": "estoque", "replicas": [{"nome": "estoque-1", "ativa": False}]}]}
    with panel(200, {**down, "conferencia": {"violacoes": 2, "ultima": None}}) as url:
        code, out, _ = run("status", "--url", url, "--tabela")
        assert (code, "parada" in out) == (ExitCode.CHECK_FAILED, True)
        code, out, _ = run("conferir", "--url", url, "--tabela")
        assert (code, "2 violações" in out) == (ExitCode.CHECK_FAILED, True)


@pytest.mark.parametrize(
    ("status", "body", "codes"),
    [
        (404, {"detail": "none"}, (0, ExitCode.UNKNOWN, ExitCode.UNKNOWN)),
        (403, {"detail": "pedidos:admin"}, (0, ExitCode.UNKNOWN, ExitCode.UNKNOWN)),
        (401, {"detail": "who?"}, (ExitCode.UNAUTHENTICATED,) * 3),
        (200, {}, (ExitCode.UNKNOWN,) * 3),
    ],
)
def test_unknown_figures_are_reported_as_unknown(run: Run, status: int, body: object, codes: tuple[int, ...]):
    with panel(status, body) as url:
        for command, code in zip(("status", "cartas", "conferir"), codes, strict=True):
            found, out, err = run(command, "--url", url, "--tabela", "--prazo", "1")
            assert found == code, (command, out, err)
            if code == ExitCode.UNKNOWN and command != "status":
                assert "Não se sabe" in err


# What is drawn


def test_a_bar_shows_even_the_smallest_share():
    assert len(bar(Saldo("A", "A", 10_000, 1, 1, 9_998))) == 24
    assert bar(Saldo("A", "A", 0, 0, 0, 0)).plain == "·" * 24
    assert [span.style for span in bar(Saldo("A", "A", 3, 1, 1, 1)).spans] == ["green", "yellow", "cyan"]


def test_the_remaining_time_is_formatted():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert left(now + timedelta(seconds=1799), now) == "29:59"
    assert left(now + timedelta(hours=2), now) == "2:00:00"
    assert (left(now - timedelta(seconds=9), now), left(None, now)) == ("0:00", "")


# Completion


def test_words_are_completed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def words(*typed: str) -> list[str]:
        app.complete_for_kubectl(typed)
        *found, directive = capsys.readouterr().out.splitlines()
        assert directive == ":4"
        return [one.partition("\t")[0] for one in found]

    assert words("") == sorted(COMMANDS)
    assert words("pe") == ["pedido", "pedidos", "pedir"]
    assert "--esperar" in words("pedir", "--e")
    assert words("completar", "") == ["bash", "zsh", "fish"]
    monkeypatch.setenv("RESERVA_URL", "http://127.0.0.1:1")
    assert words("estoque", "") == [], "without a gateway it completes no SKUs, and reports no error"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(run: Run, shell: str, monkeypatch: pytest.MonkeyPatch):
    if shell == "bash":
        monkeypatch.setattr(click.shell_completion.BashComplete, "_check_version", staticmethod(lambda: None))
    code, out, _ = run("completar", shell)
    assert code == 0
    assert f"_RESERVA_COMPLETE={shell}_complete" in out


def test_the_help_shows_the_name_of_the_program(run: Run, capfd: pytest.CaptureFixture[str]):
    assert app.run(["--help"], "kubectl reserva") == 0
    assert capfd.readouterr().out.startswith("Uso: kubectl reserva ")
    assert Texts("en")("usage") == "Usage:"


@pytest.mark.parametrize("words", ["completar bash", "--help", "pedir --help"])
def test_a_closed_pipe_is_not_an_error(words: str):
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "reserva", *words.split()]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# Text of others


@contextmanager
def stock(*names: str) -> Iterator[str]:
    balances = [{"sku": f"S{i}", "nome": name, **SALDO} for i, name in enumerate(names)]
    with panel(200, {}, {"itens": balances, "proximo": None}) as url:
        yield url


SALDO = {"quantidade": 5, "reservado": 1, "vendido": 1, "disponivel": 3}


def test_names_are_shown_as_they_are(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    names = ("Cabo [usb] :smile:", "[/b]", "[link=http://x]y[/link]", "Cal\u00e7a \u0645\u0644\u0627")
    with stock(*names) as url:
        code, out, _ = run("estoque", "--tabela", "--url", url)
    assert code == 0
    for name in names:
        assert name in out


@pytest.mark.parametrize("form", ["--tabela", "--json"])
def test_names_cannot_inject_terminal_control_sequences(run: Run, form: str):
    controls = "\0\a\b\r\x1b[2J\x1b]0;title\a\x7f\x9b31m\u2028\u202e\u2066\u200f"
    with stock(f"a{controls}b") as url:
        code, out, _ = run("estoque", form, "--url", url)
        assert code == 0
        assert not set(controls) & set(out) - set("[2J]0;title31m")
        if form == "--json":
            assert json.loads(out)["nome"] == f"a{controls}b", "JSON keeps all characters, escaped"
    with panel(422, {"detail": f"a{controls}b"}) as url:
        code, _, err = run("conferir", form, "--url", url)
        assert not set(controls) & set(err) - set("[2J]0;title31m")


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_a_narrow_terminal_shows_what_is_available(run: Run, width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", str(width))
    balances = [{"sku": "S" * 64, "nome": "Camiseta", **SALDO}]
    with panel(200, {}, {"itens": balances, "proximo": None}) as url:
        _, out, _ = run("estoque", "--tabela", "--url", url)
    assert re.sub(r"[^S]", "", out.split("\n", 1)[1]) == "S" * 64
    assert re.search(r"S +3\b", out)
    assert ("Camiseta" in out) == (width == 200)
    assert max(map(len, out.splitlines())) <= width


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("customer", ["ana", "c" * 128])
def test_a_narrow_terminal_shows_whole_orders(run: Run, width: int, customer: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", str(width))
    orders = [{**scripted.ORDER, "clienteId": customer}]
    with panel(200, {}, {"itens": orders, "proximo": None}) as url:
        _, out, _ = run("pedidos", "--todos", "--tabela", "--url", url)
    assert max(map(len, out.splitlines())) <= width
    assert ORDER in (out if width >= 60 else re.sub(r"\s", "", out))
    assert customer in re.sub(r"\s", "", out) or out.count("c") > 128


def test_output_that_cannot_be_written_has_its_own_exit_code():
    with stock("Camiseta") as url, Path("/dev/full").open("w") as full:
        for form in ("--json", "--tabela"):
            argv = [sys.executable, "-m", "reserva", "estoque", form, "--url", url]
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == ExitCode.LOCAL_ERROR
            assert "No space left" in done.stderr
            assert "Traceback" not in done.stderr


def test_a_closed_or_ascii_only_output_is_not_an_error():
    with stock("Cal\u00e7a") as url:
        argv = [sys.executable, "-m", "reserva", "estoque", "--tabela", "--url", url]
        environ = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "120"}
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Cal?a" in done.stdout
        closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *argv], capture_output=True, text=True, check=False)
        assert (closed.returncode, closed.stderr) == (0, "")


def test_a_command_that_may_have_been_executed_reports_its_key_and_a_query_does_not(run: Run):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
        code, _, err = run("pedir", "A=1", "--cliente", "ana", "--prazo", "1", "--tabela", "--url", url)
        assert code == ExitCode.UNREACHABLE
        assert re.search(r"--chave [0-9a-f-]{36}$", err.strip())
        _, _, err = run("pedido", ORDER, "--prazo", "1", "--tabela", "--url", url)
        assert "--chave" not in err


def _hang_up(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            connection.recv(65536)
            connection.close()


def test_a_stock_larger_than_the_screen_shows_what_changed_last():
    output = Output(new_settings(Texts("en")))
    output.console = Terminal()
    output.console.size = ConsoleDimensions(80, 14)
    balances = {f"S{i:05}": Saldo(f"S{i:05}", "x", 5, 1, 1, 3) for i in range(10_000)}
    balances["S00000"] = balances.pop("S00000")
    with output.console.capture() as captured:
        output.console.print(balances_table(output, balances, frozenset({"S00000"})))
    lines = captured.get().splitlines()
    assert len(lines) < 14
    assert lines[1].startswith("S00000"), "in SKU order"
    assert "9990 more SKUs" in lines[-1]
