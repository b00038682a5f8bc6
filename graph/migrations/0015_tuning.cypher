// tuning_knob_name: what is kept of a knob is kept once
CREATE CONSTRAINT tuning_knob_name IF NOT EXISTS FOR (n:TuningKnob) REQUIRE n.name IS UNIQUE;

// tuning_move_id: a move is kept once
CREATE CONSTRAINT tuning_move_id IF NOT EXISTS FOR (n:TuningMove) REQUIRE n.id IS UNIQUE;

// tuning_move_at: moves by when they began
CREATE INDEX tuning_move_at IF NOT EXISTS FOR (n:TuningMove) ON (n.at);

// tuning_lease_id: one node says which replica moves the shared knobs
CREATE CONSTRAINT tuning_lease_id IF NOT EXISTS FOR (n:TuningLease) REQUIRE n.id IS UNIQUE;
