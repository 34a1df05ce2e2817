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
}

struct SignedAgreement {
  agreement @0 :Data;               # canonical Agreement
  providerSignature @1 :Data;
  consumerSignature @2 :Data;       # empty while proposed
}
