#include "node/cli/replay.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <limits>

#include "node/cli/limits.h"
#include "node/ingest/jsonl_reader.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

constexpr double kSpeedMost = 1e6;

// Saturates, because a file may hold any time.
std::int64_t sum(std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (!__builtin_add_overflow(a, b, &out)) return out;
  return a < 0 ? std::numeric_limits<std::int64_t>::min()
               : std::numeric_limits<std::int64_t>::max();
}

std::int64_t difference(std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (!__builtin_sub_overflow(a, b, &out)) return out;
  return a < 0 ? std::numeric_limits<std::int64_t>::min()
               : std::numeric_limits<std::int64_t>::max();
}

std::int64_t whole_ns(double ns) {
  constexpr double kMost = 9.2e18;
  return static_cast<std::int64_t>(std::clamp(ns, -kMost, kMost));
}

}  // namespace

std::uint32_t Recording::series_of(std::string_view twin, std::string_view signal) {
  std::string key =
      "{\"twin\":" + json_text(boost::json::value(boost::core::string_view(twin))) +
      ",\"signal\":" + json_text(boost::json::value(boost::core::string_view(signal))) +
      ",\"time\":";
  const auto [found, fresh] =
      numbers_.try_emplace(std::move(key), static_cast<std::uint32_t>(series_.size()));
  if (fresh) series_.push_back(found->first);
  return found->second;
}

Result<std::vector<ReadingBatch::Reject>> Recording::add(std::uint32_t file,
                                                         const ReadingBatch& batch) {
  auto rejects = batch.rejects;
  const auto line_of = [&](std::size_t line) {
    return line >= 1 && line <= batch.sources.size() ? batch.sources[line - 1] : line;
  };
  JsonLinesReader reader(source_of(std::string_view(batch.json_lines)));
  while (true) {
    auto step = reader.next();
    if (!step) return std::move(step).error();
    if (*step == RowReader::Step::end) return rejects;
    if (*step == RowReader::Step::reject) {
      const auto& bad = reader.reject();
      rejects.push_back({line_of(bad.line), bad.reason, bad.column, bad.text});
      continue;
    }
    if (entries_.size() == limits::kReplayReadings) {
      return make_error(ErrorCode::payload_too_large,
                        "a replay holds at most " + std::to_string(limits::kReplayReadings) +
                            " readings, to put them in order",
                        "replay a shorter time, one file after the other");
    }
    const Row& row = reader.row();
    entries_.push_back(
        {row.time.ns, row.value, series_of(row.twin, row.signal), file, line_of(row.line)});
  }
}

void Recording::sort() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.time < b.time; });
}

ReadingBatch Recording::batch(std::size_t from, std::size_t to, Duration shift) const {
  ReadingBatch out;
  for (std::size_t i = from; i < to; ++i) {
    const Entry& entry = entries_[i];
    char value[64];
    const auto end = std::to_chars(value, value + sizeof value, entry.value);
    out.json_lines += series_[entry.series];
    out.json_lines += std::to_string(sum(entry.time, shift.ns)) + ",\"value\":";
    out.json_lines.append(value, end.ptr);
    out.json_lines += "}\n";
    out.sources.push_back(entry.line);
  }
  return out;
}

Result<Pace> Pace::parse(std::string_view text) {
  Pace pace;
  if (text == "max") return pace;
  double speed = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), speed);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || !(speed > 0) ||
      speed > kSpeedMost) {
    return make_error(ErrorCode::invalid_argument,
                      "--speed '" + std::string(text) + "' is no speed",
                      "write max, or a number such as 10: ten recorded seconds a second");
  }
  pace.speed_ = speed;
  return pace;
}

Instant Pace::position(Instant first, Duration elapsed) const {
  if (!speed_) return {std::numeric_limits<std::int64_t>::max()};
  return {sum(first.ns, whole_ns(static_cast<double>(elapsed.ns) * *speed_))};
}

Duration Pace::wait(Instant from, Instant to) const {
  if (!speed_) return {};
  return {whole_ns(static_cast<double>(difference(to.ns, from.ns)) / *speed_)};
}

Duration Pace::shift_to(Instant now, Instant first, Instant last) const {
  const std::int64_t length = difference(last.ns, first.ns);
  const std::int64_t takes = wait(first, last).ns;
  return {sum(difference(now.ns, first.ns), std::min<std::int64_t>(0, takes - length))};
}

}  // namespace entente::node
