#include "security/policy/bearer_token.h"

#include <cjose/cjose.h>
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "schemas/base/bytes.h"
#include "security/policy/policy.h"

using namespace entente;
using namespace entente::security;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};
constexpr std::int64_t kSecond = 1'750'000'000;

using Jwk = std::unique_ptr<cjose_jwk_t, decltype(&cjose_jwk_release)>;

Jwk elliptic(const char* id, cjose_jwk_ec_curve curve = CJOSE_JWK_EC_P_256) {
  cjose_err fault{};
  Jwk key(cjose_jwk_create_EC_random(curve, &fault), &cjose_jwk_release);
  REQUIRE(key);
  REQUIRE(cjose_jwk_set_kid(key.get(), id, std::string_view(id).size(), &fault));
  return key;
}
Jwk rsa(const char* id, std::size_t bits = 2'048) {
  const std::uint8_t exponent[] = {1, 0, 1};
  cjose_err fault{};
  Jwk key(cjose_jwk_create_RSA_random(bits, exponent, sizeof exponent, &fault), &cjose_jwk_release);
  REQUIRE(key);
  REQUIRE(cjose_jwk_set_kid(key.get(), id, std::string_view(id).size(), &fault));
  return key;
}

std::string json_of(const Jwk& key, bool with_private = false) {
  cjose_err fault{};
  char* text = cjose_jwk_to_json(key.get(), with_private, &fault);
  std::string out(text);
  std::free(text);
  return out;
}

std::string signed_by(const Jwk& key, const std::map<std::string, std::string>& header,
                      const std::string& claims) {
  cjose_err fault{};
  cjose_header_t* head = cjose_header_new(&fault);
  for (const auto& [name, value] : header) {
    REQUIRE(cjose_header_set(head, name.c_str(), value.c_str(), &fault));
  }
  cjose_jws_t* jws = cjose_jws_sign(
      key.get(), head, reinterpret_cast<const std::uint8_t*>(claims.data()), claims.size(), &fault);
  CAPTURE(fault.message);
  REQUIRE(jws != nullptr);
  const char* text = nullptr;
  REQUIRE(cjose_jws_export(jws, &text, &fault));
  std::string out(text);
  cjose_jws_release(jws);
  cjose_header_release(head);
  return out;
}

// Claims of a good token, some of them replaced; an empty text leaves one out.
std::string claims(const std::map<std::string, std::string>& other = {}) {
  std::map<std::string, std::string> all = {{"iss", "\"https://login.example\""},
                                            {"aud", "\"entente\""},
                                            {"exp", std::to_string(kSecond + 300)},
                                            {"iat", std::to_string(kSecond - 5)},
                                            {"email", "\"ann@works.example\""}};
  for (const auto& [name, value] : other) all[name] = value;
  std::string out;
  for (const auto& [name, value] : all) {
    if (!value.empty()) out += (out.empty() ? "{\"" : ",\"") + name + "\":" + value;
  }
  return out + "}";
}

struct World {
  Jwk first = elliptic("one"), second = rsa("two");
  BearerKeys keys =
      *BearerKeys::from_jwks("{\"keys\":[" + json_of(first) + "," + json_of(second) + "]}");
  OidcRules rules{
      "https://login.example",       "entente", {"ES256", "RS256", "PS256"}, "email", seconds(60),
      {{"ann@works.example", "ann"}}};

  std::string token(const std::map<std::string, std::string>& other = {}) const {
    return signed_by(first, {{"alg", "ES256"}, {"kid", "one"}}, claims(other));
  }
  // Empty when it is accepted, else why not.
  std::string refusal(const std::string& token, Instant now = kNow) const {
    const auto got = verify_bearer(rules, keys, token, now);
    if (got) return "";
    CHECK(got.error().code == ErrorCode::unauthenticated);
    return got.error().what;
  }
};

bool has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  return text.find(part) != std::string::npos;
}

std::string encoded(const std::string& text) {
  return to_base64url(bytes_of(text));
}

}  // namespace

