#include "node/service/gzip.h"

#include <zlib.h>

#include <array>

#include "schemas/base/check.h"

namespace entente::node {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;

}  // namespace

struct Inflater::State {
  z_stream stream{};
  std::size_t limit = 0;
  std::size_t out = 0;
  bool started = false;
  bool at_end = false;  // of a member
  ~State() { inflateEnd(&stream); }
};

Inflater::Inflater(std::size_t limit) : state_(std::make_unique<State>()) {
  state_->limit = limit;
  ENTENTE_CHECK(inflateInit2(&state_->stream, kGzipOnly) == Z_OK);
}
Inflater::~Inflater() = default;

Outcome Inflater::add(std::string_view input, std::string& output) {
  State& s = *state_;
  s.started = s.started || !input.empty();
  s.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  s.stream.avail_in = static_cast<uInt>(input.size());
  std::array<char, 16'384> block;
  do {
    if (s.at_end) {
      if (s.stream.avail_in == 0) break;
      inflateReset(&s.stream);
      s.at_end = false;
    }
    s.stream.next_out = reinterpret_cast<Bytef*>(block.data());
    s.stream.avail_out = block.size();
    const int status = inflate(&s.stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      return make_error(ErrorCode::invalid_argument, "the body is not the gzip it says it is");
    }
    const std::size_t made = block.size() - s.stream.avail_out;
    s.out += made;
    if (s.out > s.limit) {
      return make_error(ErrorCode::payload_too_large,
                        "the body inflates to more than " + std::to_string(s.limit) + " bytes");
    }
    output.append(block.data(), made);
    s.at_end = status == Z_STREAM_END;
  } while (s.stream.avail_in > 0 || s.stream.avail_out == 0);
  return {};
}

bool Inflater::complete() const {
  return state_->at_end || !state_->started;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  ENTENTE_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipOnly, 8, Z_DEFAULT_STRATEGY) ==
                Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ENTENTE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace entente::node
