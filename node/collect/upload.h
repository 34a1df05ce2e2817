// What a collector signs and sends: one batch of readings as bytes.
//
// Bytes: version (1), session (16), sequence number (8, little endian), then columns (columns.h)
// of series numbers, times in ns and values, of equal length, and nothing behind them. A value may
// be NaN or infinite: the node judges it. The signature is Ed25519, in a context of its own, over
// the hash of exactly these bytes, so a worker hashes once what a larger message would cost twice.
// Decoding is total.
#pragma once

#include <cstdint>
#include <vector>

#include "schemas/base/bytes.h"
#include "schemas/base/ids.h"
#include "security/identity/keys.h"

namespace entente::node {

// Of one opened session, drawn by the node; so a batch counts in that session alone.
using UploadSession = FixedId<struct UploadSessionTag, 16>;

// Readings in order of arrival, columns of equal length. A series is the session's number for it.
struct UploadColumns {
  std::vector<std::int64_t> series;
  std::vector<std::int64_t> times;  // ns
  std::vector<double> values;

  std::size_t size() const { return times.size(); }
  void add(std::uint32_t number, std::int64_t time, double value);
  void reserve(std::size_t readings);
  void clear();
};

struct Upload {
  UploadSession session;
  std::uint64_t sequence = 0;  // 0, 1, 2 … within the session
  UploadColumns columns;
};

Bytes encode_upload(const UploadSession& session, std::uint64_t sequence,
                    const UploadColumns& columns);
// Refuses: payload_too_large (limits::kUploadBytes, limits::kUploadReadings), version_too_new,
// invalid_argument (no reading, columns of different lengths, anything malformed).
[[nodiscard]] Result<Upload> decode_upload(ByteView bytes);

Signature sign_upload(const security::SigningKey& key, ByteView bytes);
[[nodiscard]] bool verify_upload(const PublicKey& key, ByteView bytes, const Signature& signature);

}  // namespace entente::node
