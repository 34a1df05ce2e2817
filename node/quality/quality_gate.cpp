#include "node/quality/quality_gate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <utility>

#include "node/history/limits.h"

namespace entente::node {
namespace {

constexpr std::size_t kBlock = 4'096;
constexpr std::int64_t kNone = SeriesState::kNone;

// later - earlier, and the ends of 64 bits where it does not fit.
Duration lag_of(Instant time, Instant now) {
  std::int64_t out = 0;
  if (!__builtin_sub_overflow(now.ns, time.ns, &out)) return {out};
  return {now > time ? std::numeric_limits<std::int64_t>::max()
                     : std::numeric_limits<std::int64_t>::min()};
}

void count(std::uint32_t& counter) {
  if (counter != std::numeric_limits<std::uint32_t>::max()) ++counter;
}

// Of what rules usually differ in; equal rules have equal hashes.
std::uint64_t hash_of(const Rule& rule) {
  std::uint64_t hash = 0;
  const auto mix = [&](double value) {
    hash = (hash ^ std::bit_cast<std::uint64_t>(value + 0.0)) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  };
  mix(rule.range ? rule.range->minimum : 1e300);
  mix(rule.range ? rule.range->maximum : 1e300);
  for (const double value : {rule.rate_per_second, rule.dither, rule.spike, rule.spike_floor}) {
    mix(value);
  }
  for (const Duration each : {rule.stuck, rule.period, rule.clock_ahead, rule.clock_behind}) {
    mix(static_cast<double>(each.ns));
  }
  return hash;
}

std::int64_t saturated(std::uint64_t ns) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(ns, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

template <class T>
struct QualityGate::Blocks {
  std::vector<std::unique_ptr<std::array<T, kBlock>>> blocks;
  std::size_t size = 0;

  T& operator[](std::size_t i) { return (*blocks[i / kBlock])[i % kBlock]; }
  void grow_to(std::size_t wanted) {
    while (blocks.size() * kBlock < wanted) {
      blocks.push_back(std::make_unique<std::array<T, kBlock>>());
    }
    size = std::max(size, wanted);
  }
  // The number of a new one.
  std::size_t add() {
    grow_to(size + 1);
    return size - 1;
  }
  std::size_t bytes() const {
    return blocks.size() * sizeof(std::array<T, kBlock>) + blocks.capacity() * sizeof(void*);
  }
};

// `link` is 0 for a series that nobody watches, 1 + a rule's number, or kDetailed + a detail's.
struct QualityGate::Slot {
  std::int64_t last = kNone;
  std::uint32_t good = 0;
  std::uint32_t link = 0;
};

// Of a series whose rule gives a period.
struct QualityGate::Sampling {
  std::uint32_t gaps = 0;
  std::uint32_t intervals = 0;
  std::uint32_t irregular = 0;
  std::int64_t gap_longest = 0;
  std::int64_t gap_from = 0;
  std::int64_t gap_to = 0;
};

struct QualityGate::Detail {
  SeriesState state;
  std::uint32_t rule = 0;
  std::uint32_t window = 0;                            // 1 + its number
  std::uint32_t sampling = 0;                          // 1 + its number
  std::array<std::uint32_t, kQualities - 1> others{};  // by quality - 1
  std::uint32_t duplicates = 0;
  std::uint32_t out_of_order = 0;
  std::uint64_t good = 0;
  std::int64_t last_good = kNone;
  Duration lag{kNone};
};

struct QualityGate::State {
  static constexpr std::uint32_t kDetailed = 1u << 31;

  std::vector<Rule> rules{Rule{}};
  Blocks<Slot> slots;
  Blocks<Detail> details;
  Blocks<SpikeWindow> windows;
  Blocks<Sampling> samplings;

  std::unordered_multimap<std::uint64_t, std::uint32_t> numbers;  // by hash

  std::uint32_t number_of(const Rule& rule) {
    const std::uint64_t hash = hash_of(rule);
    const auto [first, last] = numbers.equal_range(hash);
    for (auto each = first; each != last; ++each) {
      if (rules[each->second] == rule) return each->second;
    }
    const auto number = static_cast<std::uint32_t>(rules.size());
    rules.push_back(rule);
    numbers.emplace(hash, number);
    return number;
  }
  Detail* detail_of(const Slot& slot) {
    return (slot.link & kDetailed) != 0 ? &details[slot.link & ~kDetailed] : nullptr;
  }
};

QualityGate::QualityGate(RuleBook book, Options options)
    : detailed_max_(options.detailed_max),
      book_(std::make_shared<const RuleBook>(std::move(book))),
      state_(std::make_unique<State>()) {
  static_assert(sizeof(Slot) == 16);
  static_assert(sizeof(Detail) <= 152);
}
QualityGate::~QualityGate() = default;

QualityGate::Slot* QualityGate::slot_of(SeriesId series) {
  const auto number = static_cast<std::size_t>(series);
  if (number >= limits::kSeriesNumbers) return nullptr;
  state_->slots.grow_to(number + 1);
  return &state_->slots[number];
}

bool QualityGate::watch(SeriesId series, const Rule& rule) {
  std::lock_guard guard(mutex_);
  return watch_guarded(series, rule);
}

bool QualityGate::watch(SeriesId series, const ResolvedType& type, const Signal& signal,
                        std::string_view twin) {
  const auto book = this->book();
  const Rule rule = book->rule_for(type, signal, twin);
  std::lock_guard guard(mutex_);
  // A book that came meanwhile counts: whoever gave it may have passed this series already.
  return watch_guarded(series, book == book_ ? rule : book_->rule_for(type, signal, twin));
}

bool QualityGate::watches(SeriesId series) const {
  std::lock_guard guard(mutex_);
  const auto number = static_cast<std::size_t>(series);
  return number < state_->slots.size && state_->slots[number].link != 0;
}

std::shared_ptr<const RuleBook> QualityGate::book() const {
  std::lock_guard guard(mutex_);
  return book_;
}

void QualityGate::replace(RuleBook book) {
  auto next = std::make_shared<const RuleBook>(std::move(book));
  std::lock_guard guard(mutex_);
  book_.swap(next);
}

void QualityGate::drop_unused_rules() {
  std::lock_guard guard(mutex_);
  const std::vector<Rule> old = std::exchange(state_->rules, {Rule{}});
  state_->numbers.clear();
  constexpr std::uint32_t kUnknown = ~0u;
  std::vector<std::uint32_t> numbers(old.size(), kUnknown);
  numbers[0] = 0;
  const auto renumbered = [&](std::uint32_t number) {
    std::uint32_t& now = numbers[number];
    if (now == kUnknown) now = state_->number_of(old[number]);
    return now;
  };
  for (std::size_t i = 0; i < state_->slots.size; ++i) {
    Slot& slot = state_->slots[i];
    if (Detail* detail = state_->detail_of(slot)) {
      detail->rule = renumbered(detail->rule);
    } else if (slot.link != 0) {
      slot.link = 1 + renumbered(slot.link - 1);
    }
  }
}

bool QualityGate::watch_guarded(SeriesId series, const Rule& rule) {
  Slot* slot = slot_of(series);
  if (slot == nullptr) return false;
  const bool fresh = slot->link == 0;
  Detail* detail = state_->detail_of(*slot);
  const std::uint32_t present = detail != nullptr ? detail->rule : fresh ? 0 : slot->link - 1;
  const std::uint32_t number =
      !fresh && state_->rules[present] == rule ? present : state_->number_of(rule);
  if (detail != nullptr) {
    detail->rule = number;
  } else {
    slot->link = 1 + number;
  }
  return fresh;
}

void QualityGate::prime(SeriesId series, const Reading& newest) {
  std::lock_guard guard(mutex_);
  Slot* slot = slot_of(series);
  if (slot == nullptr || slot->link == 0 || slot->last != kNone) return;
  if ((slot->link & State::kDetailed) != 0 || newest.quality == Quality::clock_ahead) return;
  if (!state_->rules[slot->link - 1].has_memory()) {
    slot->last = newest.time.ns;
    return;
  }
  give_detail(*slot);
  SeriesState& state = state_->detail_of(*slot)->state;
  state.arrived = newest.time.ns;
  state.arrived_value = newest.value;
  state.quality = newest.quality;
  if (verdict_of(newest.quality) == Verdict::bad) return;
  state.value_time = state.run_start = newest.time.ns;
  state.value = state.run_value = newest.value;
}

void QualityGate::give_detail(Slot& slot) {
  const std::size_t number = state_->details.add();
  Detail& detail = state_->details[number];
  detail.rule = slot.link == 0 ? 0 : slot.link - 1;
  detail.good = slot.good;
  detail.state.arrived = slot.last;
  // All that came before was good, or there would be a detail; its value is not known any more.
  if (slot.good > 0) detail.last_good = slot.last;
  detail.state.arrived_value = std::numeric_limits<double>::quiet_NaN();
  slot.link = State::kDetailed | static_cast<std::uint32_t>(number);
}

void QualityGate::count_interval(Detail& detail, const Judged& judged, std::int64_t before,
                                 Instant time) {
  if (detail.sampling == 0) {
    detail.sampling = static_cast<std::uint32_t>(state_->samplings.add() + 1);
  }
  Sampling& sampling = state_->samplings[detail.sampling - 1];
  if (judged.interval == Judged::Interval::gap) {
    count(sampling.gaps);
    sampling.gap_longest = std::max(sampling.gap_longest, saturated(judged.since_last));
    sampling.gap_from = before;
    sampling.gap_to = time.ns;
    return;
  }
  count(sampling.intervals);
  if (judged.interval == Judged::Interval::irregular) count(sampling.irregular);
}

Quality QualityGate::judge_detailed(Slot& slot, Instant time, double value, Instant now) {
  Detail& detail = *state_->detail_of(slot);
  const Rule& rule = state_->rules[detail.rule];
  if (rule.spike > 0 && detail.window == 0) {
    detail.window = static_cast<std::uint32_t>(state_->windows.add() + 1);
  }
  SpikeWindow* window = detail.window == 0 ? nullptr : &state_->windows[detail.window - 1];
  const std::int64_t before = detail.state.arrived;
  const Judged judged = judge_next(rule, detail.state, window, time, value, now);
  const bool good = judged.quality == Quality::good;
  if (good) {
    ++detail.good;
  } else {
    count(detail.others[static_cast<std::size_t>(judged.quality) - 1]);
  }
  switch (judged.order) {
    case Judged::Order::next:
      slot.last = time.ns;
      detail.lag = lag_of(time, now);
      if (good) detail.last_good = time.ns;
      break;
    case Judged::Order::same_time:
      count(detail.duplicates);
      break;
    case Judged::Order::earlier:
      count(detail.out_of_order);
      break;
    case Judged::Order::ahead:
      break;
  }
  if (judged.interval != Judged::Interval::none) count_interval(detail, judged, before, time);
  return judged.quality;
}

Quality QualityGate::judge_one(SeriesId series, Instant time, double value, Instant now) {
  Slot* slot = slot_of(series);
  if (slot == nullptr) return judge_alone(Rule{}, time, value, now);
  if ((slot->link & State::kDetailed) != 0) return judge_detailed(*slot, time, value, now);
  const Rule& rule = state_->rules[slot->link == 0 ? 0 : slot->link - 1];
  const bool wanted = rule.has_memory() || state_->details.size < detailed_max_;
  if (!wanted) {
    const Quality quality = judge_alone(rule, time, value, now);
    const bool in_order = slot->last == kNone || time.ns > slot->last;
    if (quality == Quality::good && in_order &&
        slot->good != std::numeric_limits<std::uint32_t>::max()) {
      slot->last = time.ns;
      ++slot->good;
      return quality;
    }
  }
  give_detail(*slot);
  return judge_detailed(*slot, time, value, now);
}

void QualityGate::judge(Batch& batch, Instant now) {
  batch.qualities.resize(batch.size());
  std::lock_guard guard(mutex_);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch.qualities[i] = judge_one(batch.series[i], {batch.times[i]}, batch.values[i], now);
  }
}

std::optional<SeriesHealth> QualityGate::health(SeriesId series) const {
  std::lock_guard guard(mutex_);
  const auto number = static_cast<std::size_t>(series);
  if (number >= state_->slots.size || state_->slots[number].link == 0) return std::nullopt;
  const Slot& slot = state_->slots[number];
  SeriesHealth health;
  if (slot.last != kNone) health.last = Instant{slot.last};
  const Detail* detail = state_->detail_of(slot);
  if (detail == nullptr) {
    health.counts[0] = slot.good;
    if (slot.good > 0) health.last_good = health.last;
    return health;
  }
  health.counts[0] = detail->good;
  for (std::size_t i = 1; i < kQualities; ++i) health.counts[i] = detail->others[i - 1];
  health.duplicates = detail->duplicates;
  health.out_of_order = detail->out_of_order;
  if (detail->sampling > 0) {
    const Sampling& sampling = state_->samplings[detail->sampling - 1];
    health.gaps = sampling.gaps;
    if (sampling.gaps > 0) {
      health.gap_longest = Duration{sampling.gap_longest};
      health.gap_last = TimeWindow{{sampling.gap_from}, {sampling.gap_to}};
    }
    health.intervals = sampling.intervals;
    health.irregular = sampling.irregular;
  }
  if (detail->state.arrived != kNone) health.last = Instant{detail->state.arrived};
  if (detail->last_good != kNone) health.last_good = Instant{detail->last_good};
  if (detail->lag.ns != kNone) health.lag = detail->lag;
  return health;
}

std::size_t QualityGate::bytes() const {
  std::lock_guard guard(mutex_);
  std::size_t all = state_->slots.bytes() + state_->details.bytes() + state_->windows.bytes() +
                    state_->samplings.bytes() + state_->rules.capacity() * sizeof(Rule);
  for (std::size_t i = 0; i < state_->windows.size; ++i) all += state_->windows[i].bytes();
  return all;
}

}  // namespace entente::node
