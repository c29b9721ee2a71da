-- Orders out of a file, one body a line. Arguments: the file, the value of the header Prefer ("" for none), and orders a
-- second, 0 for as many as are answered. Requests are made once, at the start, so that the generator costs little.
local ffi = require("ffi")
ffi.cdef "typedef struct { long s; long us; } bancada_instante; int gettimeofday(bancada_instante *, void *);"
local relogio = ffi.new("bancada_instante")
local linha = nil

local function agora()
  ffi.C.gettimeofday(relogio, nil)
  return tonumber(relogio.s) * 1e3 + tonumber(relogio.us) / 1e3
end

function setup(thread)
  linha = thread -- there is one
end

function init(argumentos)
  local cabecalhos = {["Content-Type"] = "application/json"}
  if argumentos[2] ~= "" then cabecalhos["Prefer"] = argumentos[2] end
  pedidos = {}
  for corpo in io.lines(argumentos[1]) do
    pedidos[#pedidos + 1] = wrk.format("POST", "/pedidos", cabecalhos, corpo)
  end
  proximo = 0
  atrasados = 0
  local por_segundo = tonumber(argumentos[3])
  if por_segundo > 0 then no_ritmo(1e3 / por_segundo) end
end

-- The next connection that is free takes the next place in a schedule that no answer delays, as long as one is free.
function no_ritmo(intervalo)
  local vez = nil
  function delay()
    local instante = agora()
    vez = vez and vez + intervalo or instante
    if vez < instante - 10 then atrasados = atrasados + 1 end
    return math.max(0, math.floor(vez - instante + 0.5))
  end
end

function request()
  proximo = proximo % #pedidos + 1
  return pedidos[proximo]
end

function done(resumo, latencia, _)
  local erros = resumo.errors
  io.write(string.format(
    '\nbancada {"respostas": %d, "microssegundos": %d, "p50": %d, "p99": %d, "max": %d, "erros_http": %d, ' ..
    '"erros_de_rede": %d, "tempos_esgotados": %d, "atrasados": %d}\n',
    resumo.requests, resumo.duration, latencia:percentile(50), latencia:percentile(99), latencia.max, erros.status,
    erros.connect + erros.read + erros.write, erros.timeout, linha:get("atrasados")))
end
