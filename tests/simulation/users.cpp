#include "tests/simulation/users.h"

#include <algorithm>

#include "federation/ask/answer_proof.h"
#include "federation/query/parser.h"
#include "tests/simulation/envelopes.h"

namespace entente::simulation {

using namespace federation;

namespace {

constexpr std::size_t kKept = 20;

// Each is exact enough to be asked again: there are few different ones, so that many repeat.
constexpr const char* kItems[] = {
    "mean(pm25)",     "count(pm25 > 80)",           "count(*)",
    "sum(sum(pm25))", "mean(pm25), max(max(pm25))", "share(pm25 > 55.5)",
    "variance(pm25)", "histogram(pm25, 4)",         "median(pm25)"};
constexpr const char* kWindows[] = {
    "'2025-12-30' .. '2025-12-31'",           "'2025-12-31' .. '2026-01-01'",
    "'2025-12-30' .. '2026-01-01'",           "'2025-12-30T12:00' .. '2025-12-31T00:00'",
    "'2025-12-30' .. '2026-01-01' EVERY 12h", "'2025-12-30' .. '2026-01-01' EVERY 1d"};
constexpr const char* kEpsilons[] = {"0.1", "0.2", "0.4"};

template <std::size_t N>
const char* one_of(const char* const (&choices)[N], Random& random) {
  return choices[random.below(N)];
}

// Merges anew, with one member's release twice.
void merge_again(FederatedAnswer& answer, std::size_t twice) {
  std::vector<std::unique_ptr<ProvenAnswer>> proven;
  std::vector<std::unique_ptr<Price>> prices;
  std::vector<MemberRelease> releases;
  for (std::size_t i = 0; i < answer.coverage.size(); ++i) {
    const auto& proof = answer.coverage[i].proof;
    if (!proof) continue;
    const auto asker = read_envelope(proof->envelope)->origin;
    proven.push_back(std::make_unique<ProvenAnswer>(
        *prove(*proof, organisation_of(answer.coverage[i].organisation)->pinned,
               organisation_of(asker)->pinned)));
    const auto view = export_view_from_bytes(proof->export_view);
    prices.push_back(std::make_unique<Price>(*price_of(*answer.plan.members[i].question, *view)));
    const MemberRelease one{&answer.plan.members[i], prices.back().get(), &proven.back()->release};
    releases.push_back(one);
    if (i == twice) releases.push_back(one);
  }
  answer.rows = merge_rows(answer.plan, releases);
}

}  // namespace

Users::Users(Context& context, std::vector<std::unique_ptr<Node>>& nodes)
    : context_(context), nodes_(nodes), overheard_(context.nodes) {}

std::string Users::sentence(Random& random) const {
  std::string text = std::string("SELECT ") + one_of(kItems, random) + " FROM air";
  if (random.below(4) == 0) text += " WHERE zone = 'north'";
  if (random.below(2) == 0) text += " GROUP BY zone";
  text += std::string(" OVER ") + one_of(kWindows, random);
  text += std::string(" WITH (epsilon = ") + one_of(kEpsilons, random) + ", purpose = 'planning')";
  return text;
}

std::vector<std::size_t> Users::partners_of(const Node& node, Random& random) const {
  std::vector<std::size_t> partners;
  for (std::size_t i = 0; i < context_.nodes; ++i) {
    const auto& agreements = node.site()->agreements;
    const bool may = std::any_of(agreements.begin(), agreements.end(), [&](const auto& one) {
      return one.second.value.provider == simulation::organisation(i).id();
    });
    if (may) partners.push_back(i);
  }
  // One of them, or several.
  for (std::size_t i = partners.size(); i > 1; --i) {
    std::swap(partners[i - 1], partners[random.below(i)]);
  }
  if (partners.size() > 1 && random.below(2) == 0)
    partners.resize(1 + random.below(partners.size()));
  return partners;
}

void Users::ask(Node& node, Random& random) {
  const auto snapshot = node.site();
  const std::string text = sentence(random);
  std::vector<AskTarget> targets;
  std::vector<MemberView> views;
  for (const std::size_t provider : partners_of(node, random)) {
    auto target = find_target(snapshot, "air", organisation(provider).name);
    if (target) targets.push_back(std::move(*target));
  }
  if (targets.empty()) return;
  for (const AskTarget& target : targets) views.push_back({target.view, target.partner.name});
  const auto parsed = parse_question(text);
  if (!parsed) return context_.referee->violate("a sentence does not parse: " + text);
  PlanOptions options;
  options.now = node.clock().now();
  auto planned = plan(*parsed, views, options);
  if (!planned) return;  // a clock that is wrong by days may leave no closed window
  planned->fresh = random.below(8) == 0;
  AskedQuestion question;
  question.id = ++asked_;
  question.asker = node.number();
  question.asked = context_.queue.now();
  question.timeout = milliseconds(static_cast<std::int64_t>(300 + random.below(12'000)));
  question.members = targets.size();
  context_.referee->asked(question);
  context_.note(node.name(), "question " + std::to_string(question.id) + ": " + text);
  node.keep(node.ask(std::move(*planned), std::move(targets), question.timeout)
                .then([this, question, &node](FederatedAnswer answer) {
                  ended(question, node, std::move(answer));
                }));
}

void Users::ended(const AskedQuestion& question, Node& node, FederatedAnswer answer) {
  auto& coverage = answer.coverage;
  const auto answered = std::find_if(coverage.begin(), coverage.end(), [](const auto& member) {
    return member.state == MemberState::answered;
  });
  switch (context_.mutation) {
    case Mutation::member_left_out:
      coverage.pop_back();
      break;
    case Mutation::late_called_answered:
      for (auto& member : coverage) {
        if (member.state == MemberState::late) member.state = MemberState::answered;
      }
      break;
    case Mutation::merged_twice:
      if (answered != coverage.end()) {
        merge_again(answer, static_cast<std::size_t>(answered - coverage.begin()));
      }
      break;
    default:
      break;
  }
  context_.referee->answered(question, node, answer);
}

void Users::overheard(std::size_t to, const Bytes& envelope) {
  auto& kept = overheard_[to];
  if (kept.size() >= kKept) kept.erase(kept.begin());
  kept.push_back(envelope);
}

// An envelope that would be answered.
std::optional<Envelope> Users::prepared(Node& node, std::size_t provider, Random& random) const {
  const auto snapshot = node.site();
  auto target = find_target(snapshot, "air", organisation(provider).name);
  if (!target) return {};
  const MemberView view{target->view, target->partner.name};
  const auto parsed = parse_question(sentence(random));
  PlanOptions options;
  options.now = node.clock().now();
  auto planned = plan(*parsed, {&view, 1}, options);
  if (!planned || !planned->members.front().question) return {};
  Envelope envelope;
  envelope.origin = node.organisation().id();
  envelope.audience = organisation(provider).id();
  envelope.audience_site = kSite;
  envelope.query_id = random.id<QueryId>();
  envelope.issued = node.clock().now();
  envelope.deadline = envelope.issued + seconds(10);
  envelope.agreement = target->agreement_id;
  envelope.purpose = planned->purpose;
  envelope.seal_key = security::SealPair::generate(random).public_key();
  envelope.question = canonical_bytes(*planned->members.front().question);
  return envelope;
}

void Users::send(Node& node, std::size_t to, const Envelope& envelope, const std::string& how) {
  send_bytes(node, to, signed_by(node.organisation(), envelope), how);
}

void Users::send_bytes(Node& node, std::size_t to, Bytes request, const std::string& how) {
  if (to == node.number()) return;
  context_.note(node.name(), "misuses " + organisation(to).name + ": " + how);
  sent_.push_back(request);
  if (sent_.size() > kKept) sent_.erase(sent_.begin());
  node.keep(context_.network->call(node.number(), to, Method::ask, std::move(request))
                .then([](Bytes) {}, [](kj::Exception&&) {}));
}

void Users::misuse(Node& node, Random& random) {
  const std::size_t to = random.below(context_.nodes);
  if (to == node.number()) return;
  auto envelope = prepared(node, to, random);
  if (!envelope) return;
  switch (random.below(11)) {
    case 0: {  // one id, two envelopes; sometimes of what is paid for already
      if (random.below(2) == 0) {
        Envelope before = *envelope;
        before.query_id = random.id<QueryId>();
        send(node, to, before, "the question under another id");
      }
      const auto later = [this, &node, to](std::int64_t ms, Envelope made, const char* how) {
        context_.queue.after(milliseconds(ms), [this, &node, to, made = std::move(made), how] {
          if (node.running()) send(node, to, made, how);
        });
      };
      later(500, *envelope, "one query id, first");
      envelope->seal_key = security::SealPair::generate(random).public_key();
      later(500 + static_cast<std::int64_t>(random.below(3'000)), *envelope,
            "the same query id again");
      return;
    }
    case 1:
      envelope->issued = envelope->issued - seconds(40);
      envelope->deadline = envelope->issued + seconds(20);
      return send(node, to, *envelope, "a deadline that has passed");
    case 2:
      envelope->deadline = envelope->issued + seconds(600);
      return send(node, to, *envelope, "a deadline too far away");
    case 3:
      envelope->issued = envelope->issued + minutes(5);
      envelope->deadline = envelope->issued + seconds(10);
      return send(node, to, *envelope, "issued in the future");
    case 4:
      envelope->audience = organisation((to + 1) % context_.nodes).id();
      return send(node, to, *envelope, "for another organisation");
    case 5:
      envelope->purpose = "marketing";
      return send(node, to, *envelope, "another purpose");
    case 6: {  // what it received, or what was sent to its victim by another, as it came
      const auto& heard = overheard_[random.below(3) == 0 ? node.number() : to];
      if (heard.empty()) return;
      return send_bytes(
          node, to, heard[heard.size() - 1 - random.below(std::min<std::size_t>(heard.size(), 3))],
          "another's envelope");
    }
    case 7: {
      Bytes request = signed_by(node.organisation(), *envelope);
      // Inside the body, so that the signature alone tells.
      request[request.size() / 2] ^= 1;
      return send_bytes(node, to, std::move(request), "a flipped bit");
    }
    case 8: {
      if (sent_.empty()) return;
      return send_bytes(node, to, sent_[random.below(sent_.size())], "an old envelope");
    }
    case 9: {  // signed by somebody else
      const auto other = (node.number() + 1) % context_.nodes;
      return send_bytes(node, to, signed_by(organisation(other), *envelope), "another's key");
    }
    default: {  // under terms of others, or that have ended
      const auto terms = context_.referee->terms_of(to);
      if (terms.empty()) return;
      envelope->agreement = terms[random.below(terms.size())];
      return send(node, to, *envelope, "other terms");
    }
  }
}

}  // namespace entente::simulation
