"""Code shared by the programs of ReservaEstoque; each module is named for what it is."""
