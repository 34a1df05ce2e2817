// Recorded readings in the order of their times, and when each of them is due.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/cli/local_commands.h"
#include "schemas/base/result.h"

namespace entente::node {

// What files hold, in memory, because their order is by series or by file and not by time.
class Recording {
 public:
  struct Entry {
    std::int64_t time = 0;  // ns
    double value = 0;
    std::uint32_t series = 0;
    std::uint32_t file = 0;
    std::uint64_t line = 0;
  };

  // Adds a batch of the `file`-th file; its rejects and lines that are no readings come back.
  // Refuses: payload_too_large (limits::kReplayReadings).
  Result<std::vector<ReadingBatch::Reject>> add(std::uint32_t file, const ReadingBatch& batch);
  // By time; what has one time stays in the order in which it was added.
  void sort();
  const std::vector<Entry>& entries() const { return entries_; }
  // The entries [from, to) as lines for the node, their times moved by `shift`.
  ReadingBatch batch(std::size_t from, std::size_t to, Duration shift) const;

 private:
  std::uint32_t series_of(std::string_view twin, std::string_view signal);

  std::vector<Entry> entries_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::vector<std::string> series_;  // {"twin":…,"signal":…,"time": as JSON
};

// How fast recorded time passes: so many times the clock's; without a speed everything is due.
class Pace {
 public:
  // "max", or a number above 0 and at most 1e6. Refuses: invalid_argument.
  static Result<Pace> parse(std::string_view text);
  bool is_max() const { return !speed_.has_value(); }
  // When recorded time has come to, `elapsed` after it was at `first`.
  Instant position(Instant first, Duration elapsed) const;
  // How long recorded time takes from one moment to a later one.
  Duration wait(Instant from, Instant to) const;
  // What moves times to now: the first reading is sent as of now, or, when the recording passes
  // faster than the clock, the last one as of the moment when it is sent; so none is ahead of the
  // clock.
  Duration shift_to(Instant now, Instant first, Instant last) const;

 private:
  std::optional<double> speed_;
};

}  // namespace entente::node
