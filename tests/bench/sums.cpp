// What a round of secure aggregation costs one site: CPU and bytes, by members and cells.
//
// One real site takes all five steps; its peers are made up as far as it can see: keys and
// signatures are real, the shares they seal to it are random, since it cannot read their
// polynomials. Floors of the same run: two X25519 exchanges and one stream of ChaCha20 a peer,
// which pairwise masks cannot do without; and, besides, the site's own shares and the signatures
// that the protocol has it check, each measured alone. `--whole N` runs a whole round of N sites,
// one of them lost, holds the result against the plain sum, and says what the coordinator pays.
#include <sodium.h>

#include <CLI/CLI.hpp>
#include <numeric>

#include "federation/aggregate/coordinator.h"
#include "federation/aggregate/site_part.h"
#include "schemas/base/clock.h"
#include "schemas/envelope.h"
#include "tests/bench/report.h"

namespace {

using namespace entente;
using namespace entente::federation;

class NoNoise final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t) override { return 0; }
  std::int64_t laplace(std::uint64_t) override { return 0; }
};

// Durable nowhere: what the disk costs is measured by `ask`.
class BareAccount final : public RoundAccount {
 public:
  BareAccount(std::vector<std::int64_t> exact, security::NoiseSource& noise)
      : exact_(std::move(exact)), noise_(noise) {}
  Outcome open(const RoundContext&, Instant) override { return {}; }
  Result<Bytes> release(const RoundContext&, const SumLayout& layout, const Mask& mask) override {
    return mask(noisy_share(layout, exact_, noise_));
  }
  Outcome agree(const RoundContext&, const Hash256&) override { return {}; }
  const std::vector<std::int64_t>& exact() const { return exact_; }

 private:
  std::vector<std::int64_t> exact_;
  security::NoiseSource& noise_;
};

constexpr std::uint64_t kVariance = std::uint64_t{1} << 24;

struct Peers {
  SumProposal proposal;
  std::vector<security::SigningKey> signing;
  security::SigningKey coordinator;
  SiteTerms terms;  // of member 0

  Peers(std::uint32_t members, std::uint32_t cells, Random& random, const Clock& clock)
      : coordinator(security::SigningKey::generate(random)) {
    const RoundNumbers numbers = *usual_numbers(members);
    proposal.round = random.id<RoundId>();
    proposal.coordinator = random.id<OrgId>();
    proposal.colluders = numbers.colluders;
    proposal.dropouts = numbers.dropouts;
    proposal.threshold = numbers.threshold;
    proposal.issued = clock.now();
    proposal.deadline = proposal.issued + federation::limits::kRoundLife;
    proposal.layout = {cells, {{0, 1, kVariance, *share_variance(kVariance, numbers)}}};
    for (std::uint32_t i = 0; i < members; ++i) {
      signing.push_back(security::SigningKey::generate(random));
      proposal.members.push_back(
          {random.id<OrgId>(), "main", signing.back().public_key(), random.id<Hash256>()});
      terms.pinned[proposal.members[i].organisation] = {signing.back().public_key()};
    }
    terms.site = "main";
    terms.coordinator = proposal.coordinator;
    terms.coordinator_key = coordinator.public_key();
    terms.layout = proposal.layout;
  }
  SiteTerms terms_of(std::uint32_t member) const {
    SiteTerms out = terms;
    out.self = proposal.members[member].organisation;
    out.question = proposal.members[member].question;
    return out;
  }
};

struct Cost {
  double cpu_us = 0, floor_us = 0, full_floor_us = 0, bytes = 0;
};

template <class Work>
double timed(Work&& work) {
  const double begin = bench::cpu_us();
  work();
  return bench::cpu_us() - begin;
}

// The peers' key list and what they seal to member 0; their secrets are forgotten.
struct MadeUp {
  SumKeyList keys;
  SumShareList shares;
};
MadeUp made_up(const Peers& peers, const RoundContext& round, const SumKeys& own,
               const Signature& own_signature, Random& random) {
  MadeUp out{{round.proposal, {}}, {round.proposal, {}}};
  for (std::uint32_t i = 0; i < peers.signing.size(); ++i) {
    if (i == 0) {
      out.keys.entries.push_back({0, own.mask_key, own.seal_key, own_signature});
      out.shares.shares.push_back({0, {}});
      continue;
    }
    std::array<std::uint8_t, 32> mask, seal;
    random.fill(mask);
    random.fill(seal);
    const SumKeys keys{round.proposal, i, exchange_key_of(mask), exchange_key_of(seal)};
    out.keys.entries.push_back({i, keys.mask_key, keys.seal_key,
                                peers.signing[i].sign(kSumKeysContext, canonical_bytes(keys))});
    HeldShares shares;
    random.fill(shares.seed.bytes);
    random.fill(shares.key.bytes);
    out.shares.shares.push_back(
        {i, seal_shares(shares, *shared_secret(seal, own.seal_key), round, {i, 0})});
  }
  return out;
}

