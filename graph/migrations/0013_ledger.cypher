// ledger_tile: one root of a tile by its place in a ledger
CREATE CONSTRAINT ledger_tile IF NOT EXISTS FOR (n:LedgerTile) REQUIRE (n.tenant, n.level, n.place) IS UNIQUE;

// ledger_checkpoint: one checkpoint of a ledger by its size
CREATE CONSTRAINT ledger_checkpoint IF NOT EXISTS FOR (n:Checkpoint) REQUIRE (n.tenant, n.size) IS UNIQUE;
