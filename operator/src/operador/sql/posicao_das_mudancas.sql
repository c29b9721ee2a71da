-- The newest position in the change log behind which nothing older can still be committed.
select transacao, mudanca, parte from posicao_das_mudancas()
