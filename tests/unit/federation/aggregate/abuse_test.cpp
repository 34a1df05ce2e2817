// Attempts to see one member's vector, or to spoil the sum unseen: privacy.md 3.5 and 2.10.
//
// Each attack is shown twice: against the sites as they are, which refuse, and with the check that
// stops it taken out of the way (the control), where it gains what it is after.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "tests/unit/federation/aggregate/cohort.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

using Secret32 = std::array<std::uint8_t, kSecretBytes>;

constexpr std::uint32_t kVictim = 4;
const std::vector<std::uint32_t> kColluders = {0, 1, 2};

// A round of ten, k = 3, t = 7, up to where all masked vectors are in.
struct Attack {
  NoNoise none;
  Cohort cohort;
  Coordinator coordinator;
  SumKeyList keys;
  std::map<std::uint32_t, SumShareList> lists;  // that each site was handed
  std::map<std::uint32_t, SumMasked> masked;
  // Which list of those who finished the shares a site is handed; none: the true one.
  using Shown = std::function<std::vector<std::uint32_t>(std::uint32_t)>;

  explicit Attack(const CohortShape& shape = {10}, const Shown& shown = {})
      : cohort(shape, none), coordinator(cohort.coordinator()) {
    REQUIRE(cohort.run_until(coordinator, RoundPhase::shares));
    keys = *sum_key_list_from_bytes(coordinator.message_for(0));
    REQUIRE(cohort.run_until(coordinator, RoundPhase::masked));
    for (const std::uint32_t member : coordinator.members()) {
      SumShareList list = *sum_share_list_from_bytes(coordinator.message_for(member));
      if (shown) {
        const auto wanted = shown(member);
        std::erase_if(list.shares, [&](const SealedShare& one) {
          return std::find(wanted.begin(), wanted.end(), one.member) == wanted.end();
        });
      }
      const auto said = cohort.reply(member, RoundPhase::masked, canonical_bytes(list));
      if (!said) FAIL(said.error().text());
      REQUIRE(coordinator.take(member, *said));
      masked[member] = *sum_masked_from_bytes(signed_from_bytes(*said)->body);
      lists[member] = std::move(list);
    }
    REQUIRE(coordinator.advance());
  }

  SumSurvivors statement(std::vector<std::uint32_t> survivors) const {
    SumSurvivors out = *sum_survivors_from_bytes(coordinator.message_for(0));
    out.survivors = std::move(survivors);
    return out;
  }
  std::vector<std::uint32_t> all() const { return coordinator.members(); }
  std::vector<std::uint32_t> all_but(std::uint32_t one) const {
    auto out = coordinator.members();
    std::erase(out, one);
    return out;
  }

  Result<Bytes> ask_consent(std::uint32_t site, const SumSurvivors& survivors) {
    return cohort.reply(site, RoundPhase::consents, canonical_bytes(survivors));
  }
  // Colluders sign anything.
  Signature signature(std::uint32_t site, const SumSurvivors& survivors) {
    const Hash256 statement = sum_survivors_hash(canonical_bytes(survivors));
    return cohort.sites[site].key.sign(kSumConsentContext, statement.view());
  }
  // The signatures over `survivors` that a coordinator gets: the colluders' and the given sites'.
  SumConsentList consents(const SumSurvivors& survivors, const std::vector<std::uint32_t>& honest) {
    std::map<std::uint32_t, Signature> all;
    for (const std::uint32_t site : kColluders) all[site] = signature(site, survivors);
    for (const std::uint32_t site : honest) {
      const auto said = ask_consent(site, survivors);
      if (!said) FAIL(said.error().text());
      all[site] = sum_consent_from_bytes(*said)->signature;
    }
    SumConsentList out{coordinator.round().proposal, {}};
    for (const auto& [site, signature] : all) out.consents.push_back({site, signature});
    return out;
  }

  // What a site holds of `member`, taken from it without asking: a site without checks.
  HeldShares taken(std::uint32_t site, std::uint32_t member) const {
    const auto& entry =
        *std::find_if(keys.entries.begin(), keys.entries.end(),
                      [&](const SumKeyList::Entry& one) { return one.member == member; });
    const auto shared = shared_secret(cohort.sites[site].random->seal_secret(), entry.seal_key);
    const auto& list = lists.at(site).shares;
    const auto sealed = std::find_if(list.begin(), list.end(),
                                     [&](const SealedShare& one) { return one.member == member; });
    return *open_shares(sealed->sealed, *shared, coordinator.round(), {member, site});
  }
  Secret32 joined(const std::vector<std::uint32_t>& sites, std::uint32_t member,
                  SecretShare HeldShares::*which) const {
    std::vector<SecretShare> shares;
    for (const std::uint32_t site : sites) shares.push_back(taken(site, member).*which);
    return *SecretJoiner(sites).join(shares);
  }

