#include "federation/compose/released_value.h"

#include <bit>
#include <charconv>

namespace entente::federation {
namespace {

// The bits of a number, so that infinities and the last digit come back as they were.
void write(std::string& out, double number) {
  out += ' ';
  out += std::to_string(std::bit_cast<std::uint64_t>(number));
}

void write(std::string& out, const Estimate& estimate) {
  for (const double number :
       {estimate.value, estimate.standard_error, estimate.lower, estimate.upper}) {
    write(out, number);
  }
}

// Words of a line, one after the other; a missing or odd one makes it bad.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  template <class Integer>
  Integer next() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    Integer value = 0;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (failure != std::errc{}) bad_ = true;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  Estimate estimate() {
    Estimate out;
    for (double* number : {&out.value, &out.standard_error, &out.lower, &out.upper}) {
      *number = std::bit_cast<double>(next<std::uint64_t>());
    }
    return out;
  }
  bool whole() const { return !bad_ && rest_.empty(); }
  bool bad() const { return bad_; }

 private:
  std::string_view rest_;
  bool bad_ = false;
};

}  // namespace

std::vector<ReleasedValue> ReleasedValue::of(const FederatedAnswer& answer) {
  std::vector<ReleasedValue> values;
  const bool grouped = answer.plan.groups.size() > 1;
  for (std::size_t tick = 0; tick < answer.plan.ticks.size(); ++tick) {
    ReleasedValue value;
    value.window_ = answer.plan.ticks[tick];
    for (const AnswerRow& row : answer.rows) {
      if (row.tick != tick || row.total != grouped || row.values.empty()) continue;
      value.estimate_ = row.values.front();
      value.bins_ = row.bins.front();
    }
    values.push_back(std::move(value));
  }
  return values;
}

std::string ReleasedValue::durable(const std::vector<ReleasedValue>& values) {
  std::string out;
  for (const ReleasedValue& value : values) {
    out += std::to_string(value.window_.from.ns) + " " + std::to_string(value.window_.to.ns);
    out += value.estimate_ ? " 1" : " 0";
    if (value.estimate_) write(out, *value.estimate_);
    out += " " + std::to_string(value.bins_.size());
    for (const Estimate& bin : value.bins_) write(out, bin);
    out += '\n';
  }
  return out;
}

Result<std::vector<ReleasedValue>> ReleasedValue::from_durable(std::string_view text) {
  std::vector<ReleasedValue> values;
  const auto wrong = make_error(ErrorCode::store_failed, "a released value does not read");
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return wrong;
    Words words(text.substr(0, end));
    text.remove_prefix(end + 1);
    ReleasedValue value;
    value.window_.from.ns = words.next<std::int64_t>();
    value.window_.to.ns = words.next<std::int64_t>();
    if (words.next<int>() == 1) value.estimate_ = words.estimate();
    const auto bins = words.next<std::size_t>();
    for (std::size_t i = 0; i < bins && !words.bad(); ++i) value.bins_.push_back(words.estimate());
    if (!words.whole() || value.window_.to <= value.window_.from) return wrong;
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace entente::federation
