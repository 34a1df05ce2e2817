#include "security/identity/certificate_verifier.h"

#include <algorithm>
#include <optional>

#include "security/identity/limits.h"
#include "security/identity/openssl.h"

namespace entente::security {
namespace {

using namespace openssl;

Error refused(std::string why) {
  return make_error(ErrorCode::certificate_refused, "the peer's certificate: " + std::move(why));
}

struct Chain {
  Certificate leaf;
  Certificate issuer;
  PublicKey leaf_key;
  PublicKey issuer_key;
};

struct SiteName {
  OrgId organisation;
  std::string site;
};

Result<Certificate> parse(const Bytes& der) {
  if (der.empty() || der.size() > limits::kCertificateBytes) return refused("its size");
  const unsigned char* at = der.data();
  Certificate out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!out || at != der.data() + der.size()) return refused("it is not one X.509 certificate");
  if (X509_get_version(out.get()) != X509_VERSION_3) return refused("it is not X.509 version 3");
  if (X509_get_signature_nid(out.get()) != NID_ED25519) {
    return refused("it is not signed with Ed25519");
  }
  return out;
}

Result<PublicKey> key_of(X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  PublicKey out;
  std::size_t size = out.bytes.size();
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(key, out.bytes.data(), &size) != 1 || size != out.bytes.size() ||
      !is_strong(out)) {
    return refused("its key is no sound Ed25519 key");
  }
  return out;
}

Result<Chain> parse_chain(const std::vector<Bytes>& chain_der) {
  if (chain_der.size() != 2) return refused("leaf and CA were expected, nothing else");
  auto leaf = parse(chain_der[0]);
  if (!leaf) return std::move(leaf).error();
  auto issuer = parse(chain_der[1]);
  if (!issuer) return std::move(issuer).error();
  auto leaf_key = key_of(leaf->get());
  if (!leaf_key) return std::move(leaf_key).error();
  auto issuer_key = key_of(issuer->get());
  if (!issuer_key) return std::move(issuer_key).error();
  return Chain{*std::move(leaf), *std::move(issuer), *leaf_key, *issuer_key};
}

std::optional<SiteName> parse_uri(std::string_view uri, LeafKind kind) {
  constexpr std::string_view kScheme = "spiffe://";
  const std::string_view place = kind == LeafKind::site ? "/site/" : "/collector/";
  constexpr std::size_t kOrgDigits = 2 * OrgId::kSize;
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  if (uri.size() < kOrgDigits || !uri.substr(kOrgDigits).starts_with(place)) return std::nullopt;
  const auto organisation = OrgId::from_hex_text(uri.substr(0, kOrgDigits));
  const std::string_view site = uri.substr(kOrgDigits + place.size());
  if (!organisation || !is_local_id(site)) return std::nullopt;
  return SiteName{*organisation, std::string(site)};
}

// The one name of the leaf. Every other kind of name, and a second one, is refused: whoever reads
// only the first would otherwise see another peer than whoever reads the last.
Result<SiteName> name_of(const X509* leaf, LeafKind kind) {
  int count = 0;
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, &count, nullptr)));
  if (!names) {
    return refused(count == -2 ? "it has more than one list of names" : "it has no name");
  }
  if (sk_GENERAL_NAME_num(names.get()) != 1) return refused("it does not have exactly one name");
  const GENERAL_NAME* only = sk_GENERAL_NAME_value(names.get(), 0);
  if (only->type != GEN_URI) return refused("its name is no URI");
  const ASN1_IA5STRING* text = only->d.uniformResourceIdentifier;
  const auto uri = std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                    static_cast<std::size_t>(ASN1_STRING_length(text)));
  auto name = parse_uri(uri, kind);
  if (!name) {
    return refused(std::string("its name is not spiffe://<organisation>/") +
                   (kind == LeafKind::site ? "site" : "collector") + "/<name>");
  }
  return *std::move(name);
}

