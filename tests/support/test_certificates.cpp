#include "tests/support/test_certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "schemas/base/check.h"
#include "schemas/base/hash.h"

namespace entente::test {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const { Free(p); }
};
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

KeyPtr make_key() {
  KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  ENTENTE_CHECK(key);
  return key;
}

template <class T, class Encode>
Bytes encode(T* object, Encode to_der) {
  Bytes der(static_cast<std::size_t>(to_der(object, nullptr)));
  unsigned char* p = der.data();
  to_der(object, &p);
  return der;
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ENTENTE_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

CertificatePtr make_certificate(EVP_PKEY* subject_key, const std::string& name, X509* issuer,
                                EVP_PKEY* issuer_key, Duration life,
                                const std::vector<std::string>& alternatives) {
  static std::atomic<long> serial{1};
  CertificatePtr certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), -60);
  X509_gmtime_adj(X509_getm_notAfter(x), life.ns / 1'000'000'000);
  X509_set_pubkey(x, subject_key);
  X509_NAME* subject = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x, issuer == nullptr ? subject : X509_get_subject_name(issuer));
  X509* by = issuer == nullptr ? x : issuer;
  extend(x, by, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  std::string names;
  for (const auto& name_of : alternatives) names += (names.empty() ? "" : ",") + name_of;
  if (!names.empty()) extend(x, by, NID_subject_alt_name, names);
  ENTENTE_CHECK(X509_sign(x, issuer_key, nullptr) > 0);
  return certificate;
}

std::vector<std::string> uris_of(X509* certificate) {
  std::vector<std::string> uris;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  return uris;
}

CertificatePtr parse(const Bytes& der) {
  const unsigned char* p = der.data();
  return CertificatePtr(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
}

Hash256 key_hash(X509* certificate) {
  return hash("entente test key", encode(X509_get0_pubkey(certificate), i2d_PUBKEY));
}

Instant instant_of(const ASN1_TIME* time) {
  std::tm tm{};
  ASN1_TIME_to_tm(time, &tm);
  return {static_cast<std::int64_t>(timegm(&tm)) * 1'000'000'000};
}

Error refused(std::string why) {
  return make_error(ErrorCode::certificate_refused, std::move(why));
}

}  // namespace

struct TestAuthority::Impl {
  std::string name;
  KeyPtr key = make_key();
  CertificatePtr certificate;
  Bytes der;
};

TestAuthority::TestAuthority(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->name = name;
  impl_->certificate = make_certificate(impl_->key.get(), name + " authority", nullptr,
                                        impl_->key.get(), days(365), {});
  impl_->der = encode(impl_->certificate.get(), i2d_X509);
}
TestAuthority::~TestAuthority() = default;

OrgId TestAuthority::organisation() const {
  return OrgId{hash("entente test organisation", bytes_of(impl_->name)).bytes};
}
const Bytes& TestAuthority::certificate_der() const { return impl_->der; }

std::shared_ptr<const security::LeafCredential> TestAuthority::leaf(const std::string& site,
                                                                    LeafOptions options) const {
  const KeyPtr key = make_key();
  const OrgId claimed = options.claims.value_or(organisation());
  std::vector<std::string> names{"URI:spiffe://" + claimed.hex() + "/site/" + site};
  for (const auto& uri : options.extra_uris) names.push_back("URI:" + uri);
  for (const auto& dns : options.extra_dns) names.push_back("DNS:" + dns);
  const auto certificate =
      make_certificate(key.get(), site, impl_->certificate.get(), impl_->key.get(), options.life,
                       names);
  auto leaf = std::make_shared<security::LeafCredential>();
  leaf->chain_der = {encode(certificate.get(), i2d_X509), impl_->der};
  leaf->private_key_der = encode(key.get(), i2d_PrivateKey);
  leaf->not_before = instant_of(X509_get0_notBefore(certificate.get()));
  leaf->not_after = instant_of(X509_get0_notAfter(certificate.get()));
  return leaf;
}

void PinnedVerifier::pin(const TestAuthority& authority) {
  authorities_[authority.organisation()] = authority.certificate_der();
}

Result<security::PeerIdentity> PinnedVerifier::verify(const std::vector<Bytes>& chain_der,
                                                      Instant now, const OrgId* dialled) const {
  struct Hygiene {
    ~Hygiene() { ERR_clear_error(); }
  } hygiene;
  if (refuse_all_) return refused("the test refuses everybody");
  const CertificatePtr leaf = chain_der.empty() ? nullptr : parse(chain_der.front());
  if (!leaf) return refused("no readable leaf");
  const auto uris = uris_of(leaf.get());
  if (uris.size() != 1) return refused("not exactly one name");
  const std::string scheme = "spiffe://", middle = "/site/";
  if (!uris[0].starts_with(scheme) || uris[0].size() < scheme.size() + 64 + middle.size() ||
      uris[0].substr(scheme.size() + 64, middle.size()) != middle) {
    return refused("a name of another form");
  }
  const auto organisation = OrgId::from_hex_text(uris[0].substr(scheme.size(), 64));
  if (!organisation) return refused("a name without an organisation");
  if (dialled != nullptr && *organisation != *dialled) return refused("not whom we dialled");
  const auto pinned = authorities_.find(*organisation);
  if (pinned == authorities_.end()) return refused("an unknown organisation");
  const CertificatePtr authority = parse(pinned->second);
  if (X509_verify(leaf.get(), X509_get0_pubkey(authority.get())) != 1) {
    return refused("not signed by the pinned authority");
  }
  const Instant expires = instant_of(X509_get0_notAfter(leaf.get()));
  if (now >= expires) return refused("expired");
  return security::PeerIdentity{*organisation, uris[0].substr(scheme.size() + 64 + middle.size()),
                                expires, key_hash(leaf.get()), key_hash(authority.get())};
}

}  // namespace entente::test
