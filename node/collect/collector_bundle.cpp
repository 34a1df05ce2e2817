#include "node/collect/collector_bundle.h"

#include "node/daemon/keyring.h"
#include "node/limits.h"
#include "schemas/canonical.h"
#include "schemas/wire/collect.capnp.h"
#include "security/identity/limits.h"

namespace entente::node {
namespace {

constexpr std::string_view kMagic = "ECB1";

Error unreadable(std::string why) {
  return make_error(ErrorCode::input_unreadable, "the collector's bundle: " + std::move(why),
                    "make it anew with 'entente collector add'");
}

Result<CollectorBundle> read(wire::CollectorBundle::Reader in) {
  const std::string name = string_from(in.getName());
  if (!is_local_id(name)) return unreadable("its name is no local id");
  if (in.getAddress().size() > security::limits::kAddressBytes) return unreadable("its address");
  if (in.getCharters().size() > security::limits::kCharterChain) return unreadable("its charters");
  std::vector<SignedCharter> chain;
  for (const auto raw : in.getCharters()) {
    auto charter = signed_charter_from_bytes(view_of(raw));
    if (!charter) return unreadable(charter.error().what);
    chain.push_back(std::move(*charter));
  }
  auto organisation = security::PinnedOrganisation::from_chain(std::move(chain));
  if (!organisation) return unreadable(organisation.error().what);
  auto batch_key = security::SigningKey::from_seed(view_of(in.getBatchSeed()));
  if (!batch_key) return unreadable("its batch key");
  auto leaf = std::make_shared<security::LeafCredential>();
  if (in.getCertificates().size() != 2) return unreadable("its certificates");
  for (const auto der : in.getCertificates()) leaf->chain_der.push_back(bytes_from(der));
  leaf->private_key_der = bytes_from(in.getCertificateKey());
  leaf->not_before = {in.getValidFromNs()};
  leaf->not_after = {in.getValidToNs()};
  return CollectorBundle{name, string_from(in.getAddress()), *std::move(organisation),
                         std::move(leaf), *std::move(batch_key)};
}

}  // namespace

Bytes bundle_bytes(const CollectorBundle& bundle) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::CollectorBundle>();
  out.setName(bundle.name);
  out.setAddress(bundle.address);
  const auto& chain = bundle.organisation.chain();
  auto charters = out.initCharters(static_cast<unsigned>(chain.size()));
  for (unsigned i = 0; i < charters.size(); ++i) {
    charters.set(i, data_of(to_wire_bytes(chain[i])));
  }
  const auto& ders = bundle.leaf->chain_der;
  auto certificates = out.initCertificates(static_cast<unsigned>(ders.size()));
  for (unsigned i = 0; i < certificates.size(); ++i) certificates.set(i, data_of(ders[i]));
  out.setCertificateKey(data_of(bundle.leaf->private_key_der));
  const security::Secret seed = bundle.batch_key.seed();
  out.setBatchSeed(data_of(seed.view()));
  out.setValidFromNs(bundle.leaf->not_before.ns);
  out.setValidToNs(bundle.leaf->not_after.ns);
  Bytes bytes = to_bytes(kMagic);
  const Bytes body = canonicalize(out.asReader());
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

Result<CollectorBundle> bundle_from_bytes(ByteView bytes) {
  if (bytes.size() > limits::kBundleBytes || !text_of(bytes).starts_with(kMagic)) {
    return unreadable("it is none");
  }
  return with_canonical<wire::CollectorBundle>(
      bytes.subspan(kMagic.size()), ErrorCode::input_unreadable, "collector's bundle", read);
}

Result<CollectorBundle> load_bundle(const std::string& path) {
  auto bytes = read_file(path, limits::kBundleBytes);
  if (!bytes) return std::move(bytes).error();
  auto bundle = bundle_from_bytes(*bytes);
  security::wipe(*bytes);
  return bundle;
}

Outcome save_bundle(const std::string& path, const CollectorBundle& bundle) {
  Bytes bytes = bundle_bytes(bundle);
  auto saved = write_private(path, bytes);
  security::wipe(bytes);
  return saved;
}

}  // namespace entente::node
