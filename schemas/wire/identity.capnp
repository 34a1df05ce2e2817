@0x9210f73a05948daa;
# Who an organisation is. Signed bytes are canonical (capnp::canonicalize) and verified as received.
# Evolution: add fields at the end, never reuse an ordinal; an unknown purpose is carried along, a missing one refuses.
# A field that the reader's version does not know refuses, in every signed value: one value, one encoding.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

enum KeyPurpose {
  ca @0;          # signs leaf certificates
  answer @1;      # signs answers
  audit @2;       # signs audit checkpoints
  envelope @3;    # signs questions
  agreement @4;   # signs agreements
}

struct PurposeKey {
  purpose @0 :KeyPurpose;
  key @1 :Data;                     # Ed25519, 32 bytes
}

struct Charter {
  name @0 :Text;                    # the organisation's own local id, e.g. "washington"
  title @1 :Text;                   # for people
  version @2 :UInt32;               # 1, 2, … without gaps
  previous @3 :Data;                # hash of version N-1; empty in version 1
  rootKeys @4 :List(Data);          # Ed25519, distinct
  threshold @5 :UInt8;              # 1 … number of root keys
  keys @6 :List(PurposeKey);
  revokedKeys @7 :List(Data);       # hashes of public keys, leaf or issuer
  issuedNs @8 :Int64;
  expiresNs @9 :Int64;
}

struct KeySignature {
  key @0 :Data;
  signature @1 :Data;
}

struct SignedCharter {
  charter @0 :Data;                 # canonical Charter
  signatures @1 :List(KeySignature);
}
