@0xb7d24e0c6a5f9183;
# Secure aggregation: one round in which sites add up vectors that nobody sees alone. Members are named by their place
# in the proposal, from 0; lists of members ascend.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

struct SumMember {
  organisation @0 :Data;
  site @1 :Text;
  key @2 :Data;                     # Ed25519: with which it signs in this round
  question @3 :Data;                # hash of the canonical Question that it is asked
}

struct SumCoordinate {              # `width` integers of every cell
  exponent @0 :Int16;               # value = integer * 2^exponent
  width @1 :UInt32;
  variance @2 :UInt64;              # of the noise that honest members alone must reach, in squared steps
  shareVariance @3 :UInt64;         # of the noise that each member adds
}

struct SumProposal {                # signed by the coordinator
  round @0 :Data;                   # 16 random bytes
  coordinator @1 :Data;
  members @2 :List(SumMember);
  cells @3 :UInt32;
  coordinates @4 :List(SumCoordinate);
  colluders @5 :UInt32;
  dropouts @6 :UInt32;
  threshold @7 :UInt32;
  issuedNs @8 :Int64;
  deadlineNs @9 :Int64;
}

struct SumKeys {                    # signed by the member
  proposal @0 :Data;                # hash of the canonical SumProposal, here and below
  member @1 :UInt32;
  maskKey @2 :Data;                 # X25519
  sealKey @3 :Data;
}
struct SumKeyEntry {
  member @0 :UInt32;
  maskKey @1 :Data;
  sealKey @2 :Data;
  signature @3 :Data;               # over the SumKeys that these make
}
struct SumKeyList {
  proposal @0 :Data;
  entries @1 :List(SumKeyEntry);
}

struct SealedShare {
  member @0 :UInt32;                # to whom it is sealed, and in a list handed out, by whom
  sealed @1 :Data;
}
struct SumShares {                  # signed by the member
  proposal @0 :Data;
  member @1 :UInt32;
  commitment @2 :Data;              # to the seed of its own mask
  shares @3 :List(SealedShare);
}
struct SumShareList {               # what one member is handed: who finished, and what they sealed to it
  proposal @0 :Data;
  shares @1 :List(SealedShare);     # its own is empty
}

struct SumMasked {                  # signed by the member
  proposal @0 :Data;
  member @1 :UInt32;
  values @2 :List(UInt64);
}

struct SumSurvivors {               # its hash is what survivors sign
  proposal @0 :Data;
  finished @1 :List(UInt32);        # who finished the shares: with whom everybody masked
  survivors @2 :List(UInt32);       # whose masked vectors are added
}
struct SumConsent {
  proposal @0 :Data;
  member @1 :UInt32;
  signature @2 :Data;
}
struct SumConsentList {
  proposal @0 :Data;
  consents @1 :List(ConsentEntry);
}
struct ConsentEntry {
  member @0 :UInt32;
  signature @1 :Data;
}

struct SumUnmasking {               # signed by the member
  proposal @0 :Data;
  member @1 :UInt32;
  seedShares @2 :List(Data);        # one for each survivor
  keyShares @3 :List(Data);         # one for each that finished the shares and is no survivor
}
