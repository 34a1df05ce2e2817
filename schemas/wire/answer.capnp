@0xbd8bb8c16ba5b640;
# What leaves a site. A Release is stored before it is sent and is the same bytes for ever; an Answer wraps it for one asker.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");

struct BlockAmount {
  startNs @0 :Int64;                # first instant of the block; lifetime blocks start at the least Int64
  rho @1 :UInt64;                   # 2^-40 rho
}

struct Statistic {                  # one coordinate of every cell's vector, or a run of like ones
  exponent @0 :Int16;               # value = mantissa * 2^exponent
  variance @1 :UInt64;              # of the noise, in squared lattice steps
  width @2 :UInt32;                 # how many integers: bins, nodes; 0 = one
}

struct ReleasedCell {
  group @0 :UInt32;                 # index into Question.groups
  tick @1 :UInt32;                  # 0 … number of ticks - 1
  mantissas @2 :List(Int64);        # the statistics one after the other, each its width
  values @3 :List(Text);            # one per private key of the question; none = it has none
}

struct Release {
  organisation @0 :Data;
  site @1 :Text;
  questionHash @2 :Data;
  domain @3 :Text;
  unit @4 :Text;
  revision @5 :UInt32;              # how many scheduled revisions of the window had passed
  charges @6 :List(BlockAmount);
  statistics @7 :List(Statistic);   # the items' statistics one after the other
  cells @8 :List(ReleasedCell);     # every declared cell, groups outer, ticks inner; with private
                                    # keys those with enough units: groups, then values, then ticks
  releasedNs @9 :Int64;
  composedOf @10 :List(ComposedOf); # the cells of earlier releases that were added up; empty = its own noise
}

struct ComposedOf {                 # one after the other in time, from the question's window's first instant to its last
  release @0 :Data;                 # hash of the canonical release the cells are from
  fromNs @1 :Int64;
  toNs @2 :Int64;
}

struct Answer {
  release @0 :Data;                 # canonical Release
  envelopeHash @1 :Data;
  audience @2 :Data;
  reused @3 :Bool;                  # an earlier release: the site ledger was not charged again
  charged @4 :List(BlockAmount);    # to this partner's quota, now
  left @5 :List(BlockAmount);       # of this partner's quota or the site's cap, whichever is less
  caps @6 :List(BlockAmount);
  auditHead @7 :Data;
  issuedNs @8 :Int64;
  receipt @9 :Data;                 # Signed LedgerReceipt of auditHead; to be shown with the next question
  deltaCharged @10 :UInt64;         # to each block of `charged`, 2^-60
  deltaLeft @11 :UInt64;            # the least of `left`'s blocks, 2^-60
}

# To a question about a system twin that is another organisation's. Signed and sealed like an Answer.
struct CompositeAnswer {
  envelopeHash @0 :Data;
  audience @1 :Data;
  composite @2 :Text;
  issuedNs @3 :Int64;
  leaves @4 :List(LeafOutcome);
  releases @5 :List(Data);          # of a composite that answers for itself: canonical Releases, each of other groups
}

struct LeafOutcome {                # of one export at one site
  organisation @0 :Data;
  site @1 :Text;
  domain @2 :Text;
  exportName @3 :Text;
  name @4 :Text;                    # as the composing site calls it
  state @5 :Text;                   # answered, refused, late, unreachable, unverified, skipped
  code @6 :UInt16;                  # unless answered
  path @7 :List(Data);              # organisations that sent the question on, from the asker to the site
  charged @8 :List(BlockAmount);    # a composite's own answer: to the composing site
  release @9 :Data;                 # likewise: hash of the site's release
  # A routed answer:
  envelope @10 :Data;               # Signed Envelope that the site was asked with
  answer @11 :Data;                 # SignedAnswer; sealed to the asker where `sealed`
  sealed @12 :Bool;
  view @13 :Data;                   # canonical ExportView that the question names by hash
  groups @14 :List(UInt32);         # of each group of the site's question: its group of the asked one
}

struct LedgerReceipt {              # signed by the answer key, in a context of its own
  organisation @0 :Data;
  site @1 :Text;
  sequence @2 :UInt64;              # records of the audit log
  head @3 :Data;                    # link of the last of them
  issuedNs @4 :Int64;
}

struct Refusal {
  code @0 :UInt16;                  # ENT number; 0 = not given, treated as denied
  subject @1 :Text;                 # the public name it is about: an export, cell, aggregate or key of the question
  left @2 :List(BlockAmount);       # budget refusals only
  retryAfterNs @3 :Int64;           # 0 = not by waiting
}
