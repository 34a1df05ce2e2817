@0xc41f6e0b7a92d35c;
# How two organisations meet: the invitation's token and the messages on the enrolment port.
# Everything but the invitation's id is sealed under keys derived from the token's secret.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

struct Invitation {                 # the token: "ENTL1." + base64url(canonical bytes + 8 bytes of checksum)
  organisation @0 :Data;            # the inviter's id; the accepting side believes no other
  addresses @1 :List(Text);         # host:port of its federation port
  enrolment @2 :List(Text);         # host:port of its enrolment port
  id @3 :Data;                      # 16 random bytes, sent in clear
  secret @4 :Data;                  # 16 random bytes, never sent
  expiresNs @5 :Int64;
}

struct EnrolMessage {               # one message of the enrolment connection
  invitation @0 :Data;              # its id
  nonce @1 :Data;                   # 24 random bytes
  sealed @2 :Data;                  # XChaCha20-Poly1305 of a canonical EnrolBody
}

struct EnrolIdentity {              # what each side says of itself, and commits to before either reveals
  charters @0 :List(Data);          # SignedCharter, first to current
  site @1 :Text;
  certificates @2 :List(Data);      # DER: leaf in force, CA
  addresses @3 :List(Text);         # host:port of the federation port; empty: it dials out only
}

struct EnrolReveal {
  nonce @0 :Data;                   # 32 random bytes
  identity @1 :Data;                # canonical EnrolIdentity
}

struct EnrolProof {
  proof @0 :Data;                   # keyed BLAKE2b over the transcript: holds the token
  signature @1 :Data;               # by the charter's agreement key over the transcript: is the organisation
}

struct EnrolAnswer {
  reveal @0 :EnrolReveal;
  proof @1 :EnrolProof;
}

struct EnrolBody {
  union {
    nothing @0 :Void;
    commitment @1 :Data;            # both, first
    reveal @2 :EnrolReveal;         # accepting side
    answer @3 :EnrolAnswer;         # inviting side
    proof @4 :EnrolProof;           # accepting side
    confirmation @5 :Data;          # inviting side: enrolled
  }
}
