@0xf30c38e8d06717dd;
# A planned question as one site receives it: absolute, canonical, without names that only the asker knows.
# Equal questions have equal bytes, whoever asks, so that one release answers them all.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

enum Aggregate {
  count @0; share @1; sum @2; mean @3; variance @4; stddev @5;
  min @6; max @7; median @8; quantile @9; histogram @10;
}

enum Reducer { mean @0; delta @1; last @2; min @3; max @4; sum @5; median @6; duration @7; }

enum Comparison { less @0; lessEqual @1; greater @2; greaterEqual @3; equal @4; notEqual @5; }

struct Column {                     # one folded value per unit and cell
  signal @0 :Text;
  reducer @1 :Reducer;
  lower @2 :Float64;                # the plan's bounds, within the export's
  upper @3 :Float64;
  predicate @4 :List(PredicateNode);  # duration(c) only: over the readings of the unit itself
}

struct PredicateNode {              # postfix order; the last node is the root
  union {
    compare @0 :CompareNode;
    and @1 :Void;                   # takes two
    or @2 :Void;                    # takes two
    not @3 :Void;                   # takes one
  }
}

struct CompareNode {
  column @0 :UInt16;                # index into Question.columns
  comparison @1 :Comparison;
  constant @2 :Float64;
}

struct Item {
  aggregate @0 :Aggregate;
  union {
    members @1 :Void;               # count(*)
    column @2 :UInt16;              # the value
    predicate @3 :List(PredicateNode);  # count(c), share(c): over folded values
  }
  rank @4 :Float64;                 # quantile's q
  edges @5 :List(Float64);          # histogram's bin edges
}

struct Group {
  values @0 :List(Text);            # one per GROUP BY key; empty when there is none
  cells @1 :List(UInt32);           # indices into the export's public cells, ascending
}

struct Question {
  exportName @0 :Text;
  exportHash @1 :Data;              # hash of the ExportView both mean
  columns @2 :List(Column);
  items @3 :List(Item);
  groupKeys @4 :List(Text);
  groups @5 :List(Group);
  fromNs @6 :Int64;
  toNs @7 :Int64;
  everyNs @8 :Int64;                # 0 = one cell over the whole window
  rhoPerBlock @9 :UInt64;           # what each block touched is charged, 2^-40 rho
  treeHeight @10 :UInt8;            # of the trees of ranks; 0 = no item is answered from one
  privateKeys @11 :List(Text);      # of the export: each group is split by their values at the site
}

struct Envelope {                   # signed by the origin's envelope key
  origin @0 :Data;
  audience @1 :Data;
  audienceSite @2 :Text;
  queryId @3 :Data;                 # 16 random bytes, one per user question and kept across its members
  issuedNs @4 :Int64;
  deadlineNs @5 :Int64;             # at most 120 s after issue
  agreement @6 :Data;
  purpose @7 :Text;
  sealKey @8 :Data;                 # X25519, fresh; the answer is sealed to it
  question @9 :Data;                # canonical Question
  receipt @10 :Data;                # the newest Signed LedgerReceipt of this audience; empty = none
  fresh @11 :Bool;                  # not to be added up from cells of earlier releases
  via @12 :Data;                    # the Signed Envelope that this one is sent on for; empty at the origin
  toOrigin @13 :Bool;               # the answer is for whoever sent `via`, if the site knows that organisation
}

struct Signed {
  body @0 :Data;
  signature @1 :Data;
}
