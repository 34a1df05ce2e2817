@0xef49d30ef08e6786;
# What two organisations both sign. It carries the whole public description of every export it grants,
# so that the asker plans and previews without asking, and both sides mean the same by a name.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

struct ReducerBounds {
  reducer @0 :Text;                 # mean, delta, last, min, max, sum, median, duration
  lower @1 :Float64;
  upper @2 :Float64;
}

struct Measure {
  signal @0 :Text;
  unit @1 :Text;                    # as in the type; empty = dimensionless
  defaultReducer @2 :Text;          # what a bare signal means
  bounds @3 :List(ReducerBounds);
}

struct PublicCell {
  values @0 :List(Text);            # one value per key of the export, in its order
  units @1 :UInt32;                 # declared number of units: public, and what minimum units compares
}

struct ExportView {
  name @0 :Text;
  site @1 :Text;
  domain @2 :Text;
  type @3 :Text;                    # DTMI
  keys @4 :List(Text);              # names of public properties
  cells @5 :List(PublicCell);
  measures @6 :List(Measure);
  zone @7 :Text;                    # IANA name; blocks and ticks are local to it
  blockNs @8 :Int64;                # 0 = lifetime
  tickNs @9 :Int64;
  latenessNs @10 :Int64;
  rhoCap @11 :UInt64;               # site cap per block, 2^-40 rho
  deltaUnits @12 :UInt64;           # delta of the domain, 2^-60
  unit @13 :Text;                   # what one unit is: "twin", "property:NAME", "ancestor:NAME"
  thresholdDelta @14 :UInt64;       # what thresholding may spend of a block, 2^-60, beside deltaUnits
  groupsPerUnit @15 :UInt32;        # of a question one unit is counted in, at most; 0 = one
  privateKeys @16 :List(Text);      # properties whose values are named where enough units share them
  privateDelta @17 :UInt64;         # what a question by private keys spends of each block, 2^-60
  privateMinUnits @18 :UInt32;      # that a named value has, at least; 0 = no private keys
  revisionsNs @19 :List(Int64);     # ascending: how long after a window closed it is looked at again; empty = never
  composite @20 :Composite;         # of a system twin; null = an export of the site's own twins
}

struct Composite {                  # what a question to it reaches; cells are the members' with one key more
  answer @0 :Text;                  # routed | own: the sites answer, or the composing one for them
  leaves @1 :List(Leaf);            # sites that are asked in the end, each domain once
  within @2 :List(CompositeName);   # composites inside, at any depth
}

struct Leaf {
  organisation @0 :Data;
  site @1 :Text;
  domain @2 :Text;
  name @3 :Text;                    # value of the key `organisation`, as the composing site calls it
}

struct CompositeName {
  organisation @0 :Data;
  name @1 :Text;
}

struct AgreementTest {
  must @0 :Bool;                    # false: must not
  question @1 :Text;
}

struct Agreement {
  provider @0 :Data;                # organisation ids
  consumer @1 :Data;
  name @2 :Text;
  exports @3 :List(ExportView);
  purposes @4 :List(Text);          # empty = any
  aggregates @5 :List(Text);        # empty = every one the export allows
  minUnits @6 :UInt32;
  minSites @7 :UInt32;
  rhoPerBlock @8 :UInt64;           # the partner's quota per block, 2^-40 rho
  onward @9 :List(Text);            # composites it may be shared through; empty = none
  issuedNs @10 :Int64;
  expiresNs @11 :Int64;
  tests @12 :List(AgreementTest);
  rhoGuaranteed @13 :UInt64;        # of rhoPerBlock: what no other partner may use up
  round @14 :UInt32;                # 0 = the first proposal; one more with each counter-offer
  answers @15 :Data;                # id of the offer that this one counters; empty in the first
  tickLeastNs @16 :Int64;           # the shortest cell of time that may be asked for; 0 = the export's tick
  windowLeastNs @17 :Int64;         # the shortest window that may be asked about; 0 = one tick
  questionsPerHour @18 :UInt32;     # starts of feeds included; 0 = as many as the budget allows
  questionsPerDay @19 :UInt32;
  startsNs @20 :Int64;              # 0 = as soon as both have signed
  zone @21 :Text;                   # IANA name of the zone whose days bound the validity; empty = instants
}

struct SignedAgreement {
  agreement @0 :Data;               # canonical Agreement
  providerSignature @1 :Data;       # whoever has not agreed yet has none; one of the two there is
  consumerSignature @2 :Data;
}

struct AgreementMessage {           # one step of one side, signed by its agreement key
  sender @0 :Data;                  # organisation ids
  receiver @1 :Data;
  thread @2 :Data;                  # id of the negotiation's first proposal: its name for ever
  terms @3 :Data;                   # id of the offer that the step is about
  step @4 :Text;                    # propose, counter, settle, report, withdraw, suspend, resume, terminate
  number @5 :UInt64;                # of the sender's steps in this thread: each higher than the one before
  agreement @6 :Data;               # SignedAgreement: propose, counter, settle; of an end, when the offer may be unknown
  code @7 :UInt16;                  # report: why the offer cannot be signed
  test @8 :UInt16;                  # report: the test that does not hold, from 1; 0 = none of them
  reason @9 :Text;                  # for people
}
