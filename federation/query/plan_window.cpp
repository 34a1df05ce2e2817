#include <algorithm>

#include "federation/query/plan_parts.h"
#include "schemas/base/limits.h"
#include "schemas/base/zone.h"

namespace entente::federation::planning {
namespace {

constexpr int kAlignmentRounds = 64;
// 1700-01-01 and 2250-01-01: far enough from the ends of int64 for every sum made here.
constexpr Instant kEarliest{-8'520'336'000'000'000'000};
constexpr Instant kLatest{8'835'955'200'000'000'000};

// A broken rule and the part of the sentence it is about.
struct Fault {
  enum class Part { window, from, to, every };
  Part part = Part::window;
  Error error;
};

Fault shape(Fault::Part part, std::string what, std::string remedy) {
  return {part, make_error(ErrorCode::shape_refused, std::move(what), std::move(remedy))};
}

std::string quoted(Instant instant) {
  return "'" + to_text(instant) + "'";
}

std::string ticks_of(const ExportView& view) {
  return "the ticks of '" + view.name + "' (" + to_text(view.tick) + ", " + view.zone + ")";
}

// zone.h takes it for granted that the zone is known and that local days hold whole ticks.
std::optional<Fault> wrong_grid(const ExportView& view) {
  const auto fits = [&](Duration step) {
    return step.ns > 0 &&
           (view.zone == "UTC" || days(1).ns % step.ns == 0 || step.ns % days(1).ns == 0);
  };
  if (!is_zone(view.zone)) {
    return shape(Fault::Part::window, "this machine does not know the zone '" + view.zone + "'",
                 "install the package tzdata");
  }
  if (fits(view.tick) && (view.block.ns == 0 || fits(view.block))) return std::nullopt;
  return shape(Fault::Part::window,
               "the ticks or blocks of '" + view.name + "' do not fit into local days",
               "let the owner declare lengths that divide a day or are whole days");
}

bool aligned(Instant at, const ExportView& view) {
  return is_aligned(at, view.tick, view.zone);
}

std::optional<Fault> misaligned(Fault::Part part, Instant at, const ExportView& view) {
  if (aligned(at, view)) return std::nullopt;
  return shape(part, quoted(at) + " is no boundary of " + ticks_of(view),
               "the nearest are " + quoted(step_begin(at, view.tick, view.zone)) + " and " +
                   quoted(step_end(at, view.tick, view.zone)));
}

// Blocks that the window touches, counted to one beyond the limit at most.
std::size_t blocks_touched(const ExportView& view, const TimeWindow& window) {
  if (view.block.ns == 0) return 1;
  std::size_t count = 0;
  Instant at = window.from;
  while (at < window.to && count <= limits::kBlocks) {
    at = step_end(at, view.block, view.zone);
    ++count;
  }
  return count;
}

std::optional<Fault> wrong_every(const TimeWindow& window, Duration every, const ExportView& view) {
  using Part = Fault::Part;
  if (every.ns <= 0 || every.ns % view.tick.ns != 0) {
    return shape(Part::every, "EVERY " + to_text(every) + " is no multiple of " + ticks_of(view),
                 "ask with a multiple of " + to_text(view.tick));
  }
  const std::int64_t length = window.length().ns;
  if (length % every.ns != 0) {
    return shape(
        Part::every,
        "EVERY " + to_text(every) + " does not divide the window of " + to_text(window.length()),
        "choose a length that divides the window, which is absolute: a local day on which "
        "the clocks change is shorter or longer");
  }
  if (length / every.ns > static_cast<std::int64_t>(limits::kCells)) {
    return shape(
        Part::every,
        "EVERY cuts the window into more than " + std::to_string(limits::kCells) + " cells",
        "ask over a shorter window, or with longer cells");
  }
  for (Instant at = window.from; at < window.to; at = at + every) {
    if (aligned(at, view)) continue;
    return shape(Part::every,
                 "the cell that begins at " + to_text(at) + " does not begin with one of " +
                     ticks_of(view) + "; the zone's clocks change within the window",
                 "ask separately about the time before and after the change");
  }
  return std::nullopt;
}

// When a window that ends at `to` is closed; the end of time where lateness reaches beyond it.
Instant closing(Instant to, Duration lateness) {
  std::int64_t at = 0;
  return __builtin_add_overflow(to.ns, lateness.ns, &at) ? Instant{INT64_MAX} : Instant{at};
}

std::optional<Fault> find_fault(const TimeWindow& window, std::optional<Duration> every,
                                const ExportView& view, Instant now) {
  using Part = Fault::Part;
  if (auto fault = wrong_grid(view)) return fault;
  if (window.to <= window.from || window.from < kEarliest || window.to > kLatest) {
    return shape(Part::from, "the window is empty or lies outside the years 1700 to 2249", {});
  }
  if (auto fault = misaligned(Part::from, window.from, view)) return fault;
  if (auto fault = misaligned(Part::to, window.to, view)) return fault;
  if (every) {
    if (auto fault = wrong_every(window, *every, view)) return fault;
  }
  if (blocks_touched(view, window) > limits::kBlocks) {
    return shape(Part::window,
                 "the window touches more than " + std::to_string(limits::kBlocks) + " blocks of " +
                     to_text(view.block),
                 "ask over a shorter window");
  }
  if (window.to > now - view.lateness) {
    return Fault{Part::to,
                 make_error(ErrorCode::window_open,
                            "the window ends " + to_text(window.to) + " and '" + view.name +
                                "' takes readings up to " + to_text(view.lateness) + " late",
                            "ask again from " + to_text(closing(window.to, view.lateness)))};
  }
  return std::nullopt;
}

// The latest instant at which a tick of every member ends and is closed.
Result<Instant> last_closed(std::span<const MemberView> asked, const PlanOptions& options) {
  Instant end = options.now - options.skew;
  for (const MemberView& member : asked) {
    end = std::min(end, options.now - options.skew - member.view->lateness);
  }
  if (end < kEarliest) return make_error(ErrorCode::window_open, "no tick is closed yet");
  for (int round = 0; round < kAlignmentRounds; ++round) {
    const Instant before = end;
    for (const MemberView& member : asked) {
      if (auto fault = wrong_grid(*member.view)) return std::move(fault->error);
      end = step_begin(end, member.view->tick, member.view->zone);
    }
    if (end == before) return end;
  }
  return make_error(ErrorCode::shape_refused, "the members' ticks have no boundary in common");
}

// `length` before `end`: in whole local days where ticks are days, absolute otherwise.
Result<Instant> begin_of(Instant end, Duration length, const ExportView& coarsest) {
  std::int64_t from = 0;
  if (__builtin_sub_overflow(end.ns, length.ns, &from) || from < kEarliest.ns) {
    return make_error(ErrorCode::shape_refused, "the window begins before the year 1700");
  }
  if (coarsest.zone == "UTC" || coarsest.tick.ns % days(1).ns != 0) return Instant{from};
  Instant at = end;
  for (std::int64_t steps = length.ns / coarsest.tick.ns; steps > 0; --steps) {
    at = step_begin(at - nanoseconds(1), coarsest.tick, coarsest.zone);
  }
  return at;
}

Result<TimeWindow> resolve_relative(const Sentence& sentence, const RelativeWindow& relative,
                                    std::span<const MemberView> asked, const PlanOptions& options) {
  const ExportView* coarsest = asked.front().view;
  for (const MemberView& member : asked) {
    if (const auto fault = wrong_grid(*member.view)) {
      return refuse_at(sentence, relative.at, fault->error.code, fault->error.what,
                       fault->error.remedy);
    }
    const Duration tick = member.view->tick;
    if (tick > coarsest->tick) coarsest = member.view;
    if (relative.length.ns % tick.ns == 0) continue;
    const Duration below{relative.length.ns - relative.length.ns % tick.ns};
    return refuse_at(
        sentence, relative.at, ErrorCode::shape_refused,
        "a window of " + to_text(relative.length) + " is no multiple of " + ticks_of(*member.view),
        "the nearest are " + (below.ns > 0 ? to_text(below) + " and " : std::string()) +
            to_text(below + tick));
  }
  const auto fail = [&](const Error& error) {
    return refuse_at(sentence, relative.at, error.code, error.what, error.remedy);
  };
  const auto end = last_closed(asked, options);
  if (!end) return fail(end.error());
  const auto from = begin_of(*end, relative.length, *coarsest);
  if (!from) return fail(from.error());
  return TimeWindow{*from, *end};
}

Span place_of(const Sentence& sentence, Fault::Part part) {
  if (part == Fault::Part::every && sentence.every) return sentence.every->at;
  if (const auto* relative = std::get_if<RelativeWindow>(&sentence.over)) return relative->at;
  const auto& absolute = std::get<AbsoluteWindow>(sentence.over);
  return part == Fault::Part::to ? absolute.to_at : absolute.from_at;
}

}  // namespace

Result<PlannedWindow> plan_window(const Sentence& sentence, std::span<const MemberView> asked,
                                  const PlanOptions& options) {
  PlannedWindow planned;
  if (const auto* relative = std::get_if<RelativeWindow>(&sentence.over)) {
    const auto window = resolve_relative(sentence, *relative, asked, options);
    if (!window) return window.error();
    planned.window = *window;
  } else {
    planned.window = std::get<AbsoluteWindow>(sentence.over).window;
  }
  if (sentence.every) planned.every = sentence.every->length;
  for (const MemberView& member : asked) {
    const auto fault = find_fault(planned.window, planned.every, *member.view, options.now);
    if (!fault) continue;
    const Error& error = fault->error;
    return refuse_at(sentence, place_of(sentence, fault->part), error.code, error.what,
                     error.remedy);
  }
  if (planned.every == planned.window.length()) planned.every.reset();
  return planned;
}

Outcome check_window(const TimeWindow& window, std::optional<Duration> every,
                     const ExportView& view, Instant now) {
  if (auto fault = find_fault(window, every, view, now)) return std::move(fault->error);
  return {};
}

}  // namespace entente::federation::planning
