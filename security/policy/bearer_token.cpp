#include "security/policy/bearer_token.h"

#include <cjose/cjose.h>
#include <jansson.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "security/policy/policy.h"

namespace entente::security {
namespace {

constexpr std::size_t kKeySetBytes = 65'536;
constexpr std::size_t kKeys = 32;
constexpr std::size_t kTokenBytes = 8'192;
constexpr std::size_t kRsaBits = 2'048;
constexpr Duration kLife = days(366);

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using Json = std::unique_ptr<json_t, Release<json_decref>>;
using Jwk = std::unique_ptr<cjose_jwk_t, Release<cjose_jwk_release>>;
using Jws = std::unique_ptr<cjose_jws_t, Release<cjose_jws_release>>;

Error refused(const std::string& why) {
  return make_error(ErrorCode::unauthenticated, "the signed token is refused: " + why);
}
Error bad_set(const std::string& why) {
  return make_error(ErrorCode::config_invalid, "the key set is refused: " + why,
                    "store the provider's public JWK set");
}

std::optional<std::string> text_in(const json_t* object, const char* name) {
  const json_t* value = json_object_get(object, name);
  if (!json_is_string(value)) return std::nullopt;
  return std::string(json_string_value(value), json_string_length(value));
}

// Seconds since 1970 as an instant; nothing for what is no number or no time of this age.
std::optional<Instant> time_in(const json_t* object, const char* name) {
  const json_t* value = json_object_get(object, name);
  if (!json_is_number(value)) return std::nullopt;
  const double at = json_number_value(value);
  if (!std::isfinite(at) || at < 0 || at > 9e9) return std::nullopt;
  return Instant{static_cast<std::int64_t>(at) * seconds(1).ns};
}

Json parsed(std::string_view text) {
  json_error_t ignored;
  return Json(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &ignored));
}

// "ES256" -> "P-256": the curve that the algorithm belongs to.
std::string_view curve_of(std::string_view algorithm) {
  return algorithm == "ES256" ? "P-256" : algorithm == "ES384" ? "P-384" : "P-521";
}

bool says_audience(const json_t* claims, const std::string& audience) {
  const json_t* said = json_object_get(claims, "aud");
  if (json_is_string(said)) return audience == json_string_value(said);
  for (std::size_t i = 0; i < json_array_size(said); ++i) {
    const json_t* one = json_array_get(said, i);
    if (json_is_string(one) && audience == json_string_value(one)) return true;
  }
  return false;
}

}  // namespace

struct BearerKeys::Key {
  std::string id;
  std::string curve;      // of an elliptic key; empty: RSA
  std::string algorithm;  // the only one the key is for; empty: any of its kind
  std::shared_ptr<const cjose_jwk_t> key;

  bool fits(const std::string& wanted) const {
    if (!algorithm.empty() && algorithm != wanted) return false;
    if (wanted.starts_with("ES")) return curve == curve_of(wanted);
    return (wanted.starts_with("RS") || wanted.starts_with("PS")) && curve.empty();
  }
  static Result<Key> read(const json_t* value);
};

const std::vector<std::string>& bearer_algorithms() {
  static const std::vector<std::string> all = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                               "PS512", "ES256", "ES384", "ES512"};
  return all;
}

std::size_t BearerKeys::size() const {
  return keys_ ? keys_->size() : 0;
}

Result<BearerKeys::Key> BearerKeys::Key::read(const json_t* value) {
  for (const char* secret : {"d", "p", "q", "k"}) {
    if (json_object_get(value, secret) != nullptr) {
      return bad_set("it holds a private or shared key, which belongs to the provider alone");
    }
  }
  if (const auto use = text_in(value, "use"); use && *use != "sig") {
    return bad_set("a key is not for signatures");
  }
  Key out;
  out.id = text_in(value, "kid").value_or("");
  out.algorithm = text_in(value, "alg").value_or("");
  const auto kind = text_in(value, "kty");
  if (kind != "RSA" && kind != "EC") return bad_set("a key is neither of kind RSA nor EC");
  if (kind == "EC") out.curve = text_in(value, "crv").value_or("?");
  char* text = json_dumps(value, JSON_COMPACT);
  if (text == nullptr) return bad_set("a key does not read");
  cjose_err fault{};
  Jwk key(cjose_jwk_import(text, std::char_traits<char>::length(text), &fault));
  std::free(text);
  if (!key) return bad_set(std::string("a key does not read: ") + fault.message);
  if (out.curve.empty() && cjose_jwk_get_keysize(key.get(), &fault) < kRsaBits) {
    return bad_set("an RSA key is shorter than 2048 bits");
  }
  cjose_jwk_t* owned = key.release();
  out.key = std::shared_ptr<const cjose_jwk_t>(
      owned, [owned](const cjose_jwk_t*) { cjose_jwk_release(owned); });
  return out;
}

