-- Orders out of a file, one body a line. Arguments: the file, and the value of the header Prefer ("" for none).
-- Requests are made once, at the start, so that the generator costs little.
local numero = 0

function setup(thread)
  thread:set("desvio", numero)
  numero = numero + 1
end

function init(argumentos)
  local cabecalhos = {["Content-Type"] = "application/json"}
  if argumentos[2] ~= "" then cabecalhos["Prefer"] = argumentos[2] end
  pedidos = {}
  for corpo in io.lines(argumentos[1]) do
    pedidos[#pedidos + 1] = wrk.format("POST", "/pedidos", cabecalhos, corpo)
  end
  proximo = desvio * 7919 % #pedidos
end

function request()
  proximo = proximo % #pedidos + 1
  return pedidos[proximo]
end

function done(resumo, latencia, _)
  local erros = resumo.errors
  io.write(string.format(
    '\nbancada {"respostas": %d, "microssegundos": %d, "p50": %d, "p99": %d, "max": %d, "erros_http": %d, ' ..
    '"erros_de_rede": %d, "tempos_esgotados": %d}\n',
    resumo.requests, resumo.duration, latencia:percentile(50), latencia:percentile(99), latencia.max, erros.status,
    erros.connect + erros.read + erros.write, erros.timeout))
end
