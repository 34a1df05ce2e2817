@0xc7a1a0d120007426;
# How an edge collector of the same organisation hands readings to its node (node/collect).
# As on links: every outcome is a union whose default is a refusal; exceptions are faults.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");
using Answer = import "answer.capnp";
using Gate = import "gate.capnp";

struct SeriesName {
  twin @0 :Text;
  signal @1 :Text;
}

struct CollectOpened {
  protocol @0 :UInt16;
  session @1 :Data;                 # 16 bytes: every batch of this session names it
  batchesInFlight @2 :UInt16;       # more at a time are refused (overloaded)
  readingsMost @3 :UInt32;          # of one batch
  collector @4 :Collector;
}

struct NamedSeries { union { refusal @0 :Answer.Refusal; number @1 :UInt32; } }  # subject: the twin or signal unknown

struct AppendReport {
  added @0 :UInt32;
  repeated @1 :UInt32;              # the same time and value were there
  corrected @2 :UInt32;             # the time was there with another value or verdict
  bad @3 :UInt32;                   # of all of these, those with a verdict other than good
  missing @4 :UInt64;               # batches of this session skipped just before this one
}

struct CollectOutcome { union { refusal @0 :Answer.Refusal; opened @1 :CollectOpened; } }
struct SeriesOutcome { union { refusal @0 :Answer.Refusal; series @1 :List(NamedSeries); } }
struct AppendOutcome { union { refusal @0 :Answer.Refusal; report @1 :AppendReport; } }

interface CollectGate {             # built for the verified identity of the connection
  open @0 (hello :Gate.Hello) -> (outcome :CollectOutcome);
}

interface Collector {
  ping @0 () -> (outcome :Gate.PongOutcome);
  # Numbers for names, in their order; a name said twice in a session has one number.
  series @1 (names :List(SeriesName)) -> (outcome :SeriesOutcome);
  # Bytes of node/collect/upload.h and the Ed25519 signature of the collector's batch key over them.
  # Answered after the commit.
  append @2 (batch :Data, signature :Data) -> (outcome :AppendOutcome);
}

# What the collectors' port shows under entente-charters/1: a collector's way over a rotation of the CA key.
struct CharterChain {
  charters @0 :List(Data);          # SignedCharter, first to current
}

# What enrolment hands to a collector; the file that 'entente collector add' writes. Secret.
struct CollectorBundle {
  name @0 :Text;
  address @1 :Text;                 # host:port of the node
  charters @2 :List(Data);          # the organisation's signed charters, first to current
  certificates @3 :List(Data);      # leaf, then CA, DER
  certificateKey @4 :Data;          # PKCS #8
  batchSeed @5 :Data;               # Ed25519, 32 bytes
  validFromNs @6 :Int64;
  validToNs @7 :Int64;
}
