// tuning_knobs: what is kept of each knob
MATCH (k:TuningKnob)
RETURN k.name AS name, k.mode AS mode, k.value AS value, k.revision AS revision;

// tuning_switch: says what may be done with a knob, and where it is to stand from now on when a value is given
UNWIND $rows AS row
MERGE (k:TuningKnob {name: row.name})
ON CREATE SET k.revision = 0
SET k.touchedAt = row.at
WITH row, k, [k.mode, k.value] AS before
SET k.mode = row.mode, k.value = coalesce(row.value, k.value), k.revision = k.revision + CASE WHEN row.value IS NULL THEN 0 ELSE 1 END
RETURN row.i AS i, before[0] AS mode, before[1] AS value, k.revision AS revision;

// tuning_values: keeps where the tuner has left knobs, unless an administrator has set them meanwhile
UNWIND $rows AS row
MERGE (k:TuningKnob {name: row.name})
ON CREATE SET k.revision = 0
SET k.touchedAt = row.at
WITH row, k
WHERE k.revision = row.revision
SET k.value = row.value
RETURN row.i AS i;

// tuning_note: keeps moves, or what became of them, and of all that are kept only the latest
UNWIND $rows AS row
CALL (row) {
  UNWIND row.moves AS move
  MERGE (m:TuningMove {id: move.id})
  SET m = move
}
CALL (row) {
  MATCH (m:TuningMove)
  WHERE m.at IS NOT NULL
  WITH row, m ORDER BY m.at DESC
  WITH row, collect(m) AS kept
  UNWIND kept[row.most..] AS old
  DELETE old
}
RETURN row.i AS i;

// tuning_moves: the latest moves, newest first
MATCH (m:TuningMove)
WHERE m.at < $at OR (m.at = $at AND m.id < $id)
WITH m ORDER BY m.at DESC, m.id DESC LIMIT $limit
RETURN m {.id, .at, .replica, .objective, .knob, .reason, .before, .after, .outcome, .result, .gain} AS move;

// tuning_lease: takes the lease when it is free or its own; says who has it
MERGE (l:TuningLease {id: 'tuning'})
ON CREATE SET l.holder = '', l.until = datetime({epochMillis: 0})
SET l.seen = datetime()
WITH l, l.holder = $holder OR l.until < datetime() AS free
FOREACH (one IN CASE WHEN free THEN [l] ELSE [] END | SET one.holder = $holder, one.until = datetime() + duration({seconds: $seconds}))
RETURN l.holder AS holder;

// tuning_lease_end: gives the lease back
MATCH (l:TuningLease {id: 'tuning', holder: $holder})
SET l.until = datetime({epochMillis: 0});
