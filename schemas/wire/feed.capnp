@0xd5a1c7f2b98e4463;
# Standing questions: what is ordered, and what is said to start and cancel. Ticks travel as Releases.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("entente::wire");
using Answer = import "answer.capnp";

enum FeedKind {
  repeat @0;                        # the question about each tick for itself
  sliding @1;                       # sums over the latest windowTicks ticks
  cumulative @2;                    # running totals since the first tick
}

enum FeedMechanism { buckets @0; dyadic @1; toeplitz @2; }

struct FeedTerms {
  question @0 :Data;                # canonical Question about the first tick; rhoPerBlock is what the whole feed costs
                                    # the block that it costs most
  ticks @1 :UInt32;                 # the horizon, in windows of the question
  kind @2 :FeedKind;
  mechanism @3 :FeedMechanism;
  windowTicks @4 :UInt32;           # sliding only; otherwise 0
}

enum FeedVerb { start @0; pull @1; cancel @2; }

struct FeedOrder {                  # the `question` of an Envelope signed for feeds
  verb @0 :FeedVerb;
  feed @1 :Data;                    # 16 bytes: the query id of the envelope that started it
  sequence @2 :UInt32;              # pull: which tick, from 0
  terms @3 :Data;                   # start: canonical FeedTerms
}

struct FeedStanding {               # the answer to start and cancel, in the place of a release
  feed @0 :Data;
  termsHash @1 :Data;
  next @2 :UInt32;                  # the first tick that is not released
  ended @3 :UInt16;                 # ENT number of why; 0 = it runs
  returned @4 :List(Answer.BlockAmount);  # reserved and given back, of blocks that had not begun
}
