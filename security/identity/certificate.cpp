#include "security/identity/certificate.h"

#include <algorithm>

#include "security/identity/limits.h"
#include "security/identity/openssl.h"

namespace entente::security {
namespace {

using namespace openssl;

Error failed(const char* step) {
  return make_error(ErrorCode::internal, std::string("OpenSSL could not ") + step);
}

Key openssl_key(const SigningKey& key) {
  const Secret seed = key.seed();
  return Key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.view().data(),
                                          seed.size()));
}

bool add_extension(X509* certificate, X509V3_CTX* context, int nid, const std::string& value) {
  const Extension extension(X509V3_EXT_conf_nid(nullptr, context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_name(X509_NAME* name, const std::string& common_name) {
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text,
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

// Whole seconds, rounded down: X.509 has no finer ones.
bool set_time(ASN1_TIME* field, Instant instant) {
  std::int64_t whole = instant.ns / 1'000'000'000;
  if (instant.ns % 1'000'000'000 < 0) whole -= 1;
  return ASN1_TIME_set(field, static_cast<time_t>(whole)) != nullptr;
}

bool set_serial(X509* certificate, Random& random) {
  std::array<std::uint8_t, 16> raw{};
  random.fill(raw);
  raw[0] = static_cast<std::uint8_t>((raw[0] & 0x7F) | 0x40);  // positive and of full length
  BIGNUM* number = BN_bin2bn(raw.data(), static_cast<int>(raw.size()), nullptr);
  const bool done = number != nullptr &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return done;
}

bool set_basics(X509* certificate, EVP_PKEY* key, const std::string& subject, TimeWindow validity,
                Random& random) {
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate, random) &&
         set_time(X509_getm_notBefore(certificate), validity.from) &&
         set_time(X509_getm_notAfter(certificate), validity.to) &&
         set_name(X509_get_subject_name(certificate), subject) &&
         X509_set_pubkey(certificate, key) == 1;
}

Result<Bytes> to_der(const X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return failed("encode a certificate");
  Bytes out(static_cast<std::size_t>(size));
  unsigned char* at = out.data();
  i2d_X509(certificate, &at);
  return out;
}

Result<Bytes> key_to_der(const EVP_PKEY* key) {
  const KeyInfo info(EVP_PKEY2PKCS8(key));
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : 0;
  if (size <= 0) return failed("encode a private key");
  Bytes out(static_cast<std::size_t>(size));
  unsigned char* at = out.data();
  i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at);
  return out;
}

bool add_leaf_extensions(X509* leaf, X509* ca, const LeafTerms& terms) {
  const bool site = terms.kind == LeafKind::site;
  const std::string uri = site ? site_uri(terms.organisation, terms.site)
                               : collector_uri(terms.organisation, terms.site);
  X509V3_CTX context;
  X509V3_set_ctx(&context, ca, leaf, nullptr, nullptr, 0);
  return add_extension(leaf, &context, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(leaf, &context, NID_key_usage, "critical,digitalSignature") &&
         add_extension(leaf, &context, NID_ext_key_usage,
                       site ? "serverAuth,clientAuth" : "clientAuth") &&
         add_extension(leaf, &context, NID_subject_key_identifier, "hash") &&
         add_extension(leaf, &context, NID_authority_key_identifier, "keyid:always") &&
         add_extension(leaf, &context, NID_subject_alt_name, "URI:" + uri);
}

}  // namespace

LeafCredential::~LeafCredential() { wipe(private_key_der); }

std::string site_uri(const OrgId& organisation, std::string_view site) {
  return "spiffe://" + organisation.hex() + "/site/" + std::string(site);
}

std::string collector_uri(const OrgId& organisation, std::string_view name) {
  return "spiffe://" + organisation.hex() + "/collector/" + std::string(name);
}

Result<Bytes> make_ca_certificate(const SigningKey& ca, const OrgId& organisation,
                                  TimeWindow validity, Random& random) {
  const ErrorScope errors;
  const Key key = openssl_key(ca);
  const Certificate certificate(X509_new());
  if (!key || !certificate) return failed("allocate");
  // The id's 64 digits are just what a common name may hold.
  if (!set_basics(certificate.get(), key.get(), organisation.hex(), validity, random) ||
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) != 1) {
    return failed("fill a CA certificate");
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate.get(), certificate.get(), nullptr, nullptr, 0);
  const bool extended =
      add_extension(certificate.get(), &context, NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") &&
      add_extension(certificate.get(), &context, NID_key_usage, "critical,keyCertSign") &&
      add_extension(certificate.get(), &context, NID_subject_key_identifier, "hash");
  if (!extended || X509_sign(certificate.get(), key.get(), nullptr) == 0) {
    return failed("sign a CA certificate");
  }
  return to_der(certificate.get());
}

Result<LeafCredential> issue_leaf(const SigningKey& ca, const Bytes& ca_certificate,
                                  const LeafTerms& terms, Random& random) {
  if (!is_local_id(terms.site)) {
    return make_error(ErrorCode::invalid_argument, "the leaf's name is no local id");
  }
  if (terms.validity.to <= terms.validity.from) {
    return make_error(ErrorCode::invalid_argument, "the leaf's validity is empty");
  }
  const ErrorScope errors;
  const unsigned char* at = ca_certificate.data();
  const Certificate issuer(d2i_X509(nullptr, &at, static_cast<long>(ca_certificate.size())));
  const Key ca_key = openssl_key(ca);
  const Key leaf_key = openssl_key(SigningKey::generate(random));
  const Certificate leaf(X509_new());
  if (!issuer || !ca_key || !leaf_key || !leaf) return failed("read the CA certificate");
  const bool made =
      set_basics(leaf.get(), leaf_key.get(), terms.site, terms.validity, random) &&
      X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get())) == 1 &&
      add_leaf_extensions(leaf.get(), issuer.get(), terms) &&
      X509_sign(leaf.get(), ca_key.get(), nullptr) != 0;
  if (!made) return failed("sign a leaf certificate");
  auto der = to_der(leaf.get());
  if (!der) return std::move(der).error();
  auto key_der = key_to_der(leaf_key.get());
  if (!key_der) return std::move(key_der).error();
  LeafCredential out;
  out.chain_der = {*std::move(der), ca_certificate};
  out.private_key_der = *std::move(key_der);
  out.not_before = terms.validity.from;
  out.not_after = terms.validity.to;
  return out;
}

CertificateIssuer::CertificateIssuer(SigningKey ca, IssuerTerms terms, Random& random,
                                     Bytes ca_certificate)
    : ca_(std::move(ca)),
      terms_(std::move(terms)),
      random_(random),
      ca_certificate_(std::move(ca_certificate)) {}

Result<std::unique_ptr<CertificateIssuer>> CertificateIssuer::create(SigningKey ca,
                                                                     IssuerTerms terms,
                                                                     Random& random, Instant now) {
  const TimeWindow validity{terms.charter_validity.from - limits::kLeafBackdated,
                            terms.charter_validity.to};
  auto certificate = make_ca_certificate(ca, terms.organisation, validity, random);
  if (!certificate) return std::move(certificate).error();
  std::unique_ptr<CertificateIssuer> out(new CertificateIssuer(
      std::move(ca), std::move(terms), random, *std::move(certificate)));
  if (auto done = out->renew(now); !done) return std::move(done).error();
  return out;
}

Outcome CertificateIssuer::adopt(SigningKey ca, TimeWindow charter_validity, Instant now) {
  IssuerTerms terms = terms_;
  terms.charter_validity = charter_validity;
  auto next = create(std::move(ca), std::move(terms), random_, now);
  if (!next) return std::move(next).error();
  ca_ = std::move((*next)->ca_);
  terms_ = std::move((*next)->terms_);
  ca_certificate_ = std::move((*next)->ca_certificate_);
  auto leaf = (*next)->current();
  current_.with([&](auto& current) { current = std::move(leaf); });
  return {};
}

std::shared_ptr<const LeafCredential> CertificateIssuer::current() const {
  return current_.with([](const auto& leaf) { return leaf; });
}

Result<LeafCredential> CertificateIssuer::issue_collector(const std::string& name, Instant now,
                                                          Duration life) const {
  if (life.ns <= 0 || life > limits::kCollectorLifeMax) {
    return make_error(ErrorCode::invalid_argument, "a collector's life is above 0 and at most 92d");
  }
  if (now >= terms_.charter_validity.to) {
    return make_error(ErrorCode::charter_invalid, "this organisation's charter has expired",
                      "sign a new charter");
  }
  const Instant end = std::min(now + life, terms_.charter_validity.to);
  return issue_leaf(ca_, ca_certificate_,
                    {terms_.organisation, name, {now - limits::kLeafBackdated, end},
                     LeafKind::collector},
                    random_);
}

Result<bool> CertificateIssuer::renew_if_due(Instant now) {
  const auto leaf = current();
  const Instant half{leaf->not_before.ns + (leaf->not_after - leaf->not_before).ns / 2};
  // A leaf cut short by the charter's end cannot be improved upon.
  const bool last = leaf->not_after >= terms_.charter_validity.to;
  const bool in_force = leaf->not_before <= now && now < leaf->not_after;
  if (in_force && (now < half || last)) return false;
  if (auto done = renew(now); !done) return std::move(done).error();
  return true;
}

Outcome CertificateIssuer::renew(Instant now) {
  if (now >= terms_.charter_validity.to) {
    return make_error(ErrorCode::charter_invalid,
                      "this organisation's charter has expired; no certificate can be issued",
                      "sign a new charter");
  }
  const Instant end = std::min(now + limits::kLeafLife, terms_.charter_validity.to);
  auto leaf = issue_leaf(ca_, ca_certificate_,
                         {terms_.organisation, terms_.site, {now - limits::kLeafBackdated, end}},
                         random_);
  if (!leaf) return std::move(leaf).error();
  auto snapshot = std::make_shared<const LeafCredential>(*std::move(leaf));
  current_.with([&](auto& current) { current = std::move(snapshot); });
  return {};
}

}  // namespace entente::security
