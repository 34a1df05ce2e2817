// Canonical Cap'n Proto bytes, in one place. Included by .cpp files of conversions and by tests
// of malformed input only: Cap'n Proto stays out of the domain headers.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>

#include "schemas/base/bytes.h"
#include "schemas/base/limits.h"

namespace entente {

// The canonical form of the struct at `reader`: one segment, no framing; equal values, equal bytes.
template <class Reader>
Bytes canonicalize(Reader reader) {
  const kj::Array<capnp::word> words = capnp::canonicalize(reader);
  const auto raw = words.asBytes();
  return Bytes(raw.begin(), raw.end());
}

// Calls `read(typename Type::Reader)` on canonical `bytes` and returns what it returns. Refuses
// with `code` when the bytes are not canonical for Type (so that one value has one signature) or
// break the reader's limits. `read` must not keep the reader.
template <class Type, class Read>
auto with_canonical(ByteView bytes, ErrorCode code, std::string_view what, Read&& read)
    -> decltype(read(std::declval<typename Type::Reader>())) {
  const auto malformed = [&] {
    return make_error(code, "these bytes are not a well-formed " + std::string(what));
  };
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) return malformed();
  kj::Array<capnp::word> words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data(), bytes.size());
  try {
    const kj::ArrayPtr<const capnp::word> segments[] = {words.asPtr()};
    capnp::ReaderOptions options;
    options.traversalLimitInWords = limits::kTraversalWords;
    options.nestingLimit = limits::kNestingDepth;
    capnp::SegmentArrayMessageReader message(kj::arrayPtr(segments, 1), options);
    if (!message.isCanonical()) return malformed();
    return read(message.getRoot<Type>());
  } catch (const kj::Exception&) {
    return malformed();
  }
}

inline Bytes bytes_from(capnp::Data::Reader data) {
  return Bytes(data.begin(), data.end());
}
inline ByteView view_of(capnp::Data::Reader data) {
  return {data.begin(), data.size()};
}
inline capnp::Data::Reader data_of(ByteView view) {
  return {view.data(), view.size()};
}
inline std::string string_from(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

}  // namespace entente
