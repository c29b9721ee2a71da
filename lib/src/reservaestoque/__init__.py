"""What the programs of ReservaEstoque share; each module is named for what it is."""