  // A masked vector with the masks taken off that these secrets give away: its own seed, and its
  // own mask key or those of others.
  std::vector<std::int64_t> opened(std::uint32_t member, ByteView seed,
                                   const std::map<std::uint32_t, Secret32>& mask_keys) const {
    std::vector<std::uint64_t> values = masked.at(member).values;
    add_mask(values, self_mask_key(seed, coordinator.round()), MaskSign::minus);
    for (const SealedShare& one : lists.at(member).shares) {
      const std::uint32_t other = one.member;
      if (other == member) continue;
      const auto own = mask_keys.find(member), theirs = mask_keys.find(other);
      if (own == mask_keys.end() && theirs == mask_keys.end()) continue;
      const std::uint32_t known = own != mask_keys.end() ? member : other;
      const std::uint32_t peer = known == member ? other : member;
      const auto shared = shared_secret(mask_keys.at(known), keys.entries[peer].mask_key);
      add_mask(values, pair_mask_key(*shared, coordinator.round()), pair_sign(other, member));
    }
    return {values.begin(), values.end()};
  }
  const std::vector<std::int64_t>& secret_of(std::uint32_t member) const {
    return cohort.sites[member].account->noisy;
  }
};

}  // namespace

TEST_SUITE("federation/aggregate abuse") {
  TEST_CASE("one member is never among the survivors for some and lost for others") {
    Attack attack;
    const SumSurvivors with = attack.statement(attack.all());
    const SumSurvivors without = attack.statement(attack.all_but(kVictim));
    // Four honest sites and three colluders are enough for one of the two, and then three honest
    // ones are left for the other.
    const auto first = attack.consents(with, {3, 4, 5, 6});
    const auto second = attack.consents(without, {7, 8, 9});
    for (const std::uint32_t site : {3U, 4U, 5U, 6U}) {
      CHECK(attack.cohort.reply(site, RoundPhase::unmasking, canonical_bytes(first)));
    }
    for (const std::uint32_t site : {7U, 8U, 9U}) {
      CHECK(code_of(attack.cohort.reply(site, RoundPhase::unmasking, canonical_bytes(second))) ==
            ErrorCode::verification_failed);
      // Nor do signatures over the other set count.
      CHECK(code_of(attack.cohort.reply(site, RoundPhase::unmasking, canonical_bytes(first))) ==
            ErrorCode::verification_failed);
    }

    // The control: sites that reveal for both give away seed and mask key, and with them all.
    const Secret32 seed = attack.joined({0, 1, 2, 3, 5, 6, 7}, kVictim, &HeldShares::seed);
    const Secret32 key = attack.joined({0, 1, 2, 5, 6, 8, 9}, kVictim, &HeldShares::key);
    CHECK(attack.opened(kVictim, seed, {{kVictim, key}}) == attack.secret_of(kVictim));
    // With one of the two it stays hidden.
    CHECK(attack.opened(kVictim, seed, {}) != attack.secret_of(kVictim));
    CHECK(attack.opened(kVictim, Bytes(32), {{kVictim, key}}) != attack.secret_of(kVictim));
  }

  TEST_CASE("a round has one set of survivors ever") {
    Attack attack;
    const SumSurvivors with = attack.statement(attack.all());
    const SumSurvivors without = attack.statement(attack.all_but(kVictim));
    for (const std::uint32_t site : {3U, 5U, 6U}) {
      REQUIRE(attack.ask_consent(site, with));
      CHECK(code_of(attack.ask_consent(site, without)) == ErrorCode::conflict);
      CHECK(attack.ask_consent(site, with));
      // Also after it forgot: what it signed is durable.
      RoundAccount& account = *attack.cohort.sites[site].account;
      CHECK(code_of(account.agree(attack.coordinator.round(),
                                  sum_survivors_hash(canonical_bytes(without)))) ==
            ErrorCode::conflict);
    }
    // The control: two unmaskings of one round differ by exactly one member's vector.
    const auto sum_of = [&](const SumSurvivors& survivors) {
      std::vector<std::uint64_t> total(attack.masked.at(0).values.size());
      for (const std::uint32_t member : survivors.survivors) {
        const auto one = attack.opened(
            member, attack.cohort.sites[member].random->seed(),
            {{kVictim, attack.joined({0, 1, 2, 5, 6, 8, 9}, kVictim, &HeldShares::key)}});
        for (std::size_t i = 0; i < total.size(); ++i) {
          total[i] += static_cast<std::uint64_t>(one[i]);
        }
      }
      return total;
    };
    const auto more = sum_of(with), less = sum_of(without);
    for (std::size_t i = 0; i < more.size(); ++i) {
      CHECK(static_cast<std::int64_t>(more[i] - less[i]) == attack.secret_of(kVictim)[i]);
    }
  }

  TEST_CASE("a coordinator that splits the list of who finished exposes nobody") {
    // n = 10, k = 1, d = 4, t = 6: five honest survivors each mask with the colluder and the four
    // who will be lost, and with nobody else.
    const std::vector<std::uint32_t> lost = {6, 7, 8, 9};
    const auto shown = [&](std::uint32_t site) {
      std::vector<std::uint32_t> list = {0, 6, 7, 8, 9};
      if (site >= 1 && site <= 5) list.push_back(site);
      if (site == 0 || site > 5) list = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
      std::sort(list.begin(), list.end());
      return list;
    };
    CohortShape shape{10};
    shape.colluders = 1;
    shape.dropouts = 4;
    Attack attack(shape, shown);
    const std::vector<std::uint32_t> alive = {0, 1, 2, 3, 4, 5};
    for (std::uint32_t site = 1; site <= 5; ++site) {
      SumSurvivors truth = attack.statement(alive);
      // All finished, as the others know: not the list this site masked with.
      CHECK(code_of(attack.ask_consent(site, truth)) == ErrorCode::verification_failed);
      // Its own list: then others' survivors never finished.
      truth.finished = shown(site);
      CHECK(code_of(attack.ask_consent(site, truth)) == ErrorCode::verification_failed);
      // A set of its own: whatever it signs, nobody else signs the same.
      truth.survivors = truth.finished;
      REQUIRE(attack.ask_consent(site, truth));
      SumConsentList signatures{attack.coordinator.round().proposal, {}};
      for (const std::uint32_t signer : truth.survivors) {
        if (signer != site && signer != 0) continue;
        signatures.consents.push_back({signer, attack.signature(signer, truth)});
      }
      CHECK(
          code_of(attack.cohort.reply(site, RoundPhase::unmasking, canonical_bytes(signatures))) ==
          ErrorCode::verification_failed);
    }

    // The control: sites that compare nothing reveal seeds of the survivors and keys of the lost,
    // as the protocol would have them, and every single vector lies open.
    std::map<std::uint32_t, Secret32> keys;
    for (const std::uint32_t member : lost) {
      keys[member] = attack.joined({0, 1, 2, 3, 4, 5}, member, &HeldShares::key);
    }
    Secret32 colluder;
    const ByteView own = attack.cohort.sites[0].random->mask_secret();
    std::copy(own.begin(), own.end(), colluder.begin());
    keys[0] = colluder;
    for (std::uint32_t site = 1; site <= 5; ++site) {
      CHECK(attack.opened(site, attack.cohort.sites[site].random->seed(), keys) ==
            attack.secret_of(site));
    }
    // With one list for all, the same secrets open nothing.
    Attack honest(shape);
    keys.clear();
    for (const std::uint32_t member : lost) {
      keys[member] = honest.joined({0, 1, 2, 3, 4, 5}, member, &HeldShares::key);
    }
    CHECK(honest.opened(1, honest.cohort.sites[1].random->seed(), keys) != honest.secret_of(1));
  }

  TEST_CASE("survivors must be enough and among those who finished and include the site") {
    Attack attack;
    const auto refused = [&](std::vector<std::uint32_t> survivors) {
      return code_of(attack.ask_consent(kVictim, attack.statement(std::move(survivors))));
    };
    CHECK(refused({0, 1, 2, 3, 4, 5, 6, 7}) == ErrorCode::shape_refused);  // n - d are nine
    CHECK(refused(attack.all_but(kVictim)) == ErrorCode::shape_refused);
    SumSurvivors beyond = attack.statement(attack.all());
    beyond.survivors.push_back(10);
    CHECK(code_of(attack.ask_consent(kVictim, beyond)) == ErrorCode::verification_failed);
    SumSurvivors elsewhere = attack.statement(attack.all());
    elsewhere.proposal.bytes[0] ^= 1;
    CHECK(code_of(attack.ask_consent(kVictim, elsewhere)) == ErrorCode::verification_failed);
    CHECK(attack.ask_consent(kVictim, attack.statement(attack.all())));
  }

  TEST_CASE("too few or repeated or stale signatures unmask nothing") {
    Attack attack;
    const SumSurvivors survivors = attack.statement(attack.all());
    const auto enough = attack.consents(survivors, {3, 4, 5, 6});
    REQUIRE(enough.consents.size() == 7);
    const auto refused = [&](SumConsentList list) {
      return code_of(attack.cohort.reply(3, RoundPhase::unmasking, canonical_bytes(list))) ==
             ErrorCode::verification_failed;
    };
    SumConsentList list = enough;
    list.consents.pop_back();
    CHECK(refused(list));
    // One signature under other names.
    list = enough;
    list.consents.back() = {9, list.consents.front().signature};
    CHECK(refused(list));
    // A signature of an earlier round over its survivors.
    Attack earlier;
    list = enough;
    list.consents.back().signature =
        earlier.signature(6, earlier.statement(earlier.all_but(kVictim)));
    CHECK(refused(list));
    // Somebody who is no survivor.
    list = enough;
    list.consents.back() = {12, list.consents.back().signature};
    CHECK(refused(list));
    list = enough;
    list.proposal.bytes[3] ^= 1;
    CHECK(refused(list));
    CHECK(attack.cohort.reply(3, RoundPhase::unmasking, canonical_bytes(enough)));
  }

  TEST_CASE("a replayed round is not joined again also after a restart") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::masked));
    const Bytes proposal = cohort.coordinator().message_for(0);
    const Bytes shares = coordinator.message_for(1);
    cohort.sites[1].part.reset();  // the process ended: its secrets are gone
    CHECK(code_of(cohort.join(1, proposal)) == ErrorCode::replayed);
    CHECK(cohort.sites[1].account->charges == 0);
    // The others go on without it.
    const auto sum =
        cohort.run(coordinator, [](RoundPhase, std::uint32_t member) { return member == 1; });
    REQUIRE(sum);
    CHECK(sum->values == cohort.plain_sum({0, 2, 3}));
    // The control: an account that forgets joins it again, with other keys for one round.
    MemoryAccount forgetful(none);
    RecordingRandom random(99);
    CHECK(SitePart::join(cohort.terms(1), proposal,
                         {cohort.clock, random, cohort.sites[1].key, forgetful}));
  }

  TEST_CASE("a retry draws anew where one noisy vector used twice would lie open") {
    SeededRandom stream(8);
    security::ExactNoise noise(stream);
    // The same members ask the same twice; one is lost the first time.
    const auto run = [&](Cohort& cohort, bool lost) {
      Coordinator coordinator = cohort.coordinator();
      const auto sum = cohort.run(coordinator, [&](RoundPhase phase, std::uint32_t member) {
        return lost && phase >= RoundPhase::masked && member == kVictim;
      });
      if (!sum) FAIL(sum.error().text());
      return sum->values;
    };
    Cohort cohort({10, 1, {{0, 2'000, 90'000, 0}}, {}, {}, 4}, noise);
    const auto without = run(cohort, true);
    std::vector<std::vector<std::int64_t>> first;
    for (const auto& site : cohort.sites) first.push_back(site.account->noisy);
    cohort.proposal().round = cohort.random().id<RoundId>();
    const auto with = run(cohort, false);
    const auto& victim = *cohort.sites[kVictim].account;
    double distance = 0;
    std::vector<std::int64_t> reused(with.size());
    for (std::size_t i = 0; i < with.size(); ++i) {
      const auto apart = static_cast<double>(with[i] - without[i] - victim.noisy[i]);
      distance += apart * apart / static_cast<double>(with.size());
      // The control: had all sent x + z again, the difference would be the victim's own.
      for (std::size_t m = 0; m < first.size(); ++m) {
        if (m == kVictim) continue;
        reused[i] += first[m][i];
      }
      CHECK(reused[i] == without[i]);
      CHECK(reused[i] + victim.noisy[i] - without[i] == victim.noisy[i]);
    }
    // Nine members' noise twice lies between the difference and the victim's vector.
    const auto share = static_cast<double>(cohort.proposal().layout.coordinates[0].share_variance);
    CHECK(distance == doctest::Approx(18 * share).epsilon(0.15));
    for (const auto& site : cohort.sites) CHECK(site.account->charges <= 2);
    CHECK(cohort.sites[0].account->charges == 2);
  }

  TEST_CASE("a share flipped on the way is found by the site that opens it") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::masked));
    const SumShareList good = *sum_share_list_from_bytes(coordinator.message_for(2));
    for (const std::size_t from : {0U, 1U, 3U}) {
      SumShareList bad = good;
      bad.shares[from].sealed[17] ^= 4;
      CHECK(code_of(cohort.reply(2, RoundPhase::masked, canonical_bytes(bad))) ==
            ErrorCode::verification_failed);
      // Another member's under this one's name.
      bad = good;
      bad.shares[from].sealed = good.shares[from == 0 ? 1 : 0].sealed;
      CHECK(code_of(cohort.reply(2, RoundPhase::masked, canonical_bytes(bad))) ==
            ErrorCode::verification_failed);
    }
    CHECK(cohort.sites[2].account->charges == 0);
    CHECK(cohort.reply(2, RoundPhase::masked, canonical_bytes(good)));
  }

  TEST_CASE("a share revealed wrongly never gives a wrong sum") {
    NoNoise none;
    for (const bool spare : {false, true}) {
      CAPTURE(spare);
      Cohort cohort({10}, none);
      Coordinator coordinator = cohort.coordinator();
      // Either exactly the threshold reveal, or all nine: then the rest outweighs one liar.
      const auto lost = [&](RoundPhase phase, std::uint32_t member) {
        return (phase >= RoundPhase::masked && member == 9) ||
               (!spare && phase == RoundPhase::unmasking && member >= 7);
      };
      REQUIRE(cohort.run_until(coordinator, RoundPhase::unmasking, lost));
      for (const std::uint32_t member : coordinator.members()) {
        if (lost(RoundPhase::unmasking, member)) continue;
        auto said = cohort.reply(member, RoundPhase::unmasking, coordinator.message_for(member));
        REQUIRE(said);
        if (member == 3) {
          SumUnmasking lie = *sum_unmasking_from_bytes(signed_from_bytes(*said)->body);
          lie.seed_shares[0].bytes[2] ^= 1;
          lie.key_shares[0].bytes[33] ^= 1;
          *said = to_wire_bytes(
              security::sign_body(cohort.sites[3].key, kSumUnmaskingContext, canonical_bytes(lie)));
        }
        REQUIRE(coordinator.take(member, *said));
      }
      REQUIRE(coordinator.advance());
      const auto sum = coordinator.sum();
      if (spare) {
        REQUIRE(sum);
        CHECK(sum->values == cohort.plain_sum({0, 1, 2, 3, 4, 5, 6, 7, 8}));
      } else {
        CHECK(code_of(sum) == ErrorCode::verification_failed);
      }
    }
    // The control: shares joined without a commitment give something, and it is wrong.
    SeededRandom random(2);
    Secret32 secret;
    random.fill(secret);
    auto shares = split_secret(secret, 3, 3, random);
    shares[1].bytes[0] ^= 1;
    const std::vector<std::uint32_t> holders = {0, 1, 2};
    const auto joined = SecretJoiner(holders).join(shares);
    CHECK((!joined || *joined != secret));
  }

  TEST_CASE("keys that nobody signed or that stand twice are refused") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::shares));
    const SumKeyList good = *sum_key_list_from_bytes(coordinator.message_for(0));
    // The coordinator's own pair in a member's place would let it take that mask off.
    RecordingRandom random(5);
    Bytes own(32, 9);
    SumKeyList bad = good;
    bad.entries[2].mask_key = exchange_key_of(own);
    const auto refused = [&](const SumKeyList& list) {
      return code_of(cohort.reply(1, RoundPhase::shares, canonical_bytes(list)));
    };
    CHECK(refused(bad) == ErrorCode::verification_failed);
    bad = good;
    bad.entries[3].mask_key = bad.entries[2].mask_key;
    CHECK(refused(bad) == ErrorCode::verification_failed);
    bad = good;
    bad.entries.resize(2);
    CHECK(refused(bad) == ErrorCode::shape_refused);
    bad = good;
    std::erase_if(bad.entries, [](const auto& one) { return one.member == 1; });
    CHECK(refused(bad) == ErrorCode::verification_failed);
    bad = good;
    bad.entries[3].member = 7;
    CHECK(refused(bad) == ErrorCode::shape_refused);
    CHECK(cohort.reply(1, RoundPhase::shares, canonical_bytes(good)));
    // The coordinator does not pass on one key under two names either.
    Coordinator other = cohort.coordinator();
    const SumKeys keys{other.round().proposal, 0, good.entries[0].mask_key,
                       good.entries[0].mask_key};
    const auto twice = to_wire_bytes(
        security::sign_body(cohort.sites[0].key, kSumKeysContext, canonical_bytes(keys)));
    CHECK(code_of(other.take(0, twice)) == ErrorCode::verification_failed);
  }
}
