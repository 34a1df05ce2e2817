#include "node/collect/upload.h"

#include <algorithm>

#include "node/history/columns.h"
#include "node/limits.h"
#include "schemas/base/hash.h"

namespace entente::node {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadBytes = 1 + UploadSession::kSize + 8;

Error malformed() {
  return make_error(ErrorCode::invalid_argument, "these bytes are no batch of readings");
}

Hash256 upload_hash(ByteView bytes) {
  return hash("entente collector batch v1", bytes);
}

}  // namespace

void UploadColumns::add(std::uint32_t number, std::int64_t time, double value) {
  series.push_back(number);
  times.push_back(time);
  values.push_back(value);
}

void UploadColumns::reserve(std::size_t readings) {
  series.reserve(readings);
  times.reserve(readings);
  values.reserve(readings);
}

void UploadColumns::clear() {
  series.clear();
  times.clear();
  values.clear();
}

Bytes encode_upload(const UploadSession& session, std::uint64_t sequence,
                    const UploadColumns& columns) {
  Bytes out;
  out.reserve(kHeadBytes + 64 + 4 * columns.size());
  out.push_back(kVersion);
  out.insert(out.end(), session.bytes.begin(), session.bytes.end());
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::uint8_t>(sequence >> (8 * i)));
  encode_integers(columns.series, out);
  encode_times(columns.times, out);
  encode_doubles(columns.values, out);
  return out;
}

Result<Upload> decode_upload(ByteView bytes) {
  if (bytes.size() > limits::kUploadBytes) {
    return make_error(ErrorCode::payload_too_large, "a batch takes more than 256 KiB");
  }
  if (bytes.size() < kHeadBytes) return malformed();
  if (bytes.front() == 0) return malformed();
  if (bytes.front() > kVersion) {
    return make_error(ErrorCode::version_too_new, "a batch of a later version");
  }
  Upload out;
  std::copy_n(bytes.begin() + 1, UploadSession::kSize, out.session.bytes.begin());
  for (std::size_t i = 0; i < 8; ++i) {
    out.sequence |= std::uint64_t{bytes[1 + UploadSession::kSize + i]} << (8 * i);
  }
  ByteView rest = bytes.subspan(kHeadBytes);
  const auto series = IntegerColumn::take(rest, limits::kUploadReadings);
  if (!series) return malformed();
  const auto times = TimeColumn::take(rest, limits::kUploadReadings);
  if (!times) return malformed();
  const auto values = DoubleColumn::take(rest, limits::kUploadReadings);
  if (!values) return malformed();
  const std::size_t size = series->size();
  if (size == 0 || times->size() != size || values->size() != size || !rest.empty()) {
    return malformed();
  }
  out.columns.series.resize(size);
  out.columns.times.resize(size);
  out.columns.values.resize(size);
  series->read(0, out.columns.series);
  times->read(0, out.columns.times);
  values->read(0, out.columns.values);
  return out;
}

Signature sign_upload(const security::SigningKey& key, ByteView bytes) {
  return key.sign(security::contexts::kCollectorBatch, upload_hash(bytes).view());
}

bool verify_upload(const PublicKey& key, ByteView bytes, const Signature& signature) {
  return security::verify(key, security::contexts::kCollectorBatch, upload_hash(bytes).view(),
                          signature);
}

}  // namespace entente::node