void measure_floors(const Peers& peers, std::uint32_t cells, const MadeUp& made, Random& random,
                    Cost& cost) {
  const std::size_t others = peers.signing.size() - 1;
  std::array<std::uint8_t, 32> secret, out;
  random.fill(secret);
  std::vector<std::uint64_t> stream(cells);
  auto* const bytes = reinterpret_cast<std::uint8_t*>(stream.data());
  const std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> nonce{};
  cost.floor_us = timed([&] {
    for (std::size_t i = 0; i < others; ++i) {
      const auto& entry = made.keys.entries[i + 1];
      if (crypto_scalarmult(out.data(), secret.data(), entry.mask_key.bytes.data()) != 0) return;
      if (crypto_scalarmult(out.data(), secret.data(), entry.seal_key.bytes.data()) != 0) return;
      crypto_stream_chacha20(bytes, 8 * stream.size(), nonce.data(), out.data());
    }
  });
  const Bytes body = canonical_bytes(
      SumKeys{made.keys.proposal, 1, made.keys.entries[1].mask_key, made.keys.entries[1].seal_key});
  cost.full_floor_us =
      cost.floor_us + timed([&] {
        for (int i = 0; i < 2; ++i) {
          (void)split_secret(secret, peers.signing.size(), peers.proposal.threshold, random);
        }
        for (std::size_t i = 0; i < peers.signing.size() + peers.proposal.threshold; ++i) {
          (void)security::verify(peers.signing[1].public_key(), kSumKeysContext, body,
                                 made.keys.entries[1].signature);
        }
      });
}

Cost one_site(std::uint32_t members, std::uint32_t cells, Random& random) {
  const SystemClock clock;
  const Peers peers(members, cells, random, clock);
  security::ExactNoise noise(random);
  BareAccount account(std::vector<std::int64_t>(cells, 1), noise);
  Cost cost;
  const Bytes proposal = to_wire_bytes(
      security::sign_body(peers.coordinator, kSumProposalContext, canonical_bytes(peers.proposal)));
  std::unique_ptr<SitePart> part;
  const auto step = [&](const Bytes& message, auto&& take) {
    Bytes reply;
    cost.cpu_us += timed([&] { reply = take(message); });
    cost.bytes += static_cast<double>(message.size() + reply.size());
    return reply;
  };
  const Bytes keys = step(proposal, [&](const Bytes& message) {
    part = *SitePart::join(peers.terms_of(0), message, {clock, random, peers.signing[0], account});
    return part->keys();
  });
  const Signed own = *signed_from_bytes(keys);
  const MadeUp made =
      made_up(peers, part->round(), *sum_keys_from_bytes(own.body), own.signature, random);
  step(canonical_bytes(made.keys), [&](const Bytes& message) { return *part->share(message); });
  step(canonical_bytes(made.shares), [&](const Bytes& message) { return *part->mask(message); });
  SumSurvivors survivors{part->round().proposal, std::vector<std::uint32_t>(members), {}};
  std::iota(survivors.finished.begin(), survivors.finished.end(), 0U);
  survivors.survivors = survivors.finished;
  const Bytes statement = canonical_bytes(survivors);
  step(statement, [&](const Bytes& message) { return *part->consent(message); });
  SumConsentList consents{part->round().proposal, {}};
  for (std::uint32_t i = 0; i < members; ++i) {
    consents.consents.push_back(
        {i, peers.signing[i].sign(kSumConsentContext, sum_survivors_hash(statement).view())});
  }
  step(canonical_bytes(consents), [&](const Bytes& message) { return *part->unmask(message); });
  measure_floors(peers, cells, made, random, cost);
  return cost;
}