Outcome check_usages(X509* leaf, X509* issuer, LeafKind kind) {
  const std::uint32_t usages =
      kind == LeafKind::site ? XKU_SSL_SERVER | XKU_SSL_CLIENT : XKU_SSL_CLIENT;
  const std::uint32_t leaf_flags = X509_get_extension_flags(leaf);
  if ((leaf_flags & EXFLAG_INVALID) != 0) return refused("its extensions are malformed");
  if ((leaf_flags & EXFLAG_BCONS) == 0 || (leaf_flags & EXFLAG_CA) != 0) {
    return refused("the leaf could act as a CA");
  }
  if ((leaf_flags & EXFLAG_KUSAGE) == 0 || X509_get_key_usage(leaf) != KU_DIGITAL_SIGNATURE) {
    return refused("the leaf's key usage is not digitalSignature alone");
  }
  if ((leaf_flags & EXFLAG_XKUSAGE) == 0 || X509_get_extended_key_usage(leaf) != usages) {
    return refused(kind == LeafKind::site
                       ? "the leaf's extended usages are not serverAuth and clientAuth"
                       : "the leaf's extended usage is not clientAuth alone");
  }
  const std::uint32_t issuer_flags = X509_get_extension_flags(issuer);
  const bool is_ca = (issuer_flags & EXFLAG_BCONS) != 0 && (issuer_flags & EXFLAG_CA) != 0;
  if ((issuer_flags & EXFLAG_INVALID) != 0 || !is_ca || X509_get_pathlen(issuer) != 0) {
    return refused("the issuer is no CA of path length 0");
  }
  if ((issuer_flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN) == 0) {
    return refused("the issuer may not sign certificates");
  }
  return {};
}

