-- The newest position in the change log before which nothing can be committed any more.
select transacao, mudanca, parte from posicao_das_mudancas()
