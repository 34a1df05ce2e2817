// The bytes of a saved model, written and read by one description of its fields.
//
//   "EMODEL" | u16 format version | spec | state as the kind describes it | BLAKE2b-256 of the rest
//
// Integers are little-endian; numbers are the 8 bytes of IEEE 754, so that a model goes on exactly
// as it would have; lengths precede what they count and are bounded before anything is allocated.
// The hash finds damage, not forgery. A kind whose state changes its meaning takes another name for
// itself ("theta-2"), and old bytes are refused, never guessed at.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

class ModelArchive {
 public:
  static ModelArchive writer();
  // Refuses: input_unreadable (not a saved model, cut short, damaged), version_too_new.
  [[nodiscard]] static Result<ModelArchive> reader(ByteView bytes);

  bool reading() const { return reading_; }
  void number(double& value);
  void count(std::uint64_t& value);
  void size(std::size_t& value);
  void time(Instant& value);
  void flag(bool& value);
  void text(std::string& value);
  void numbers(std::vector<double>& values);
  void numbers(std::deque<double>& values);
  void spec(ModelSpec& spec);
  template <std::size_t N>
  void numbers(std::array<double, N>& values) {
    for (double& value : values) number(value);
  }
  // For a state that is not possible: what is read from here on is nothing, and `finish` refuses.
  void fail() { failed_ = true; }

  bool failed() const { return failed_; }
  bool at_end() const { return at_ == bytes_.size(); }
  // Writer: the bytes with their hash.
  Bytes finish();

 private:
  template <class T>
  void integer(T& value);
  std::size_t length(std::size_t items, std::size_t bytes_each);

  bool reading_ = false;
  bool failed_ = false;
  Bytes bytes_;
  std::size_t at_ = 0;
};

}  // namespace entente::node