Result<BearerKeys> BearerKeys::from_jwks(std::string_view text) {
  if (text.size() > kKeySetBytes) return bad_set("it is over 64 KiB");
  const Json set = parsed(text);
  const json_t* listed = json_object_get(set.get(), "keys");
  if (!json_is_array(listed) || json_array_size(listed) == 0) {
    return bad_set("it is no JSON object with a list 'keys'");
  }
  if (json_array_size(listed) > kKeys) return bad_set("it holds over 32 keys");
  auto keys = std::make_shared<std::vector<Key>>();
  std::set<std::string> ids;
  for (std::size_t i = 0; i < json_array_size(listed); ++i) {
    auto key = Key::read(json_array_get(listed, i));
    if (!key) return std::move(key).error();
    if (!ids.insert(key->id).second) return bad_set("two keys have one id");
    keys->push_back(std::move(*key));
  }
  BearerKeys out;
  out.keys_ = std::move(keys);
  return out;
}

// The steps of verify_bearer, in order.
class BearerVerifier {
 public:
  BearerVerifier(const OidcRules& rules, const BearerKeys& keys) : rules_(rules), keys_(keys) {}

  // The claims of a token with a good signature.
  Result<Json> claims_of(std::string_view token) const {
    const auto plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_' || c == '.';
    };
    if (token.size() > kTokenBytes || std::count(token.begin(), token.end(), '.') != 2 ||
        !std::all_of(token.begin(), token.end(), plain)) {
      return refused("it is no compact JWS of at most 8 KiB");
    }
    cjose_err fault{};
    const Jws jws(cjose_jws_import(token.data(), token.size(), &fault));
    if (!jws) return refused("it does not read as a compact JWS");
    cjose_header_t* header = cjose_jws_get_protected(jws.get());
    const char* algorithm = cjose_header_get(header, CJOSE_HDR_ALG, &fault);
    if (algorithm == nullptr || !rules_.algorithms.contains(algorithm)) {
      return refused("the policy does not allow its algorithm");
    }
    if (json_object_get(reinterpret_cast<const json_t*>(header), "crit") != nullptr) {
      return refused("it demands an extension");
    }
    const char* id = cjose_header_get(header, CJOSE_HDR_KID, &fault);
    auto key = key_for(id == nullptr ? nullptr : id, algorithm);
    if (!key) return std::move(key).error();
    if (!cjose_jws_verify(jws.get(), (*key)->key.get(), &fault)) {
      return refused("its signature is not the provider's");
    }
    std::uint8_t* body = nullptr;
    std::size_t length = 0;
    if (!cjose_jws_get_plaintext(jws.get(), &body, &length, &fault)) {
      return refused("it is empty");
    }
    Json claims = parsed({reinterpret_cast<const char*>(body), length});
    if (!json_is_object(claims.get())) return refused("its claims are no JSON object");
    return claims;
  }

  Result<Bearer> judge(const json_t* claims, Instant now) const {
    if (text_in(claims, "iss") != rules_.issuer) return refused("another issuer made it");
    if (!says_audience(claims, rules_.audience)) return refused("it is for another audience");
    const auto expires = time_in(claims, "exp");
    if (!expires) return refused("it says not when it expires");
    if (now >= *expires + rules_.skew) return refused("it expired at " + to_text(*expires));
    for (const char* name : {"nbf", "iat"}) {
      if (json_object_get(claims, name) == nullptr) continue;
      const auto from = time_in(claims, name);
      if (!from || *from > now + rules_.skew) return refused("it is not valid yet");
    }
    const auto claim = text_in(claims, rules_.claim.c_str());
    if (!claim) return refused("it has no text " + rules_.claim);
    if (rules_.claim == "email" && json_is_false(json_object_get(claims, "email_verified"))) {
      return refused("the provider did not verify the e-mail address");
    }
    const auto user = rules_.users.find(*claim);
    if (user == rules_.users.end()) return refused("nobody here has this " + rules_.claim);
    return Bearer{user->second, std::min(*expires + rules_.skew, now + kLife)};
  }

 private:
  Result<const BearerKeys::Key*> key_for(const char* id, const std::string& algorithm) const {
    const BearerKeys::Key* found = nullptr;
    if (keys_.size() == 0) return refused("there is no key set here");
    if (id == nullptr && keys_.size() == 1) found = &keys_.keys_->front();
    for (const BearerKeys::Key& key : *keys_.keys_) {
      if (id != nullptr && key.id == id) found = &key;
    }
    if (found == nullptr) return refused("none of the provider's keys is its key");
    if (!found->fits(algorithm)) return refused("its algorithm is not its key's");
    return found;
  }

  const OidcRules& rules_;
  const BearerKeys& keys_;
};

Result<Bearer> verify_bearer(const OidcRules& rules, const BearerKeys& keys, std::string_view token,
                             Instant now) {
  const BearerVerifier verifier(rules, keys);
  auto claims = verifier.claims_of(token);
  if (!claims) return std::move(claims).error();
  return verifier.judge(claims->get(), now);
}

}  // namespace entente::security
