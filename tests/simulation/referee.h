// Watches a federation from outside and says what must never happen.
//
// It keeps a memory of its own of what left each site, what each site was charged for, which query
// ids it answered and which readings it acknowledged, and compares it with what the nodes hold:
// when an answer leaves, after each commit, when a user is answered, and after each restart. It
// judges envelopes by rules written here and not by the product's. The first thing that does not
// hold ends the run. Threads: one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "federation/ask/answer_proof.h"
#include "federation/ask/asker.h"
#include "federation/ask/disclosure_gate.h"
#include "node/history/reading.h"
#include "tests/simulation/context.h"
#include "tests/simulation/node.h"

namespace entente::simulation {

// A question of a user on its way.
struct AskedQuestion {
  std::uint64_t id = 0;
  std::size_t asker = 0;
  Duration asked{};
  Duration timeout{};
  std::size_t members = 0;
};

class Referee {
 public:
  explicit Referee(Context& context);

  const std::optional<std::string>& violation() const { return violation_; }
  void violate(const std::string& what);

  // When a request came: by the site's clock, and truly.
  struct Arrival {
    Instant clock;
    Duration time;
  };

  // The site's side.
  void replied(Node& node, std::size_t from, const Bytes& request, Arrival arrival,
               const federation::DisclosureGate::Outcome& outcome);
  void committed(Node& node);
  void offered(Node& node, const std::vector<std::pair<std::size_t, node::Reading>>& readings);
  void acknowledged(Node& node, const std::vector<std::pair<std::size_t, node::Reading>>& readings);
  // After a start: everything that counted before is there.
  void started(Node& node);
  // Before such a start: entente.db is an older copy of itself, of `records` audit records. From
  // then on the site may answer nobody who knows better, until it is reconciled.
  void restored(Node& node, std::uint64_t records);
  void reconciled(Node& node);
  // Its provider lies: what it sends is not its ledger's. Nor does it owe anybody an answer.
  void set_liar(std::size_t node) { liars_.insert(node); }
  // An honest answer may have been changed or lost on its way to this asker.
  void set_tampered(std::size_t asker) { tampered_.insert(asker); }

  // The standing of the node's agreements, as it is durable now.
  void agreements_changed(Node& node);
  // Terms that this provider ever had in force, by their ids.
  std::vector<AgreementId> terms_of(std::size_t provider) const;
  // At the end of a calm: both sides of each agreement have come to the same state.
  void judge_agreements(Node& a, Node& b);

  // The asker's side.
  void sent(std::size_t asker, std::size_t to, const Bytes& request);
  void asked(const AskedQuestion& question);
  void answered(const AskedQuestion& question, Node& asker,
                const federation::FederatedAnswer& answer);
  // The asker crashed: nobody waits any more.
  void gave_up(std::size_t asker);
  // By which partners' memory is known to have lasted: a node's number of starts.
  std::function<std::uint64_t(std::size_t)> lives = {};

  struct Counts {
    std::uint64_t questions = 0, answers = 0, refusals = 0, reused = 0, composed = 0;
    std::uint64_t members_answered = 0, members_late = 0, members_unreachable = 0;
    std::uint64_t readings = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Left {
    std::vector<Bytes> releases;  // the last one counts; more only after a restored backup
    OrgId partner;                // who was sent it last
    bool forgotten = false;       // by a restored backup
  };
  // Terms at their provider, from the first time that they were in force.
  struct Terms {
    std::size_t provider = 0, consumer = 0;
    Agreement value;
    Duration since{};
    std::optional<Duration> over;  // since when they are not in force
  };
  struct SiteMemory {
    std::map<Hash256, Left> left;                        // by release key, what left the site
    std::map<Hash256, std::vector<BlockAmount>> stored;  // charges that stored releases state
    std::map<std::string, std::set<Hash256>> answered;   // query/question -> envelopes
    std::map<std::pair<std::size_t, std::int64_t>, double> acknowledged;  // twin, time
    std::map<std::pair<std::size_t, std::int64_t>, double> offered;
    std::map<std::vector<std::int64_t>, Hash256> noises;  // draw -> release key
    std::optional<std::uint64_t> restored;  // to how many records, and nobody has reconciled it
    bool reconciled = false;
    bool ever_restored = false;
    std::optional<Duration> first_charge;
    // What partners know of it: the log's length by their newest receipt (newest by this site's
    // clock at its issue, as receipt_shelf.h says), and in which of their lives they got it.
    struct Known {
      Instant issued;
      std::uint64_t records = 0;
      std::uint64_t life = 0;
    };
    std::map<std::size_t, Known> known;
    // What an asker knew of it when it sent an envelope.
    std::map<Hash256, std::uint64_t> known_at_sending;
  };

  void judge_envelope(const Node& node, std::size_t from, const Bytes& request,
                      const Envelope& envelope, Arrival arrival);
  void judge_release(Node& node, const Envelope& envelope);
  void judge_accounts(Node& node);
  void judge_member(Node& asker, const federation::FederatedAnswer& answer, std::size_t index);
  void judge_rows(const federation::FederatedAnswer& answer);
  void judge_figures(const Node& node, const Question& question, const Release& release,
                     const Hash256& key);
  void judge_readings(Node& node);
  void judge_restored(const Node& node, const Bytes& request);

  Context& context_;
  std::optional<std::string> violation_;
  std::vector<SiteMemory> sites_;
  std::set<std::size_t> liars_;
  std::set<std::size_t> tampered_;
  std::map<std::uint64_t, AskedQuestion> open_;
  std::map<AgreementId, Terms> terms_;
  Counts counts_;
};

}  // namespace entente::simulation