TEST_SUITE("security/bearer_token") {
  TEST_CASE("a token signed by a key of the set says who its bearer is here and until when") {
    const World world;
    const auto got = verify_bearer(world.rules, world.keys, world.token(), kNow);
    REQUIRE(got);
    CHECK(got->user == "ann");
    CHECK(got->expires == kNow + seconds(360));
    for (const char* algorithm : {"RS256", "PS256"}) {
      CAPTURE(algorithm);
      CHECK(world.refusal(
                signed_by(world.second, {{"alg", algorithm}, {"kid", "two"}}, claims())) == "");
    }
    CHECK(world.refusal(world.token({{"aud", R"(["other","entente"])"}})) == "");
  }

  TEST_CASE("a token with other claims than the rules ask for is refused and the log says why") {
    const World world;
    const auto second = [](std::int64_t at) { return std::to_string(kSecond + at); };
    const std::tuple<const char*, const char*, std::string> cases[] = {
        {"another issuer", "iss", "\"https://evil.example\""},
        {"another issuer", "iss", ""},
        {"another audience", "aud", "\"other\""},
        {"another audience", "aud", "[]"},
        {"another audience", "aud", ""},
        {"when it expires", "exp", ""},
        {"when it expires", "exp", "\"soon\""},
        {"when it expires", "exp", "1e300"},
        {"expired", "exp", second(-61)},
        {"expired", "exp", second(-60)},
        {"not valid yet", "nbf", second(62)},
        {"not valid yet", "iat", second(62)},
        {"not valid yet", "nbf", "\"now\""},
        {"no text email", "email", ""},
        {"no text email", "email", "[\"ann@works.example\"]"},
        {"nobody here", "email", "\"eve@works.example\""},
        {"did not verify", "email_verified", "false"},
    };
    for (const auto& [why, name, value] : cases) {
      CHECK(has(world.refusal(world.token({{name, value}})), why));
    }
    // Within the skew of the clocks.
    CHECK(world.refusal(world.token({{"exp", second(-59)}})) == "");
    CHECK(world.refusal(world.token({{"nbf", second(60)}})) == "");
  }

  TEST_CASE("a signature that is not by the named key under its own algorithm is refused") {
    const World world;
    const Jwk stranger = elliptic("one"), third = elliptic("three");
    CHECK(has(world.refusal(signed_by(stranger, {{"alg", "ES256"}, {"kid", "one"}}, claims())),
              "signature"));
    CHECK(has(world.refusal(signed_by(third, {{"alg", "ES256"}, {"kid", "three"}}, claims())),
              "none of the provider's keys"));
    CHECK(has(world.refusal(signed_by(world.first, {{"alg", "ES256"}}, claims())),
              "none of the provider's keys"));
    CHECK(has(world.refusal(signed_by(world.first, {{"alg", "ES256"}, {"kid", "two"}}, claims())),
              "not its key's"));
    // The policy's list, not the token, says what counts.
    CHECK(has(world.refusal(signed_by(world.second, {{"alg", "RS512"}, {"kid", "two"}}, claims())),
              "does not allow"));
    const std::string good = world.token();
    for (const std::size_t at : {good.find('.') + 3, good.rfind('.') + 3}) {
      std::string bent = good;
      bent[at] = bent[at] == 'A' ? 'B' : 'A';
      CHECK(world.refusal(bent) != "");
    }
  }

  TEST_CASE("no algorithm without a public key counts however the token is made") {
    const World world;
    const std::string body = encoded(claims());
    for (const char* head : {R"({"alg":"none"})", R"({"alg":"None","kid":"one"})",
                             R"({"alg":"","kid":"one"})", R"({"kid":"one"})", "{}"}) {
      CAPTURE(head);
      CHECK(world.refusal(encoded(head) + "." + body + ".") != "");
      CHECK(world.refusal(encoded(head) + "." + body + ".AAAA") != "");
    }
    // HMAC with the public key as the shared secret.
    const std::string open = json_of(world.second);
    cjose_err fault{};
    const Jwk shared(cjose_jwk_create_oct_spec(reinterpret_cast<const std::uint8_t*>(open.data()),
                                               open.size(), &fault),
                     &cjose_jwk_release);
    REQUIRE(shared);
    const std::string forged = signed_by(shared, {{"alg", "HS256"}, {"kid", "two"}}, claims());
    CHECK(has(world.refusal(forged), "does not allow"));
    World lax;
    lax.rules.algorithms.insert("HS256");
    CHECK(has(lax.refusal(signed_by(shared, {{"alg", "HS256"}, {"kid", "two"}}, claims())),
              "not its key's"));
  }

  TEST_CASE("what is no compact token of a bearable size is refused") {
    const World world;
    const std::string good = world.token();
    for (const std::string& bad :
         {std::string(), std::string("."), std::string(".."), std::string("a.b"), good + ".x",
          good + "=", " " + good, good.substr(0, good.size() - 8), std::string(9'000, 'a') + "..",
          encoded("[]") + "." + encoded("{}") + ".AAAA"}) {
      CHECK(world.refusal(bad) != "");
    }
    CHECK(has(world.refusal(signed_by(
                  world.first, {{"alg", "ES256"}, {"kid", "one"}, {"crit", "exp"}}, claims())),
              "extension"));
    CHECK(world.refusal(signed_by(world.first, {{"alg", "ES256"}, {"kid", "one"}}, "[1]")) != "");
  }

  TEST_CASE("a key set with anything but distinct public keys of a known kind is refused") {
    const Jwk one = elliptic("one"), weak = rsa("weak", 1'024);
    const std::string open = json_of(one);
    CHECK(BearerKeys::from_jwks("{\"keys\":[" + open + "]}")->size() == 1);
    const std::pair<const char*, std::string> cases[] = {
        {"private or shared", "{\"keys\":[" + json_of(one, true) + "]}"},
        {"private or shared", R"({"keys":[{"kty":"oct","kid":"x","k":"AAAA"}]})"},
        {"one id", "{\"keys\":[" + open + "," + open + "]}"},
        {"2048", "{\"keys\":[" + json_of(weak) + "]}"},
        {"neither of kind", R"({"keys":[{"kty":"OKP","kid":"x"}]})"},
        {"not for signatures", R"({"keys":[{"kty":"EC","use":"enc"}]})"},
        {"does not read", R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})"},
        {"list 'keys'", "{}"},
        {"list 'keys'", "{\"keys\":[]}"},
        {"list 'keys'", "no JSON"},
        {"64 KiB", std::string(70'000, ' ')},
    };
    for (const auto& [why, text] : cases) {
      const auto set = BearerKeys::from_jwks(text);
      REQUIRE_FALSE(set);
      CHECK(has(set.error().what, why));
    }
  }
}
