@0xd5b1a97c04e3f28e;
# One record of the audit log. Stored as canonical bytes; the hash chain, and later the Merkle tree, run over those bytes.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

enum AuditOutcome {
  intent @0;      # about to happen; written before the effect
  done @1;
  refused @2;
  failed @3;
}

struct AuditDetail {
  name @0 :Text;
  value @1 :Text;
}

struct AuditRecord {
  sequence @0 :UInt64;              # 1, 2, … without gaps
  timeNs @1 :Int64;
  actor @2 :Text;                   # "user:NAME", "organisation:ID", "node"
  action @3 :Text;                  # "release", "link.accept"
  object @4 :Text;
  outcome @5 :AuditOutcome;
  detail @6 :List(AuditDetail);     # ascending by name, each once
}
