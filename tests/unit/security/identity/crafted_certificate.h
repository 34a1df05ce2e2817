// Certificates as an attacker would make them: every field free, for tests of refusals.
#pragma once

#include <optional>

#include "security/identity/certificate.h"
#include "security/identity/openssl.h"
#include "tests/unit/security/identity/organisations.h"

namespace entente::security::test {

enum class LeafKey { ed25519, rsa, issuers_own };

// The defaults give a leaf that a verifier accepts. An empty extension is left out.
struct Recipe {
  std::string names;  // OpenSSL's notation, e.g. "URI:spiffe://…"
  std::string second_names;
  std::string basic = "critical,CA:FALSE";
  std::string usage = "critical,digitalSignature";
  std::string extended = "serverAuth,clientAuth";
  Instant from = kNow - hours(1);
  Instant to = kNow + hours(23);
  LeafKey key = LeafKey::ed25519;
  const SigningKey* signer = nullptr;  // other than the CA whose certificate is shown
};

struct CaRecipe {
  std::string basic = "critical,CA:TRUE,pathlen:0";
  std::string usage = "critical,keyCertSign";
  Instant from = kNow - days(1);
  Instant to = kNow + days(300);
  const SigningKey* signer = nullptr;  // other than itself
};

inline openssl::Key raw_key(const SigningKey& key) {
  const Secret seed = key.seed();
  return openssl::Key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.view().data(), seed.size()));
}

inline void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const openssl::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  ENTENTE_CHECK(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

inline void fill(X509* certificate, const char* subject, Instant from, Instant to, EVP_PKEY* key) {
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
  ASN1_TIME_set(X509_getm_notBefore(certificate), from.ns / 1'000'000'000);
  ASN1_TIME_set(X509_getm_notAfter(certificate), to.ns / 1'000'000'000);
  X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject), -1, -1, 0);
  X509_set_pubkey(certificate, key);
}

inline Bytes der_of(X509* certificate) {
  Bytes out(static_cast<std::size_t>(i2d_X509(certificate, nullptr)));
  unsigned char* at = out.data();
  i2d_X509(certificate, &at);
  return out;
}

inline Bytes craft_ca(const SigningKey& ca, const CaRecipe& recipe = {}) {
  const openssl::Key key = raw_key(ca);
  const openssl::Key signer = raw_key(recipe.signer == nullptr ? ca : *recipe.signer);
  const openssl::Certificate certificate(X509_new());
  fill(certificate.get(), "a CA", recipe.from, recipe.to, key.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  extend(certificate.get(), certificate.get(), NID_basic_constraints, recipe.basic);
  extend(certificate.get(), certificate.get(), NID_key_usage, recipe.usage);
  extend(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
  X509_sign(certificate.get(), signer.get(), nullptr);
  return der_of(certificate.get());
}

// Leaf and CA, DER. `random` gives the leaf's key, whose public half goes to `leaf_key`.
inline std::vector<Bytes> craft(const SigningKey& ca, const Recipe& recipe, Random& random,
                                PublicKey* leaf_key = nullptr, const CaRecipe& ca_recipe = {}) {
  const Bytes ca_der = craft_ca(ca, ca_recipe);
  const unsigned char* at = ca_der.data();
  const openssl::Certificate issuer(d2i_X509(nullptr, &at, static_cast<long>(ca_der.size())));
  const SigningKey fresh = SigningKey::generate(random);
  if (leaf_key != nullptr) *leaf_key = fresh.public_key();
  const openssl::Key key = recipe.key == LeafKey::rsa           ? openssl::Key(EVP_RSA_gen(2048))
                           : recipe.key == LeafKey::issuers_own ? raw_key(ca)
                                                                : raw_key(fresh);
  const openssl::Key signer = raw_key(recipe.signer == nullptr ? ca : *recipe.signer);
  const openssl::Certificate leaf(X509_new());
  fill(leaf.get(), "a site", recipe.from, recipe.to, key.get());
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get()));
  extend(leaf.get(), issuer.get(), NID_basic_constraints, recipe.basic);
  extend(leaf.get(), issuer.get(), NID_key_usage, recipe.usage);
  extend(leaf.get(), issuer.get(), NID_ext_key_usage, recipe.extended);
  extend(leaf.get(), issuer.get(), NID_subject_key_identifier, "hash");
  extend(leaf.get(), issuer.get(), NID_authority_key_identifier, "keyid:always");
  extend(leaf.get(), issuer.get(), NID_subject_alt_name, recipe.names);
  extend(leaf.get(), issuer.get(), NID_subject_alt_name, recipe.second_names);
  X509_sign(leaf.get(), signer.get(), nullptr);
  return {der_of(leaf.get()), ca_der};
}

}  // namespace entente::security::test
