@0xc23d193ad2fb4cb9;
# The link between two organisations. The caller calls, the callee never imports a capability.
# Every outcome is a union whose default is a refusal; exceptions are faults, with fixed texts.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");
using Answer = import "answer.capnp";

struct Hello {
  protocolMin @0 :UInt16;
  protocolMax @1 :UInt16;
  software @2 :Text;                # "entente 0.1.0", for people
}

struct Welcome {
  protocol @0 :UInt16;
  software @1 :Text;
  session @2 :Session;
  expiresNs @3 :Int64;              # the session's end; open a new one before it
}

struct OpenOutcome { union { refusal @0 :Answer.Refusal; welcome @1 :Welcome; } }
struct AskOutcome { union { refusal @0 :Answer.Refusal; sealed @1 :Data; } }     # SignedAnswer sealed to the envelope's key
struct PongOutcome { union { refusal @0 :Answer.Refusal; nowNs @1 :Int64; } }
struct SettleOutcome { union { refusal @0 :Answer.Refusal; state @1 :Text; } }
struct QuestionsOutcome { union { refusal @0 :Answer.Refusal; desk @1 :Questions; } }
struct WitnessOutcome {
  union {
    refusal @0 :Answer.Refusal;
    cosigned @1 :Text;              # a signature line for the note that was offered
    seen @2 :Text;                  # the newest note seen of this log: the proof must begin there; empty: none
  }
}
struct AgreementsOutcome { union { refusal @0 :Answer.Refusal; desk @1 :Agreements; } }
struct Charters {
  newer @0 :List(Data);             # SignedCharter of the callee: from the version that the caller has on
  pinned @1 :UInt32;                # the newest version of the caller's that the callee has pinned
}
struct ChartersOutcome { union { refusal @0 :Answer.Refusal; charters @1 :Charters; } }
struct FeedsOutcome { union { refusal @0 :Answer.Refusal; desk @1 :Feeds; } }

interface Gate {                    # built for the verified identity of the connection
  open @0 (hello :Hello) -> (outcome :OpenOutcome);
}

interface Session {
  ping @0 () -> (outcome :PongOutcome);
  questions @1 () -> (outcome :QuestionsOutcome);
  agreements @2 () -> (outcome :AgreementsOutcome);
  witness @3 (note :Text, oldSize :UInt64, proof :List(Data)) -> (outcome :WitnessOutcome);  # the caller's own log
  feeds @4 () -> (outcome :FeedsOutcome);
  # Each shows its charters to the other: the caller's own, from the version that the callee is known to have on (at
  # least the one in force), and the version of the callee's that the caller has pinned.
  charters @5 (pinned :UInt32, mine :List(Data)) -> (outcome :ChartersOutcome);
}

interface Questions {
  ask @0 (envelope :Data) -> (outcome :AskOutcome);                 # Signed Envelope
}

interface Agreements {
  propose @0 (agreement :Data) -> (outcome :SettleOutcome);         # these three are not served any more
  settle @1 (agreement :Data) -> (outcome :SettleOutcome);
  terminate @2 (agreement :Data, reason :Text) -> (outcome :SettleOutcome);
  tell @3 (message :Data) -> (outcome :SettleOutcome);              # Signed AgreementMessage; the state it leads to
}

interface Feeds {                   # standing questions: pulled, never pushed
  # Each takes a Signed Envelope whose question is a FeedOrder. The sealed SignedAnswer holds a FeedStanding in place
  # of a release after start and cancel, and the tick's Release after pull. A tick that is not closed yet is refused
  # with window_open and how long to wait; the same tick is the same bytes whenever it is pulled.
  start @0 (envelope :Data) -> (outcome :AskOutcome);
  pull @1 (envelope :Data) -> (outcome :AskOutcome);
  cancel @2 (envelope :Data) -> (outcome :AskOutcome);
}