// A whole round with its last member lost after its shares. False: the sum is wrong.
bool whole_round(std::uint32_t members, std::uint32_t cells, Random& random,
                 bench::Report& report) {
  const SystemClock clock;
  Peers peers(members, cells, random, clock);
  NoNoise none;
  Coordinator coordinator = *Coordinator::make(peers.proposal, peers.coordinator);
  std::vector<std::unique_ptr<BareAccount>> accounts;
  std::vector<std::unique_ptr<SitePart>> parts;
  std::vector<std::int64_t> plain(cells);
  const std::uint32_t lost = peers.proposal.dropouts > 0 ? members - 1 : members;
  double sites_us = 0, coordinator_us = 0;
  // The sites run one after the other here: time would be up before the last.
  ManualClock still(clock.now());
  for (std::uint32_t i = 0; i < members; ++i) {
    std::vector<std::int64_t> exact(cells);
    for (std::int64_t& one : exact) one = static_cast<std::int64_t>(random.below(1'000'000));
    for (std::uint32_t c = 0; c < cells && i != lost; ++c) plain[c] += exact[c];
    accounts.push_back(std::make_unique<BareAccount>(std::move(exact), none));
  }
  parts.resize(members);
  for (bool last = false; !last;) {
    const RoundPhase phase = coordinator.phase();
    last = phase == RoundPhase::unmasking;
    for (const std::uint32_t member : coordinator.members()) {
      if (member == lost && phase >= RoundPhase::masked) continue;
      Bytes message, reply;
      coordinator_us += timed([&] { message = coordinator.message_for(member); });
      sites_us += timed([&] {
        auto& part = parts[member];
        if (phase == RoundPhase::keys) {
          part = *SitePart::join(peers.terms_of(member), message,
                                 {still, random, peers.signing[member], *accounts[member]});
          reply = part->keys();
        } else if (phase == RoundPhase::shares) {
          reply = *part->share(message);
        } else if (phase == RoundPhase::masked) {
          reply = *part->mask(message);
        } else if (phase == RoundPhase::consents) {
          reply = *part->consent(message);
        } else {
          reply = *part->unmask(message);
        }
      });
      coordinator_us += timed([&] { coordinator.take(member, reply).value(); });
    }
    coordinator_us += timed([&] { coordinator.advance().value(); });
  }
  std::vector<std::int64_t> sum;
  const double unmask_us = timed([&] { sum = coordinator.sum()->values; });
  std::printf(
      "whole round of %u, one lost, %u cells: %s; a site %.1f ms, the coordinator %.1f ms "
      "and %.1f ms to unmask\n",
      members, cells, sum == plain ? "equal to the plain sum" : "WRONG", sites_us / members / 1e3,
      coordinator_us / 1e3, unmask_us / 1e3);
  report.figure("whole_" + std::to_string(members) + "_coordinator_ms",
                (coordinator_us + unmask_us) / 1e3);
  return sum == plain;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"CPU and bytes of secure aggregation at one site"};
  int rounds = 5;
  std::vector<std::uint32_t> members = {3, 10, 100, 1'000}, cells = {1, 64, 1'024};
  std::vector<std::uint32_t> whole = {3, 10, 100};
  app.add_option("--rounds", rounds, "how often each row is measured");
  app.add_option("--members", members, "numbers of sites")->delimiter(',');
  app.add_option("--cells", cells, "numbers of cells")->delimiter(',');
  app.add_option("--whole", whole, "numbers of sites of whole rounds")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  ensure_sodium();
  SystemRandom random;
  bench::Report report("sums");
  std::printf("%8s %7s %12s %12s %14s %7s %22s %7s\n", "members", "cells", "CPU ms", "bytes",
              "X25519+ChaCha20", "ratio", "+ shares + signatures", "ratio");
  double worst = 0, worst_floor = 0;
  for (const std::uint32_t n : members) {
    for (const std::uint32_t c : cells) {
      std::vector<double> cpu, floor, full, bytes;
      for (int i = 0; i < rounds; ++i) {
        const Cost cost = one_site(n, c, random);
        cpu.push_back(cost.cpu_us / 1e3);
        floor.push_back(cost.floor_us / 1e3);
        full.push_back(cost.full_floor_us / 1e3);
        bytes.push_back(cost.bytes);
      }
      const double own = bench::spread_of(cpu).median, least = bench::spread_of(floor).median;
      const double all = bench::spread_of(full).median, sent = bench::spread_of(bytes).median;
      std::printf("%8u %7u %12.3f %12.0f %14.3f %7.2f %22.3f %7.2f\n", n, c, own, sent, least,
                  own / least, all, own / all);
      const std::string name = std::to_string(n) + "x" + std::to_string(c);
      report.figure(name + "_cpu_ms", own);
      report.figure(name + "_bytes", sent);
      report.figure(name + "_ratio_to_x25519_chacha20", own / least);
      report.figure(name + "_ratio_with_shares_and_signatures", own / all);
      worst = own, worst_floor = all;
    }
  }
  bool right = true;
  for (const std::uint32_t n : whole) right = whole_round(n, cells.back(), random, report) && right;
  report.floor("last_row_x25519_chacha20_shares_signatures_ms", worst_floor, worst / worst_floor);
  report.print();
  return right ? 0 : 1;
}