// Signature, validity and critical extensions, with that one CA as the only trust. `now` in
// seconds.
Outcome check_path(const Chain& chain, Instant now) {
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  if (!store || !context || X509_STORE_add_cert(store.get(), chain.issuer.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), chain.leaf.get(), nullptr) != 1) {
    return make_error(ErrorCode::internal, "OpenSSL could not allocate");
  }
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(now.ns / 1'000'000'000));
  X509_VERIFY_PARAM_set_depth(param, 0);  // no intermediate between leaf and CA
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
  if (X509_verify_cert(context.get()) == 1) return {};
  return refused(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
}

Result<Instant> instant_of(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return refused("its validity is malformed");
  // X.509 reaches to the year 9999, an Instant to 2262.
  constexpr std::int64_t kSecondsMax = 9'000'000'000;
  const std::int64_t whole = timegm(&parts);
  if (whole < 0 || whole > kSecondsMax) return refused("its validity is out of range");
  return Instant{whole * 1'000'000'000};
}

Result<Instant> check_life(const X509* leaf, LeafKind kind) {
  auto from = instant_of(X509_get0_notBefore(leaf));
  if (!from) return from;
  auto to = instant_of(X509_get0_notAfter(leaf));
  if (!to) return to;
  const bool site = kind == LeafKind::site;
  if (*from + (site ? limits::kLeafLifeMax : limits::kCollectorLifeMax) < *to) {
    return refused(site ? "it lives longer than 25 h" : "it lives longer than 92 days");
  }
  return to;
}

// What the pinned charter says about the two keys.
Outcome check_charter(const PinnedOrganisation& organisation, const Chain& chain, LeafKind kind,
                      Instant now) {
  if (!organisation.in_force(now)) return refused("its organisation's charter has expired");
  const auto named = [&] {
    if (kind == LeafKind::site) return organisation.has_key(KeyPurpose::ca, chain.issuer_key);
    const auto ever = organisation.keys_ever(KeyPurpose::ca);
    return std::find(ever.begin(), ever.end(), chain.issuer_key) != ever.end();
  };
  if (!named()) {
    return refused("its issuer is no CA of the organisation that it names");
  }
  if (organisation.has_revoked(chain.leaf_key)) return refused("its key was revoked");
  if (organisation.has_revoked(chain.issuer_key)) return refused("its issuer's key was revoked");
  if (chain.leaf_key == chain.issuer_key) return refused("leaf and issuer share one key");
  return {};
}

// Everything a chain must be. `find` gives the pinned organisation of an id, or null.
template <class Find>
Result<PeerIdentity> verify_chain(const std::vector<Bytes>& chain_der, Instant now,
                                  const OrgId* dialled, LeafKind kind, const Find& find) {
  const ErrorScope errors;
  auto chain = parse_chain(chain_der);
  if (!chain) return std::move(chain).error();
  auto name = name_of(chain->leaf.get(), kind);
  if (!name) return std::move(name).error();
  if (dialled != nullptr && *dialled != name->organisation) {
    return refused("it names another organisation than the one dialled");
  }
  const PinnedOrganisation* organisation = find(name->organisation);
  if (organisation == nullptr) return refused("it names an organisation without a link");
  if (auto done = check_charter(*organisation, *chain, kind, now); !done)
    return std::move(done).error();
  if (auto done = check_usages(chain->leaf.get(), chain->issuer.get(), kind); !done) {
    return std::move(done).error();
  }
  if (auto done = check_path(*chain, now); !done) return std::move(done).error();
  auto expires = check_life(chain->leaf.get(), kind);
  if (!expires) return std::move(expires).error();
  return PeerIdentity{name->organisation, std::move(name->site), *expires,
                      hash_public_key(chain->leaf_key), hash_public_key(chain->issuer_key)};
}

}  // namespace

PinnedVerifier::PinnedVerifier(PinnedOrganisations pinned)
    : pinned_(std::make_shared<const PinnedOrganisations>(std::move(pinned))) {}

void PinnedVerifier::replace(PinnedOrganisations pinned) {
  auto next = std::make_shared<const PinnedOrganisations>(std::move(pinned));
  pinned_.with([&](auto& current) { current.swap(next); });
}

std::shared_ptr<const PinnedOrganisations> PinnedVerifier::snapshot() const {
  return pinned_.with([](const auto& current) { return current; });
}

Result<PeerIdentity> PinnedVerifier::verify(const std::vector<Bytes>& chain_der, Instant now,
                                            const OrgId* dialled) const {
  const auto pinned = snapshot();
  return verify_chain(chain_der, now, dialled, LeafKind::site, [&](const OrgId& organisation) {
    const auto found = pinned->find(organisation);
    return found == pinned->end() ? nullptr : &found->second;
  });
}

CollectorVerifier::CollectorVerifier(PinnedOrganisation own)
    : own_(std::make_shared<const PinnedOrganisation>(std::move(own))) {}

void CollectorVerifier::replace(PinnedOrganisation own) {
  auto next = std::make_shared<const PinnedOrganisation>(std::move(own));
  own_.with([&](auto& current) { current.swap(next); });
}

Result<PeerIdentity> CollectorVerifier::verify(const std::vector<Bytes>& chain_der, Instant now,
                                               const OrgId* dialled) const {
  const auto own = own_.with([](const auto& current) { return current; });
  return verify_chain(chain_der, now, dialled, LeafKind::collector, [&](const OrgId& organisation) {
    return organisation == own->id() ? own.get() : nullptr;
  });
}

Outcome PinnedVerifier::still_valid(const PeerIdentity& peer, Instant now) const {
  if (now >= peer.certificate_expires) return refused("it has expired");
  const auto pinned = snapshot();
  const auto found = pinned->find(peer.organisation);
  if (found == pinned->end()) return refused("its organisation's link is gone");
  const Charter& charter = found->second.current();
  if (!found->second.in_force(now)) return refused("its organisation's charter has expired");
  const auto issued_by = [&](const PurposeKey& item) {
    return item.purpose == KeyPurpose::ca && hash_public_key(item.key) == peer.issuer_key;
  };
  if (std::none_of(charter.keys.begin(), charter.keys.end(), issued_by)) {
    return refused("its issuer is no longer a CA of its organisation");
  }
  for (const Hash256& revoked : charter.revoked_keys) {
    if (revoked == peer.leaf_key || revoked == peer.issuer_key) return refused("it was revoked");
  }
  return {};
}

}  // namespace entente::security
