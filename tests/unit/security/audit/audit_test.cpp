#include "security/audit/audit.h"

#include <doctest/doctest.h>

#include <functional>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

namespace {

AuditRecord random_record(Random& random) {
  AuditRecord out;
  out.sequence = 1 + random.below(1'000'000);
  out.time = {static_cast<std::int64_t>(random.u64() >> 1)};
  out.actor = random.below(2) == 0 ? "user:ann" : "organisation:" + random.id<OrgId>().hex();
  out.action = "release";
  out.object = random.below(2) == 0 ? "" : "export air, Zürich";
  out.outcome = static_cast<AuditOutcome>(random.below(4));
  for (auto i = random.below(4); i > 0; --i) {
    out.detail.insert(out.detail.begin(), {"field" + std::to_string(i), std::to_string(i * 7)});
  }
  return out;
}

struct Log {
  std::vector<AuditEntry> entries;
  AuditHead head;
};

Log make_log(Random& random, std::size_t size) {
  Log out;
  AuditChain chain;
  for (std::size_t i = 0; i < size; ++i) {
    Bytes record = *chain.append(random_record(random));
    out.entries.push_back({std::move(record), chain.head().link});
  }
  out.head = chain.head();
  return out;
}

// As somebody with the whole database would: records rewritten with fitting numbers and links.
void forge_links(std::vector<AuditEntry>& entries) {
  AuditChain chain;
  for (AuditEntry& entry : entries) {
    entry.record = *chain.append(*audit_record_from_bytes(entry.record));
    entry.link = chain.head().link;
  }
}

}  // namespace

TEST_SUITE("security/audit") {
  TEST_CASE("records survive their encoding, whatever the order of their detail") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      AuditRecord record = random_record(random);
      const Bytes bytes = canonical_bytes(record);
      const auto back = audit_record_from_bytes(bytes);
      REQUIRE(back);
      CHECK(*back == record);
      std::reverse(record.detail.begin(), record.detail.end());
      CHECK(canonical_bytes(record) == bytes);
    }
  }

  TEST_CASE("damaged records are refused or read as other records") {
    SeededRandom random(9);
    AuditRecord record = random_record(random);
    record.detail = {{"a", "1"}, {"b", "2"}};
    const Bytes good = canonical_bytes(record);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      CAPTURE(bit);
      Bytes bad = good;
      bad[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
      const auto result = audit_record_from_bytes(bad);
      if (result) CHECK_FALSE(*result == record);
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      CHECK_FALSE(audit_record_from_bytes(ByteView(good).first(size)));
    }
    const std::pair<const char*, std::function<void(AuditRecord&)>> cases[] = {
        {"sequence", [](AuditRecord& r) { r.sequence = 0; }},
        {"actor", [](AuditRecord& r) { r.actor = ""; }},
        {"action", [](AuditRecord& r) { r.action = "Not An Id"; }},
        {"object", [](AuditRecord& r) { r.object = "two\nlines"; }},
        {"outcome", [](AuditRecord& r) { r.outcome = static_cast<AuditOutcome>(9); }},
        {"detail", [](AuditRecord& r) { r.detail = {{"a", "1"}, {"a", "2"}}; }},
        {"detail", [](AuditRecord& r) { r.detail.resize(33); }},
        {"size", [](AuditRecord& r) { r.object = std::string(20'000, 'x'); }},
    };
    for (const auto& [field, spoil] : cases) {
      CAPTURE(std::string(field));
      AuditRecord bad = record;
      spoil(bad);
      const auto result = audit_record_from_bytes(canonical_bytes(bad));
      REQUIRE_FALSE(result);
      CHECK(result.error().what.find(field) != std::string::npos);
    }
  }

  TEST_CASE("an untouched log verifies against its head and against every earlier head") {
    SeededRandom random(1);
    const Log log = make_log(random, 30);
    CHECK(verify_log(log.entries, log.head));
    CHECK(verify_log(log.entries, {}));
    for (std::size_t n = 1; n <= 30; ++n) {
      CHECK(verify_log(log.entries, {n, log.entries[n - 1].link}));
    }
    CHECK(verify_log({}, {}));
  }

  TEST_CASE("edited, dropped, reordered, inserted and cut records are found, wherever they are") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Log log = make_log(random, 12);
      const std::size_t at = random.below(11);
      CAPTURE(at);
      const std::pair<const char*, std::function<void(std::vector<AuditEntry>&)>> attacks[] = {
          {"edit",
           [&](auto& e) {
             AuditRecord record = *audit_record_from_bytes(e[at].record);
             record.object += "!";
             e[at].record = canonical_bytes(record);
           }},
          {"edit link", [&](auto& e) { e[at].link.bytes[0] ^= 1; }},
          {"drop", [&](auto& e) { e.erase(e.begin() + static_cast<long>(at)); }},
          {"swap", [&](auto& e) { std::swap(e[at], e[at + 1]); }},
          {"insert", [&](auto& e) { e.insert(e.begin() + static_cast<long>(at), e[at]); }},
          {"cut", [&](auto& e) { e.resize(at); }},
          {"empty", [&](auto& e) { e.clear(); }},
      };
      for (const auto& [name, attack] : attacks) {
        CAPTURE(std::string(name));
        auto entries = log.entries;
        attack(entries);
        const auto plain = verify_log(entries, log.head);
        REQUIRE_FALSE(plain);
        CHECK(plain.error().code == ErrorCode::verification_failed);
      }
      auto rewritten = log.entries;
      attacks[0].second(rewritten);
      forge_links(rewritten);
      CHECK(verify_log(rewritten, {}));  // a log that fits itself proves nothing alone …
      CHECK_FALSE(verify_log(rewritten, log.head));  // … the head from elsewhere does
      auto dropped = log.entries;
      attacks[2].second(dropped);
      forge_links(dropped);
      CHECK_FALSE(verify_log(dropped, log.head));
    }
  }

  TEST_CASE("the refusal names the first bad record") {
    SeededRandom random(3);
    Log log = make_log(random, 9);
    log.entries[4].record[8] ^= 1;
    const auto result = verify_log(log.entries, log.head);
    REQUIRE_FALSE(result);
    CHECK(result.error().what.find("audit record 5") != std::string::npos);
  }

  TEST_CASE("an append that was undone leaves no trace in the chain") {
    SeededRandom random(4);
    AuditChain chain, twin;
    const AuditRecord one = random_record(random), two = random_record(random);
    REQUIRE(chain.append(one));
    REQUIRE(twin.append(one));
    const AuditHead before = chain.head();
    REQUIRE(chain.append(two));
    chain.restore(before);
    CHECK(*chain.append(one) == *twin.append(one));
    CHECK(chain.head() == twin.head());
  }

  TEST_CASE("a record that no verifier would read is not appended") {
    AuditChain chain;
    AuditRecord record{0, {}, "user:ann", "release", "a\nb", AuditOutcome::done, {}};
    CHECK_FALSE(chain.append(record));
    CHECK(chain.head() == AuditHead{});
    record.object = "a";
    CHECK(chain.append(record));
  }
}
